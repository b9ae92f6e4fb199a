"""The conventions, checkpoints and adapters of all plugins by name, and `adapt`, which fits Vocos into a toolkit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..mel.convention import MelConvention
from ..network.network import Network
from ..storage.cards import CheckpointCard, pick_card
from ..storage.checkpoint import Checkpoint
from ..storage.safe_files import CheckpointError
from .adapter import ToolkitAdapter, install_command, installed_version, is_installed
from .exported import read_export
from .manager import DISABLE, LoadState, Plugin, PluginError, registry, unknown_name_message

HOOK_NOUNS = {
    "vocos_mel_conventions": "mel convention",
    "vocos_checkpoints": "checkpoint",
    "vocos_toolkit_adapter": "toolkit adapter",
}


@dataclass(frozen=True, kw_only=True)
class PluginState:
    """The state of a plugin in this environment.

    Attributes:
        name: the plugin's name, which `VOCOS_PLUGINS_DISABLE` takes.
        entry_point, distribution: the module that implements it, and the package that contains the module.
        state: ``loaded``, ``disabled`` or ``broken``.
        reason: why it is broken.
        hooks: the hooks that it implements.
        toolkit_module: module of the toolkit that it adapts to; None if it has no adapter.
        toolkit, toolkit_version: the toolkit's name for pip, and its version if it is installed.
        install: the command that installs the toolkit; None if it is installed.
    """

    name: str
    entry_point: str
    distribution: str
    state: LoadState
    reason: str | None
    hooks: tuple[str, ...]
    toolkit_module: str | None = None
    toolkit: str | None = None
    toolkit_version: str | None = None
    install: str | None = None


def mel_conventions() -> dict[str, MelConvention]:
    """Returns every known mel convention by its name.

    Raises:
        PluginError: two plugins use one name for conventions that differ.
    """
    return {mel.name: mel for _, mel in _merge("vocos_mel_conventions")}


def find_convention(name: str) -> MelConvention:
    """Returns the mel convention of a name; raises ValueError, with those that there are, for an unknown one."""
    known = mel_conventions()
    if name not in known:
        raise ValueError(unknown_name_message("mel convention", name, known))
    return known[name]


def convention_plugins() -> dict[str, str]:
    """Returns the name of the plugin that each mel convention comes from, by the convention's name."""
    return {mel.name: plugin.name for plugin, mel in _merge("vocos_mel_conventions")}


def checkpoint_cards() -> dict[str, CheckpointCard]:
    """Returns the card of every known published checkpoint by its name.

    Raises:
        PluginError: two plugins describe one checkpoint.
    """
    return {card.name: card for _, card in _merge("vocos_checkpoints")}


def find_card(name: str) -> CheckpointCard | None:
    """Returns the card of a repository, the core's or a plugin's; None if there is none."""
    return pick_card(name, checkpoint_cards())


def find_export(path: Path) -> Checkpoint | None:
    """Returns the model that `vocos export` wrote to a path for one of the toolkits; None if there is none.

    Raises:
        CheckpointError: there is one, but it is damaged or unsafe.
    """
    for adapter in toolkit_adapters().values():
        try:
            exported = read_export(adapter, path)
        except ValueError as error:
            raise CheckpointError(str(error)) from error
        if exported is not None:
            return exported.load(str(path))
    return None


def toolkit_adapters() -> dict[str, ToolkitAdapter]:
    """Returns every toolkit adapter by its name, whether or not its toolkit is installed.

    Raises:
        PluginError: two plugins have an adapter of the same name.
    """
    return {adapter.name: adapter for _, adapter in _merge("vocos_toolkit_adapter")}


def adapt(vocos: Network, toolkit: str, *, source: MelConvention | None = None, strict: bool = False) -> Any:
    """Returns an object that a toolkit accepts as a vocoder.

    Args:
        vocos: the model that decodes.
        toolkit: ``speechbrain``, ``nemo``, ``coqui``, ``bark``, ``vocos``, or a name that another plugin adds.
        source: the mel convention of the input, if it isn't the one that the toolkit's models use by default.
        strict: refuse a mel whose conversion to the model's convention is lossy.

    Raises:
        PluginError: there is no such adapter, or its toolkit isn't installed.
        ValueError: the toolkit's features can't be converted to what the model takes.
    """
    adapters = {adapter.name: (plugin, adapter) for plugin, adapter in _merge("vocos_toolkit_adapter")}
    if toolkit not in adapters:
        raise PluginError(_why_unavailable(toolkit) or unknown_name_message("toolkit", toolkit, adapters))
    plugin, adapter = adapters[toolkit]
    if not is_installed(adapter):
        command = install_command(adapter, plugin.distribution)
        raise PluginError(f"{toolkit!r} needs the module {adapter.toolkit_module}, which isn't installed: {command}")
    wrapped: object = adapter.wrap(vocos, source=source, strict=strict)
    return wrapped


def plugin_states() -> list[PluginState]:
    """Returns the state of every plugin, including those that are broken or disabled. Calls all hooks."""
    # Before any state is read: a hook that fails makes its plugin broken.
    offers = {hook: registry().offers(hook) for hook in HOOK_NOUNS}
    adapters = dict(offers["vocos_toolkit_adapter"])
    return [_state(plugin, adapters.get(plugin)) for plugin in registry().plugins]


def problems() -> list[str]:
    """Returns what is wrong with the plugins: which were skipped and why, and which two contradict each other."""
    contradictions = []
    for hook in HOOK_NOUNS:
        try:
            _merge(hook)
        except PluginError as error:
            contradictions.append(str(error))
    # Read last, as calling the hooks may have added to them.
    return [*registry().problems, *contradictions]


def _merge(hook: str) -> list[tuple[Plugin, Any]]:
    """Returns each thing that plugins offer by a hook once; names that differ only in case are the same name."""
    merged: dict[str, tuple[Plugin, Any]] = {}
    for plugin, item in registry().offers(hook):
        other, known = merged.setdefault(item.name.lower(), (plugin, item))
        # Two plugins may share a convention: it is a value, and equal ones are interchangeable.
        same = known is item or (hook == "vocos_mel_conventions" and known == item)
        if not same:
            raise PluginError(
                f"the plugins {other} and {plugin} both define a {HOOK_NOUNS[hook]} {item.name!r}, and they differ; "
                f"rename one, or disable a plugin: {DISABLE}={plugin.name}"
            )
    return list(merged.values())


def _state(plugin: Plugin, adapter: ToolkitAdapter | None) -> PluginState:
    state = PluginState(**vars(plugin))
    if adapter is None:
        return state
    return replace(
        state,
        toolkit_module=adapter.toolkit_module,
        toolkit=adapter.distribution,
        toolkit_version=installed_version(adapter.distribution),
        install=None if is_installed(adapter) else install_command(adapter, plugin.distribution),
    )


def _why_unavailable(name: str) -> str | None:
    """Returns why the plugin of this name isn't loaded; None if it is, or if there is none."""
    for plugin in registry().plugins:
        if plugin.name == name and plugin.state == "disabled":
            return f"the plugin {plugin} is disabled by {DISABLE}"
        if plugin.name == name and plugin.state == "broken":
            return f"the plugin {plugin} is broken: {plugin.reason}"
    return None
