"""The core as a plugin: its own conventions and checkpoints come by the hooks that everybody has."""

from __future__ import annotations

from collections.abc import Iterable

from .. import cards, conventions
from ..mel.convention import MelConvention
from .hookspecs import hookimpl


@hookimpl
def vocos_mel_conventions() -> Iterable[MelConvention]:
    """Those that belong to no toolkit with an adapter."""
    return conventions.CONVENTIONS


@hookimpl
def vocos_checkpoints() -> Iterable[cards.CheckpointCard]:
    """The published checkpoints that are known here."""
    return cards.CARDS
