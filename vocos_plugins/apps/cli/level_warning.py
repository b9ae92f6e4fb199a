"""The warning that a recording's samples are no audio in [-1, 1]."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from ..batch.jobs import Job, printable
from ..batch.work import Resynthesis

if TYPE_CHECKING:
    from torch import Tensor

    from ...model import Vocos

MAX_PEAK = 4.0  # of full scale: a hot float recording stays below, integers stored as floats are far above
MAX_OFFSET = 0.05  # of full scale; a microphone's is a hundredth of that


class LevelChecker:
    """Checks the first block of each recording, and warns once on standard error; thread-safe."""

    def __init__(self) -> None:
        self._warned = False
        self._lock = threading.Lock()

    def __call__(self, job: Job, audio: Tensor) -> None:
        """Checks a job's audio ``(channels, n)``."""
        problem = find_problem(audio)
        with self._lock:
            if problem is None or self._warned:
                return
            self._warned = True
        name = shlex.quote(printable(str(job.source)))
        typer.secho(f"warning: {name}: {problem} (other files of this run may have the same)", fg="yellow", err=True)


def find_problem(audio: Tensor) -> str | None:
    """Returns what is wrong with the level of audio ``(channels, n)``, and what to do; None if nothing is."""
    peak = float(audio.abs().max()) if audio.numel() else 0.0
    if peak > MAX_PEAK:
        return (
            f"its samples reach {peak:.6g}, and full scale is 1: it will be clipped to noise. If it holds integers as "
            "floats, divide them by 32768 first"
        )
    offset = float(audio.mean(dim=1).abs().max()) if audio.numel() else 0.0
    if offset > MAX_OFFSET:
        return f"it has a constant offset of {offset:.2f}, which becomes a rumble; remove it first (sox: highpass 20)"
    return None


class CheckedResynthesis(Resynthesis):
    """`Resynthesis` that checks the recordings with a `LevelChecker`."""

    def __init__(self, vocos: Vocos) -> None:
        super().__init__(vocos)
        self._check_level = LevelChecker()

    def blocks(self, job: Job) -> Iterator[Tensor]:
        for number, block in enumerate(super().blocks(job)):
            if number == 0:
                self._check_level(job, block)
            yield block
