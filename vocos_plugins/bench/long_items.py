"""What a long item takes: its time, and the memory of a process that does nothing else."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from .alone import peak_memory
from .contestants import Contestant, Source, load, make_features, prepare
from .timing import BUSY, take_turn


@dataclass(frozen=True)
class LongItem:
    """Of one contestant in a process of its own, on one item.

    Attributes:
        contestant: its name.
        audio_seconds: length of the item.
        seconds: of the decode.
        before: the most memory in bytes that the process held before it, the model and the features among it.
        peak: the most that it held in all.
        disturbed: other work went on.
    """

    contestant: str
    audio_seconds: float
    seconds: float
    before: float
    peak: float
    disturbed: bool


def long_item(contestant: Contestant, source: Source, audio_seconds: float, n_threads: int) -> LongItem:
    """To be called in a fresh process (`alone`); raises as `contestants.build`."""
    vocos = load(source)
    decode = prepare(contestant, vocos)
    torch.set_num_threads(n_threads)
    decode(make_features(vocos, 1, 1.0))
    features = make_features(vocos, 1, audio_seconds)
    before = peak_memory()
    turn = take_turn(functools.partial(decode, features), 1)
    return LongItem(contestant.name, audio_seconds, turn.seconds, before, peak_memory(), turn.share < BUSY)
