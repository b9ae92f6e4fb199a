"""All contestants on all lengths and batches, in one process with a number of threads."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .contestants import Contestant, Decode, Source, build, load, make_features
from .timing import TURNS, Timing, measure

LONG_S = 10.0  # of audio; what is longer gets fewer turns
LONG_TURNS = 3


@dataclass(frozen=True)
class Case:
    """What is decoded at once: items of a length in seconds."""

    batch: int
    seconds: float

    @property
    def name(self) -> str:
        """As tables call it."""
        return f"{self.batch} x {self.seconds:g} s"


@dataclass(frozen=True)
class Row:
    """What was measured of one contestant in one case with a number of threads."""

    n_threads: int
    contestant: str
    case: Case
    timing: Timing

    @property
    def real_time_factor(self) -> float:
        """Seconds of computing for a second of audio."""
        return self.timing.seconds / (self.case.batch * self.case.seconds)


def compare(
    contestants: Sequence[Contestant], source: Source, cases: Sequence[Case], n_threads: int
) -> tuple[list[Row], dict[str, str]]:
    """To be called in a fresh process (`alone`): the rows, and why contestants can't take part."""
    decoders: dict[str, Decode] = {}
    absent = {}
    for contestant in contestants:
        try:
            decoders[contestant.name] = build(contestant, source)
        except (ImportError, ValueError) as error:
            absent[contestant.name] = str(error)
    torch.set_num_threads(n_threads)  # a package may have changed it
    vocos = load(source)
    rows = []
    for case in cases:
        features = make_features(vocos, case.batch, case.seconds)
        calls = {name: functools.partial(decode, features) for name, decode in decoders.items()}
        timings = measure(calls, turns=TURNS if case.batch * case.seconds <= LONG_S else LONG_TURNS)
        rows += [Row(n_threads, name, case, timing) for name, timing in timings.items()]
    return rows, absent
