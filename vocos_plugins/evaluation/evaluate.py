"""Runs systems over recordings; failures are listed and never end the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..mel.speech import Clip
from .comparison import ClipResult, Show, run_clip
from .measures import Measure, Score
from .systems import RECORDING, System

PAGE_CLIPS = 20  # browsers are slow to open a page with more


class Progress(Protocol):
    """Receives the progress of a run: the current step, and each finished file."""

    def show(self, text: str) -> None:
        """Called with a description of each step."""

    def advance(self) -> None:
        """Called when a file is done or has failed."""


@dataclass(frozen=True, kw_only=True)
class SystemResult:
    """The result of one system on one file; ``elapsed_s`` is 0 for the recording itself."""

    file: str
    system: str
    duration_s: float
    elapsed_s: float
    scores: Mapping[str, Score]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A file on which a system failed; ``system`` is empty if the file can't be used at all."""

    file: str
    system: str
    error: str


@dataclass(kw_only=True)
class Evaluation:
    """The results of a run.

    Attributes:
        systems: the systems, in order.
        measures: the measures that were taken.
        left_out: the measures that weren't taken, with the reason.
        rows: the result of every system on every file.
        failures: files without a result.
        clip_results: the clips that the page plays.
        notes: sentences below the table.
        predicted: whether the mels are those that an acoustic model predicted.
    """

    systems: Sequence[System]
    measures: Sequence[Measure]
    left_out: Mapping[str, str]
    rows: list[SystemResult] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    clip_results: list[ClipResult] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    predicted: bool = False

    def add(self, result: ClipResult, *, file: str, keep: bool) -> None:
        """Adds a clip's results; with `keep`, its audio too, so that the page can play it."""
        recorded = {} if result.original is None else {RECORDING: result.original}
        for name, rendition in (recorded | {**result.renditions}).items():
            self.rows.append(
                SystemResult(
                    file=file,
                    system=name,
                    duration_s=rendition.duration_s,
                    elapsed_s=rendition.seconds,
                    scores=rendition.scores,
                )
            )
        # A system that fails has no row, so the means are over the files that it managed.
        self.failures += [Failure(file=file, system=name, error=why) for name, why in result.errors.items()]
        if keep and result.renditions:
            self.clip_results.append(result)

    @property
    def files(self) -> list[str]:
        """The files with results."""
        return list(dict.fromkeys(row.file for row in self.rows))


def evaluate(
    systems: Sequence[System],
    clips: Sequence[Clip],
    measures: Sequence[Measure],
    left_out: Mapping[str, str],
    progress: Progress | None = None,
) -> Evaluation:
    """Compares systems over clips; up to 20 of them, spread evenly, are kept to be played.

    Args:
        systems, clips, measures: the systems to compare, the recordings, and the measures to take.
        left_out: the measures that `measures.choose` left out, with the reason.
        progress: receives the progress of the run.
    """
    evaluation = Evaluation(systems=systems, measures=measures, left_out=left_out)
    kept = spread(len(clips), PAGE_CLIPS)
    for index, clip in enumerate(clips):
        try:
            result = run_clip(systems, clip, measures, show=_show(progress, clip))
        except Exception as error:  # whatever a file makes a library or a system raise
            why = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
            evaluation.failures.append(Failure(file=clip.text, system="", error=why))
        else:
            evaluation.add(result, file=clip.text, keep=index in kept)
        if progress is not None:
            progress.advance()
    return evaluation


def _show(progress: Progress | None, clip: Clip) -> Show:
    return lambda text: None if progress is None else progress.show(f"{clip.text}: {text}")


def spread(n: int, most: int) -> frozenset[int]:
    """Returns at most `most` indices below `n`, evenly spread from the first to the last."""
    if n <= most:
        return frozenset(range(n))
    return frozenset(round(index * (n - 1) / (most - 1)) for index in range(most))
