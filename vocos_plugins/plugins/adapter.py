"""What fits Vocos into a toolkit, and whether the toolkit is there."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..config import Features
from ..mel.convention import MelConvention

if TYPE_CHECKING:
    from ..model import Vocos


class ToolkitAdapter(Protocol):
    """One toolkit's adapter. Making one, and reading its properties, imports no toolkit."""

    @property
    def name(self) -> str:
        """What `adapt` takes; also the extra of the adapter's distribution that installs the toolkit."""

    @property
    def toolkit_module(self) -> str:
        """Top-level module of the toolkit, by which it is looked for."""

    @property
    def distribution(self) -> str:
        """The toolkit's name for pip, by which its version is found."""

    @property
    def features(self) -> Features:
        """What the toolkit's models give by default."""

    def wrap(self, vocos: Vocos, *, source: MelConvention | None = None, strict: bool = False) -> object:
        """The object that the toolkit takes for a vocoder; imports the toolkit.

        Args:
            vocos: decodes.
            source: the mel that will come in, if it isn't `features`.
            strict: refuse a mel that can be brought into the model's convention only at a loss.

        Raises:
            ValueError: the toolkit's features can't be brought into what the model takes.
        """

    def read_convention(self, path: Path) -> MelConvention | None:
        """The mel that a configuration or checkpoint of the toolkit fixes; None where the file isn't the toolkit's.

        Raises:
            ConventionError: the file is the toolkit's, but a field can't be determined.
        """


@dataclass(frozen=True, kw_only=True)
class LazyAdapter:
    """A `ToolkitAdapter` as data: what imports the toolkit stands in a module that is imported when it is needed.

    Attributes:
        name, toolkit_module, distribution, features: as in `ToolkitAdapter`.
        vocoder: that module's dotted name; it holds a function ``wrap(vocos, *, source, strict)``.
        reader: reads conventions from the toolkit's files; None if it has none to read.
    """

    name: str
    toolkit_module: str
    distribution: str
    features: Features
    vocoder: str
    reader: Callable[[Path], MelConvention | None] | None = None

    def wrap(self, vocos: Vocos, *, source: MelConvention | None = None, strict: bool = False) -> object:
        """As `ToolkitAdapter.wrap`."""
        module: Any = importlib.import_module(self.vocoder)
        wrapped: object = module.wrap(vocos, source=source, strict=strict)
        return wrapped

    def read_convention(self, path: Path) -> MelConvention | None:
        """As `ToolkitAdapter.read_convention`."""
        return None if self.reader is None else self.reader(path)


def is_installed(adapter: ToolkitAdapter) -> bool:
    """Whether the toolkit can be found; it is not imported."""
    return importlib.util.find_spec(adapter.toolkit_module) is not None


def installed_version(distribution: str) -> str | None:
    """The version that is installed, None if none is."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def install_command(adapter: ToolkitAdapter, provider: str) -> str:
    """How to get the toolkit: by an extra of `provider`, the distribution that the adapter comes in, if it has one."""
    extras = importlib.metadata.metadata(provider).get_all("Provides-Extra") or []
    if adapter.name in extras:
        return f"pip install '{provider}[{adapter.name}]'"
    return f"pip install {adapter.distribution}"
