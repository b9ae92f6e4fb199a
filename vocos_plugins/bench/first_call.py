"""Whether there is a cliff before a model is warm: its first decode in a fresh process against the later ones."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from .contestants import Contestant, Source, load, make_features, prepare
from .timing import measure, take_turn


@dataclass(frozen=True)
class FirstCall:
    """Of one contestant in a process of its own, on one item.

    Attributes:
        contestant: its name.
        audio_seconds: length of the item.
        first: seconds of the first decode after loading.
        steady: of those that follow, the median.
        disturbed: other work went on.
    """

    contestant: str
    audio_seconds: float
    first: float
    steady: float
    disturbed: bool


def first_call(contestant: Contestant, source: Source, audio_seconds: float, n_threads: int) -> FirstCall:
    """To be called in a fresh process (`alone`); raises as `contestants.build`."""
    vocos = load(source)
    features = make_features(vocos, 1, audio_seconds)
    decode = prepare(contestant, vocos)
    torch.set_num_threads(n_threads)
    call = functools.partial(decode, features)
    first = take_turn(call, 1).seconds
    steady = measure({"": call})[""]
    return FirstCall(contestant.name, audio_seconds, first, steady.seconds, steady.disturbed)
