"""Measurements of contestants: speed by length and batch, the first call after loading, and long items."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .alone import peak_memory
from .contestants import Contestant, Decode, Source, build, load, make_features, prepare
from .timing import BUSY, TURNS, Timing, measure, take_turn

LONG_S = 10.0  # seconds of audio; cases with more get fewer turns
LONG_TURNS = 3


@dataclass(frozen=True)
class Case:
    """A batch of items that are decoded together, each of a length in seconds."""

    batch: int
    seconds: float

    @property
    def name(self) -> str:
        """The name in tables, such as ``8 x 1 s``."""
        return f"{self.batch} x {self.seconds:g} s"


@dataclass(frozen=True)
class Measurement:
    """The timing of one contestant in one case with a number of threads."""

    n_threads: int
    contestant: str
    case: Case
    timing: Timing

    @property
    def real_time_factor(self) -> float:
        """Seconds of computation per second of audio."""
        return self.timing.seconds / (self.case.batch * self.case.seconds)


@dataclass(frozen=True)
class FirstCall:
    """The first decode of one contestant in a fresh process, on one item.

    Attributes:
        contestant: its name.
        audio_seconds: length of the item.
        first: seconds of the first decode after loading.
        steady: median seconds of the decodes that follow.
        disturbed: whether other programs used the processors.
    """

    contestant: str
    audio_seconds: float
    first: float
    steady: float
    disturbed: bool


@dataclass(frozen=True)
class LongItem:
    """The decode of one long item by one contestant in a fresh process.

    Attributes:
        contestant: its name.
        audio_seconds: length of the item.
        seconds: seconds of the decode.
        before: the process's peak memory in bytes before the decode, including the model and the features.
        peak: its peak memory in bytes after the decode.
        disturbed: whether other programs used the processors.
    """

    contestant: str
    audio_seconds: float
    seconds: float
    before: float
    peak: float
    disturbed: bool


def measure_grid(
    contestants: Sequence[Contestant], source: Source, cases: Sequence[Case], n_threads: int
) -> tuple[list[Measurement], dict[str, str]]:
    """Measures all contestants in all cases; to be called in a fresh process (see `in_fresh_process`).

    Returns:
        the measurements, and for each contestant that isn't available the reason.
    """
    decoders: dict[str, Decode] = {}
    absent = {}
    for contestant in contestants:
        try:
            decoders[contestant.name] = build(contestant, source)
        except (ImportError, ValueError) as error:
            absent[contestant.name] = str(error)
    torch.set_num_threads(n_threads)  # importing a package may have changed it
    vocos = load(source)  # for the sizes of its features only
    measurements = []
    for case in cases:
        features = make_features(vocos, case.batch, case.seconds)
        calls = {name: functools.partial(decode, features) for name, decode in decoders.items()}
        timings = measure(calls, turns=TURNS if case.batch * case.seconds <= LONG_S else LONG_TURNS)
        measurements += [Measurement(n_threads, name, case, timing) for name, timing in timings.items()]
    return measurements, absent


def first_call(contestant: Contestant, source: Source, audio_seconds: float, n_threads: int) -> FirstCall:
    """Compares the first decode with later ones; to be called in a fresh process (see `in_fresh_process`).

    Raises:
        ImportError, ValueError: see `contestants.build`.
    """
    vocos = load(source)
    features = make_features(vocos, 1, audio_seconds)
    decode = prepare(contestant, vocos)
    torch.set_num_threads(n_threads)
    call = functools.partial(decode, features)
    first = take_turn(call, 1).seconds
    steady = measure({"": call})[""]
    return FirstCall(contestant.name, audio_seconds, first, steady.seconds, steady.disturbed)


def long_item(contestant: Contestant, source: Source, audio_seconds: float, n_threads: int) -> LongItem:
    """Measures time and memory of one decode; to be called in a fresh process (see `in_fresh_process`).

    Raises:
        ImportError, ValueError: see `contestants.build`.
    """
    vocos = load(source)
    decode = prepare(contestant, vocos)
    torch.set_num_threads(n_threads)
    decode(make_features(vocos, 1, 1.0))  # allocates what every decode needs, whatever its length
    features = make_features(vocos, 1, audio_seconds)
    before = peak_memory()
    turn = take_turn(functools.partial(decode, features), 1)
    return LongItem(contestant.name, audio_seconds, turn.seconds, before, peak_memory(), turn.share < BUSY)
