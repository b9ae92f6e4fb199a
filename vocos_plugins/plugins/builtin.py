"""The core as a plugin: its own conventions and checkpoints come by the hooks that everybody has."""

from __future__ import annotations

from collections.abc import Iterable

from ..mel import known as conventions
from ..mel.convention import MelConvention
from ..storage import cards
from .hookspecs import hookimpl


@hookimpl
def vocos_mel_conventions() -> Iterable[MelConvention]:
    """Those that belong to no toolkit with an adapter."""
    return conventions.CONVENTIONS


@hookimpl
def vocos_checkpoints() -> Iterable[cards.CheckpointCard]:
    """The published checkpoints that are known here."""
    return cards.CARDS
