"""Toolkit adapters, and checks of whether their toolkits are installed."""

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
from .exported import ExportedVocoder, ExportReader


class ToolkitAdapter(Protocol):
    """An adapter for one toolkit. Neither creating one nor reading its properties imports the toolkit."""

    @property
    def name(self) -> str:
        """The name that `adapt` takes; also the extra of the adapter's distribution that installs the toolkit."""

    @property
    def toolkit_module(self) -> str:
        """The toolkit's top-level module. The toolkit counts as installed if this module can be found."""

    @property
    def distribution(self) -> str:
        """The toolkit's name for pip, by which its version is looked up."""

    @property
    def features(self) -> Features:
        """The features that the toolkit's models produce by default."""

    def wrap(self, vocos: Network, *, source: MelConvention | None = None, strict: bool = False) -> Any:
        """Returns an object that the toolkit accepts as a vocoder; imports the toolkit.

        Args:
            vocos: the model that decodes.
            source: the mel convention of the input, if it isn't `features`.
            strict: refuse a mel whose conversion to the model's convention is lossy.

        Raises:
            ValueError: the toolkit's features can't be converted to what the model takes.
        """

    def read_convention(self, path: Path) -> MelConvention | None:
        """Reads the mel convention of a toolkit's configuration or checkpoint; None if the file isn't the toolkit's.

        Raises:
            ConventionError: the file is the toolkit's, but a field can't be determined.
        """

    def export(
        self,
        vocos: Network,
        target: Path,
        *,
        tts: Path | MelConvention | None = None,
        strict: bool = False,
        overwrite: bool = False,
    ) -> None:
        """Writes a model as the toolkit's own kind of checkpoint, atomically.

        Args:
            vocos: the model.
            target: the file or directory to write, whichever the toolkit uses.
            tts: the text-to-speech model's configuration, or its mel convention, if that isn't `features`.
            strict: refuse a mel whose conversion to the model's convention is lossy.
            overwrite: replace what is at the target even if no earlier export wrote it, unless ``tts`` is there.

        Raises:
            ValueError: the toolkit has no such checkpoints, the mel can't be converted to what the model takes, or a
                file at the target would be lost; `storage.overwriting.check_replaceable` finds that.
            OSError: the target can't be written.
        """

    def set_enabled(self, enabled: bool) -> tuple[Path, bool]:
        """Activates Vocos in the toolkit for every process of this environment, or deactivates it.

        Returns:
            the file in the environment that activates it, and whether anything was changed.

        Raises:
            ValueError: the toolkit needs no activation, or the environment can't be written to.
        """


@dataclass(frozen=True, kw_only=True)
class LazyAdapter:
    """A `ToolkitAdapter` as data: the modules that import the toolkit are named, and imported only when needed.

    Attributes:
        name, toolkit_module, distribution, features: as in `ToolkitAdapter`.
        vocoder: dotted name of the module that holds a function ``wrap(vocos, *, source, strict)``.
        reader: reads conventions from the toolkit's files; None if it has none to read.
        exporter: dotted name of the module that holds a function ``export(vocos, target, *, tts, strict,
            overwrite)``; None if the toolkit has no checkpoints to write.
        export_reader: reads what the exporter wrote; None if the toolkit's configurations say it all.
        activator: dotted name of the module that holds ``enable()`` and ``disable()``, whose results have ``file`` and
            ``done``; None if there is none.
        usage: what to do instead of an activation, for messages; empty if the toolkit finds Vocos by itself.
    """

    name: str
    toolkit_module: str
    distribution: str
    features: Features
    vocoder: str
    reader: Callable[[Path], MelConvention | None] | None = None
    exporter: str | None = None
    export_reader: ExportReader | None = None
    activator: str | None = None
    usage: str = ""

    def wrap(self, vocos: Network, *, source: MelConvention | None = None, strict: bool = False) -> Any:
        """See `ToolkitAdapter.wrap`."""
        module: Any = importlib.import_module(self.vocoder)
        wrapped: object = module.wrap(vocos, source=source, strict=strict)
        return wrapped

    def read_convention(self, path: Path) -> MelConvention | None:
        """See `ToolkitAdapter.read_convention`."""
        return None if self.reader is None else self.reader(path)

    def export(
        self,
        vocos: Network,
        target: Path,
        *,
        tts: Path | MelConvention | None = None,
        strict: bool = False,
        overwrite: bool = False,
    ) -> None:
        """See `ToolkitAdapter.export`."""
        if self.exporter is None:
            instead = self.usage or f"see adapt(vocos, {self.name!r})"
            raise ValueError(f"{self.name} has no vocoder checkpoints to write: {instead}")
        module: Any = importlib.import_module(self.exporter)
        module.export(vocos, target, tts=tts, strict=strict, overwrite=overwrite)

    def read_export(self, path: Path) -> ExportedVocoder | None:
        """Reads what `export` wrote; None if it wrote nothing there. Raises as `read_convention` does."""
        return None if self.export_reader is None else self.export_reader(path)

    def set_enabled(self, enabled: bool) -> tuple[Path, bool]:
        """See `ToolkitAdapter.set_enabled`."""
        if self.activator is None:
            if self.usage:
                raise ValueError(f"{self.name} can't be activated for all programs: {self.usage}")
            ways = "adapt()" if self.exporter is None else f"`vocos export {self.name}` or adapt()"
            raise ValueError(f"{self.name} needs no activation: use {ways}")
        module: Any = importlib.import_module(self.activator)
        change = module.enable() if enabled else module.disable()
        return change.file, change.done


def is_installed(adapter: ToolkitAdapter) -> bool:
    """Returns whether the toolkit can be found, without importing it."""
    # Finding a top-level module doesn't import it.
    return importlib.util.find_spec(adapter.toolkit_module) is not None


def installed_version(distribution: str) -> str | None:
    """Returns the installed version of a distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def install_command(adapter: ToolkitAdapter, provider: str) -> str:
    """Returns the command that installs the toolkit.

    Args:
        adapter: the toolkit's adapter.
        provider: the distribution that contains the adapter. Its extra of the adapter's name is used if it has one.
    """
    # Preferred, since an extra also brings what the toolkit needs without declaring it.
    extras = importlib.metadata.metadata(provider).get_all("Provides-Extra") or []
    if adapter.name in extras:
        return f"pip install '{provider}[{adapter.name}]'"
    return f"pip install {adapter.distribution}"
