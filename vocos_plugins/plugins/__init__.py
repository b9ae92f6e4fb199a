"""Plugins: conventions, checkpoints and adapters that packages add by entry points of the group ``vocos_plugins``."""

from .adapter import LazyAdapter, ToolkitAdapter
from .catalogue import (
    PluginState,
    adapt,
    checkpoint_cards,
    convention_plugins,
    mel_conventions,
    plugin_states,
    problems,
    toolkit_adapters,
)
from .exported import ExportedVocoder
from .hookspecs import hookimpl
from .manager import PluginError, PluginWarning, reset, unknown_name_message

__all__ = [
    "ExportedVocoder",
    "LazyAdapter",
    "PluginError",
    "PluginState",
    "PluginWarning",
    "ToolkitAdapter",
    "adapt",
    "checkpoint_cards",
    "convention_plugins",
    "hookimpl",
    "mel_conventions",
    "plugin_states",
    "problems",
    "reset",
    "toolkit_adapters",
    "unknown_name_message",
]
