"""The core as a plugin: its conventions and checkpoints go through the same hooks as a third party's."""

from __future__ import annotations

from collections.abc import Iterable

from ..mel import known as conventions
from ..mel.convention import MelConvention
from ..storage import cards
from .hookspecs import hookimpl


@hookimpl
def vocos_mel_conventions() -> Iterable[MelConvention]:
    """Returns the conventions that belong to no toolkit with an adapter."""
    return conventions.CONVENTIONS


@hookimpl
def vocos_checkpoints() -> Iterable[cards.CheckpointCard]:
    """Returns the cards of the published checkpoints that the core knows."""
    return cards.CARDS
