"""The plugin's hooks, as data. Importing this module imports no toolkit."""

from __future__ import annotations

from collections.abc import Iterable

from vocos_plugins.mel import MelConvention
from vocos_plugins.plugins import LazyAdapter, hookimpl

from .exported import read_export
from .mel import CONVENTIONS, DEFAULT, read_convention

ADAPTER = LazyAdapter(
    name="speechbrain",
    toolkit_module="speechbrain",
    distribution="speechbrain",
    features=DEFAULT,
    vocoder="vocos_speechbrain.vocoder",
    reader=read_convention,
    exporter="vocos_speechbrain.export",
    export_reader=read_export,
)


@hookimpl
def vocos_mel_conventions() -> Iterable[MelConvention]:
    """Returns the mel conventions of SpeechBrain's models and recipes."""
    return CONVENTIONS


@hookimpl
def vocos_toolkit_adapter() -> LazyAdapter:
    """Returns the adapter that makes Vocos a SpeechBrain vocoder."""
    return ADAPTER
