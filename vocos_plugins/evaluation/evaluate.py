"""Runs systems over recordings; what fails is listed and never ends the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..mel.speech import Clip
from .comparison import Comparison, Show, compare
from .measures import Measure, Score
from .systems import RECORDING, System

PAGE_CLIPS = 20  # more would make a page that browsers are slow to open


class Progress(Protocol):
    """Who is told how far a run is: what is done now, and that a file is done."""

    def show(self, text: str) -> None:
        """Says what is being done."""

    def advance(self) -> None:
        """One file more is done, or has failed."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One system on one file; ``elapsed_s`` is 0 for the recording itself."""

    file: str
    system: str
    duration_s: float
    elapsed_s: float
    scores: Mapping[str, Score]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A file that a system, or none at all where ``system`` is empty, could work with."""

    file: str
    system: str
    error: str


@dataclass(kw_only=True)
class Evaluation:
    """What came of a run.

    Attributes:
        systems: what was compared, in order.
        measures, left_out: what was measured; what not, and why.
        rows: every result.
        failures: what gave none.
        comparisons: the clips that the page plays.
    """

    systems: Sequence[System]
    measures: Sequence[Measure]
    left_out: Mapping[str, str]
    rows: list[Row] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)

    def add(self, comparison: Comparison, *, keep: bool) -> None:
        """Takes in a clip's results, and, to play it, the sound."""
        file = comparison.clip.text
        for name, rendition in ((RECORDING, comparison.original), *comparison.renditions.items()):
            self.rows.append(
                Row(
                    file=file,
                    system=name,
                    duration_s=rendition.duration_s,
                    elapsed_s=rendition.seconds,
                    scores=rendition.scores,
                )
            )
        self.failures += [Failure(file=file, system=name, error=why) for name, why in comparison.errors.items()]
        if keep and comparison.renditions:
            self.comparisons.append(comparison)

    @property
    def files(self) -> list[str]:
        """Those with results."""
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
        systems, clips, measures: what to compare, on what, by what.
        left_out: as `measures.choose` gives it.
        progress: told how far it is.
    """
    evaluation = Evaluation(systems=systems, measures=measures, left_out=left_out)
    kept = _spread(len(clips), PAGE_CLIPS)
    for index, clip in enumerate(clips):
        try:
            comparison = compare(systems, clip, measures, show=_show(progress, clip))
        except (ValueError, OSError, RuntimeError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
            evaluation.failures.append(Failure(file=clip.text, system="", error=why))
        else:
            evaluation.add(comparison, keep=index in kept)
        if progress is not None:
            progress.advance()
    return evaluation


def _show(progress: Progress | None, clip: Clip) -> Show:
    return lambda text: None if progress is None else progress.show(f"{clip.text}: {text}")


def _spread(n: int, most: int) -> frozenset[int]:
    """At most that many of the indices below `n`, from the first to the last."""
    if n <= most:
        return frozenset(range(n))
    return frozenset(round(index * (n - 1) / (most - 1)) for index in range(most))
