"""What the plugin offers, as data. Importing it imports no toolkit."""

from __future__ import annotations

from collections.abc import Iterable

from vocos_plugins.mel import MelConvention
from vocos_plugins.plugins import LazyAdapter, hookimpl

from .mel import CONVENTIONS, DEFAULT, read_convention

ADAPTER = LazyAdapter(
    name="speechbrain",
    toolkit_module="speechbrain",
    distribution="speechbrain",
    features=DEFAULT,
    vocoder="vocos_speechbrain.vocoder",
    reader=read_convention,
    exporter="vocos_speechbrain.export",
)


@hookimpl
def vocos_mel_conventions() -> Iterable[MelConvention]:
    """Those of SpeechBrain's models and recipes."""
    return CONVENTIONS


@hookimpl
def vocos_toolkit_adapter() -> LazyAdapter:
    """Vocos as a vocoder of SpeechBrain."""
    return ADAPTER
