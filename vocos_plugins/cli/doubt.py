"""The warning that mels can hardly be of the convention that they are decoded as."""

from __future__ import annotations

import shlex
import threading
from typing import TYPE_CHECKING

import typer

from ..corpus.work import Decoding
from ..mel.guess import doubt
from ..plugins import mel_conventions

if TYPE_CHECKING:
    from torch import Tensor

    from ..corpus.jobs import Job
    from ..mel import MelConvention
    from ..model import Vocos

PROBED = 10  # the mels of a batch have one origin, and looking takes a few milliseconds


class Doubter:
    """Looks at the first mels of a batch and warns on standard error, once; any thread may call it."""

    def __init__(self, convention: MelConvention) -> None:
        self.convention = convention
        self._left = PROBED
        self._guard = threading.Lock()

    def __call__(self, job: Job, mel: Tensor) -> None:
        if mel.shape[1] != self.convention.n_mels:
            return  # decoding it says so
        with self._guard:
            if self._left == 0:
                return
            self._left -= 1
            found = doubt(mel, self.convention, mel_conventions().values())
            if found is None:
                return
            self._left = 0
        names = [each.name for each in found.instead]
        remedy = f"It could be of {', '.join(names)}: try --source {names[0]}. " if names else ""
        typer.secho(
            f"warning: {job.source} is hardly a mel of {self.convention.name or 'this convention'}: "
            f"it {'; '.join(found.reasons)}. {remedy}`vocos doctor --mel {shlex.quote(str(job.source))}` tells more",
            fg="yellow",
            err=True,
        )


class DoubtingDecoding(Decoding):
    """Mels to audio, with that warning."""

    def __init__(self, vocos: Vocos, source: MelConvention | None = None, strict: bool = False) -> None:
        super().__init__(vocos, source, strict)
        convention = source or vocos.mel
        assert convention is not None  # noqa: S101
        self._doubter = Doubter(convention)

    def read(self, job: Job) -> Tensor:
        mel = super().read(job)
        self._doubter(job, mel)
        return mel
