"""The plugin's hook, as data. Importing this module imports no torch beyond the core's, and changes no import."""

from __future__ import annotations

from vocos_plugins.mel.known import VOCOS_24KHZ
from vocos_plugins.plugins import LazyAdapter, hookimpl

ADAPTER = LazyAdapter(
    name="vocos",
    toolkit_module="vocos_reference",  # it stands in for the package vocos, which need not be installed
    distribution="vocos-plugins",
    features=VOCOS_24KHZ,
    vocoder="vocos_reference.wrapped",
    activator="vocos_reference.activation",
    usage="save_pretrained writes what vocos.Vocos.from_pretrained loads after `vocos enable vocos`",
)


@hookimpl
def vocos_toolkit_adapter() -> LazyAdapter:
    """Returns the adapter that stands in for the package ``vocos``."""
    return ADAPTER
