"""What all plugins offer together, by name, and the one call that puts Vocos into a toolkit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..mel.convention import MelConvention
from ..network.network import Network
from ..storage.cards import CheckpointCard, pick_card
from .adapter import ToolkitAdapter, install_command, installed_version, is_installed
from .manager import DISABLE, Plugin, PluginError, State, registry, unknown

WHAT = {
    "vocos_mel_conventions": "mel convention",
    "vocos_checkpoints": "checkpoint",
    "vocos_toolkit_adapter": "toolkit adapter",
}


@dataclass(frozen=True, kw_only=True)
class PluginState:
    """A plugin as it stands in this environment.

    Attributes:
        name: of the plugin, for `VOCOS_PLUGINS_DISABLE`.
        entry_point, distribution: the module that implements it, and the package that the module comes in.
        state: ``loaded``, ``disabled`` or ``broken``.
        reason: why it is broken.
        hooks: those that it implements.
        toolkit_module: module of the toolkit that it adapts to; None if it has no adapter.
        toolkit, toolkit_version: the toolkit's name for pip, and its version if it is installed.
        install: the command that installs the toolkit; None if it is installed.
    """

    name: str
    entry_point: str
    distribution: str
    state: State
    reason: str | None
    hooks: tuple[str, ...]
    toolkit_module: str | None = None
    toolkit: str | None = None
    toolkit_version: str | None = None
    install: str | None = None


def mel_conventions() -> dict[str, MelConvention]:
    """Every known mel convention by its name.

    Raises:
        PluginError: two plugins use one name for conventions that differ.
    """
    return {mel.name: mel for _, mel in _merge("vocos_mel_conventions")}


def convention_plugins() -> dict[str, str]:
    """The plugin that each mel convention comes from."""
    return {mel.name: plugin.name for plugin, mel in _merge("vocos_mel_conventions")}


def checkpoint_cards() -> dict[str, CheckpointCard]:
    """Every known published checkpoint by its name.

    Raises:
        PluginError: two plugins describe one checkpoint.
    """
    return {card.name: card for _, card in _merge("vocos_checkpoints")}


def find_card(name: str) -> CheckpointCard | None:
    """Returns the card of a repository, the core's or a plugin's; None if there is none."""
    return pick_card(name, checkpoint_cards())


def toolkit_adapters() -> dict[str, ToolkitAdapter]:
    """Every toolkit adapter by its name, whether or not its toolkit is installed.

    Raises:
        PluginError: two plugins have an adapter of one name.
    """
    return {adapter.name: adapter for _, adapter in _merge("vocos_toolkit_adapter")}


def adapt(vocos: Network, toolkit: str, *, source: MelConvention | None = None, strict: bool = False) -> Any:
    """The object that a toolkit takes for a vocoder.

    Args:
        vocos: decodes.
        toolkit: ``speechbrain``, ``nemo``, ``coqui``, ``bark``, or what another plugin adds.
        source: the mel that will come in, if it isn't the one that the toolkit's models give by default.
        strict: refuse a mel that can be brought into the model's convention only at a loss.

    Raises:
        PluginError: there is no such adapter, or its toolkit isn't installed.
        ValueError: the toolkit's features can't be brought into what the model takes.
    """
    adapters = {adapter.name: (plugin, adapter) for plugin, adapter in _merge("vocos_toolkit_adapter")}
    if toolkit not in adapters:
        raise PluginError(_left_out(toolkit) or unknown("toolkit", toolkit, adapters))
    plugin, adapter = adapters[toolkit]
    if not is_installed(adapter):
        command = install_command(adapter, plugin.distribution)
        raise PluginError(f"{toolkit!r} needs the module {adapter.toolkit_module}, which isn't installed: {command}")
    wrapped: object = adapter.wrap(vocos, source=source, strict=strict)
    return wrapped


def plugin_states() -> list[PluginState]:
    """Every plugin that was found, those that are broken or switched off too. All hooks are called."""
    offers = {hook: registry().offers(hook) for hook in WHAT}
    adapters = dict(offers["vocos_toolkit_adapter"])
    return [_state(plugin, adapters.get(plugin)) for plugin in registry().plugins]


def problems() -> list[str]:
    """What is wrong among the plugins: those left out, with the reason, and what two contradict each other in."""
    found = []
    for hook in WHAT:
        try:
            _merge(hook)
        except PluginError as error:
            found.append(str(error))
    return [*registry().problems, *found]


def _merge(hook: str) -> list[tuple[Plugin, Any]]:
    """What plugins offer by a hook, each name once, whatever its case."""
    merged: dict[str, tuple[Plugin, Any]] = {}
    for plugin, item in registry().offers(hook):
        other, known = merged.setdefault(item.name.lower(), (plugin, item))
        same = known is item or (hook == "vocos_mel_conventions" and known == item)
        if not same:
            raise PluginError(
                f"the plugins {other} and {plugin} both have a {WHAT[hook]} {item.name!r}, and not the same one; "
                f"rename one, or switch a plugin off: {DISABLE}={plugin.name}"
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


def _left_out(name: str) -> str | None:
    """Why the plugin of this name takes no part, None if it does or isn't there."""
    for plugin in registry().plugins:
        if plugin.name == name and plugin.state == "disabled":
            return f"the plugin {plugin} is switched off by {DISABLE}"
        if plugin.name == name and plugin.state == "broken":
            return f"the plugin {plugin} is broken: {plugin.reason}"
    return None
