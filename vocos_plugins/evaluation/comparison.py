"""One recording through all systems: the audio of each, its scores, and the time that it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..mel import MelSpectrogram
from ..mel.speech import Clip
from ..storage.audio import read_mono
from .measures import Measure, Score
from .systems import System

Audio = NDArray[np.float32]  # (N,)
Show = Callable[[str], None]  # called with a description of each step


@dataclass(frozen=True, kw_only=True)
class Rendition:
    """A clip as one system reconstructs it, or as it was recorded.

    Attributes:
        audio: ``(N,)``.
        sample_rate: Hz.
        scores: the score of each measure; the recording itself has only those that need no reference.
        seconds: seconds that the system took; 0 for the recording.
    """

    audio: Audio
    sample_rate: int
    scores: Mapping[str, Score]
    seconds: float = 0.0

    @property
    def duration_s(self) -> float:
        """Duration of the audio in seconds."""
        return len(self.audio) / self.sample_rate


@dataclass(frozen=True, kw_only=True)
class ClipResult:
    """The results of one clip: the recording, each system's rendition, and the errors of systems that failed.

    ``original`` is None for a mel without a recording.
    """

    clip: Clip
    original: Rendition | None
    renditions: Mapping[str, Rendition]
    errors: Mapping[str, str]


def run_clip(
    systems: Sequence[System],
    clip: Clip,
    measures: Sequence[Measure],
    *,
    rounds: int = 1,
    show: Show = lambda _: None,
) -> ClipResult:
    """Computes a clip's mels and reconstructs it by every system, each at its own sample rate.

    Args:
        systems: the systems; at least one.
        clip: the recording, which is mixed down to one channel.
        measures: the measures to take.
        rounds: number of timed runs, of which the median counts; an untimed one goes first to warm up.
        show: called with a description of each step.

    Raises:
        ValueError, OSError: the recording can't be read.
    """
    rates = dict.fromkeys(system.mel.sample_rate for system in systems)
    originals = {rate: read_mono(clip.path, rate)[0] for rate in rates}
    show("vocoding")
    mels, errors = {}, {}
    for system in systems:
        try:
            mels[system.name] = MelSpectrogram(system.mel)(originals[system.mel.sample_rate][None])
            _check(system.vocode(mels[system.name]))  # the untimed run, which also finds systems that fail
        except (ValueError, RuntimeError) as error:
            mels.pop(system.name, None)
            errors[system.name] = " ".join(str(error).split())
    able = [system for system in systems if system.name in mels]
    audios, seconds = _time([(system, mels[system.name]) for system in able], rounds)

    def score(reference: Audio, degraded: Audio, rate: int, name: str, chosen: Sequence[Measure]) -> dict[str, Score]:
        scores = {}
        for measure in chosen:
            show(f"{measure.title} of {name}")
            scores[measure.name] = measure(reference, degraded, rate)
        return scores

    renditions = {}
    for system, audio, taken in zip(able, audios, seconds, strict=True):
        rate = system.mel.sample_rate
        scores = score(originals[rate].numpy(), audio, rate, system.name, measures)
        renditions[system.name] = Rendition(audio=audio, sample_rate=rate, scores=scores, seconds=taken)
    top = max(rates)  # the recording is played and measured at the highest rate among the systems
    recorded = originals[top].numpy()
    free = [measure for measure in measures if not measure.needs_reference]
    original = Rendition(audio=recorded, sample_rate=top, scores=score(recorded, recorded, top, "the recording", free))
    return ClipResult(clip=clip, original=original, renditions=renditions, errors=errors)


def _check(audio: Tensor) -> None:
    if not bool(torch.isfinite(audio).all()):
        raise ValueError("it returned NaN or infinite samples")


def _time(jobs: Sequence[tuple[System, Tensor]], rounds: int) -> tuple[list[Audio], list[float]]:
    """Returns each system's audio and median seconds. They take turns, so that a busy machine slows all of them."""
    audios: list[Audio] = []
    times: list[list[float]] = []
    for _ in range(rounds):
        audios, taken = [], []
        for system, mel in jobs:
            start = time.perf_counter()
            audios.append(system.vocode(mel).numpy())
            taken.append(time.perf_counter() - start)
        times.append(taken)
    return audios, [median(column) for column in zip(*times, strict=True)]
