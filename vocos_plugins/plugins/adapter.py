"""What fits Vocos into a toolkit, and whether the toolkit is there."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..config import Features
from ..mel.convention import MelConvention
from ..network.network import Network


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

    def wrap(self, vocos: Network, *, source: MelConvention | None = None, strict: bool = False) -> Any:
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

    def export(
        self, vocos: Network, target: Path, *, tts: Path | MelConvention | None = None, strict: bool = False
    ) -> None:
        """Writes a model atomically as the toolkit's own kind of checkpoint.

        Args:
            vocos: the model.
            target: file or directory, whichever the toolkit has.
            tts: the text-to-speech model's configuration, or its mel, if that isn't `features`.
            strict: refuse a mel that can be brought into the model's convention only at a loss.

        Raises:
            ValueError: the toolkit has no such checkpoints, or the mel can't be brought into what the model takes.
            OSError: the target can't be written.
        """

    def set_enabled(self, enabled: bool) -> tuple[Path, bool]:
        """Makes the toolkit know Vocos in every process of this environment, or no more.

        Returns:
            the file in the environment that does it, and whether anything was changed.

        Raises:
            ValueError: the toolkit needs no such thing, or the environment can't be written to.
        """


@dataclass(frozen=True, kw_only=True)
class LazyAdapter:
    """A `ToolkitAdapter` as data: what imports the toolkit stands in a module that is imported when it is needed.

    Attributes:
        name, toolkit_module, distribution, features: as in `ToolkitAdapter`.
        vocoder: that module's dotted name; it holds a function ``wrap(vocos, *, source, strict)``.
        reader: reads conventions from the toolkit's files; None if it has none to read.
        exporter: dotted name of the module that holds a function ``export(vocos, target, *, tts, strict)``; None if
            the toolkit has no checkpoints to write.
        activator: dotted name of the module that holds ``enable()`` and ``disable()``, whose results have ``file`` and
            ``done``; None if the toolkit finds Vocos without.
    """

    name: str
    toolkit_module: str
    distribution: str
    features: Features
    vocoder: str
    reader: Callable[[Path], MelConvention | None] | None = None
    exporter: str | None = None
    activator: str | None = None

    def wrap(self, vocos: Network, *, source: MelConvention | None = None, strict: bool = False) -> Any:
        """As `ToolkitAdapter.wrap`."""
        module: Any = importlib.import_module(self.vocoder)
        wrapped: object = module.wrap(vocos, source=source, strict=strict)
        return wrapped

    def read_convention(self, path: Path) -> MelConvention | None:
        """As `ToolkitAdapter.read_convention`."""
        return None if self.reader is None else self.reader(path)

    def export(
        self, vocos: Network, target: Path, *, tts: Path | MelConvention | None = None, strict: bool = False
    ) -> None:
        """As `ToolkitAdapter.export`."""
        if self.exporter is None:
            raise ValueError(f"{self.name} has no vocoder checkpoints to write; see adapt(vocos, {self.name!r})")
        module: Any = importlib.import_module(self.exporter)
        module.export(vocos, target, tts=tts, strict=strict)

    def set_enabled(self, enabled: bool) -> tuple[Path, bool]:
        """As `ToolkitAdapter.set_enabled`."""
        if self.activator is None:
            raise ValueError(f"{self.name} needs no such thing: it finds Vocos by what `vocos export` writes, or adapt")
        module: Any = importlib.import_module(self.activator)
        change = module.enable() if enabled else module.disable()
        return change.file, change.done


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
