"""The plugin's hooks, as data. Importing this module imports no toolkit."""

from __future__ import annotations

from collections.abc import Iterable

from vocos_plugins.mel import MelConvention
from vocos_plugins.plugins import LazyAdapter, hookimpl

from .exported import read_export
from .mel import CONVENTIONS, DEFAULT, read_convention

ADAPTER = LazyAdapter(
    name="coqui",
    toolkit_module="TTS",
    distribution="coqui-tts",
    features=DEFAULT,
    vocoder="vocos_coqui.vocoder",
    reader=read_convention,
    exporter="vocos_coqui.export",
    export_reader=read_export,
    activator="vocos_coqui.activation",
)


@hookimpl
def vocos_mel_conventions() -> Iterable[MelConvention]:
    """Returns the mel conventions of Coqui TTS's models and recipes."""
    return CONVENTIONS


@hookimpl
def vocos_toolkit_adapter() -> LazyAdapter:
    """Returns the adapter that makes Vocos a Coqui TTS vocoder."""
    return ADAPTER
