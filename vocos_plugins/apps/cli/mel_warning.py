"""The warning that mels look like another convention, and the note that they look like predicted ones."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from ...evaluation.blur import measure_against_speech
from ...mel.guess import find_mismatch
from ...plugins import mel_conventions
from ..batch.work import Decoding

if TYPE_CHECKING:
    from torch import Tensor

    from ...mel import MelConvention
    from ...model import Vocos
    from ..batch.jobs import Job

# What there is to do about blurred mels, by the kind of the model's postfilter; nothing if it was fitted to them.
ADVICE = {
    None: "`vocos postfilter` gives the detail back",
    "adaptive": "the model sharpens them; `vocos postfilter` fits it to your acoustic model",
}
PROBED = 10  # the mels of a batch have one origin, and checking one takes a few milliseconds


class MelChecker:
    """Checks the first mels of a batch and warns once on standard error, or says once that they are blurred.

    It is thread-safe.

    Args:
        convention: the convention that the mels are decoded as.
        postfilter: kind of the model's postfilter, if it has one.
    """

    def __init__(self, convention: MelConvention, *, postfilter: str | None = None) -> None:
        self.convention = convention
        self._left = PROBED
        self._advice = ADVICE.get(postfilter)
        self._lock = threading.Lock()

    def __call__(self, job: Job, mel: Tensor) -> None:
        """Checks the mel of a job, ``(1, n_mels, T)``."""
        if mel.shape[1] != self.convention.n_mels:
            return  # decoding it reports that
        with self._lock:
            if self._left == 0:
                return
            self._left -= 1
            # Inside the lock: two threads that find a mismatch at the same time must not both warn.
            found = find_mismatch(mel, self.convention, mel_conventions().values())
            if found is None:
                self._look_for_blur(job, mel)
                return
            self._left = 0
        name = self.convention.name
        expected = f"a {name} mel" if name else "a mel of the model's convention"
        names = [each.name for each in found.instead]
        remedy = f"It could be {', '.join(names)}: try --source {names[0]}. " if names else ""
        typer.secho(
            f"warning: {job.source} does not look like {expected}: it {'; '.join(found.reasons)}. "
            f"{remedy}Run `vocos doctor --mel {shlex.quote(str(job.source))}` for details",
            fg="yellow",
            err=True,
        )

    def _look_for_blur(self, job: Job, mel: Tensor) -> None:
        if self._advice is None:
            return
        blur = measure_against_speech([mel[0].double().numpy()], self.convention)
        if blur is not None and blur.significant:
            typer.echo(
                f"note: {job.source} is blurred by {blur.bands:.1f} bands and {blur.frames:.1f} frames, as mels of "
                f"acoustic models are: {self._advice}",
                err=True,
            )
        if blur is not None:
            self._advice = None  # it takes longer than the other check, so one mel that is long must do


def kind_of(config: Mapping[str, Any]) -> str | None:
    """Returns the kind of the postfilter of a model's configuration; None if it has none."""
    kind: str | None = config.get("postfilter", {}).get("kind")
    return kind


class CheckedDecoding(Decoding):
    """`Decoding` that checks the first mels with a `MelChecker`."""

    def __init__(self, vocos: Vocos, source: MelConvention | None = None, strict: bool = False) -> None:
        super().__init__(vocos, source, strict)
        convention = source or vocos.mel
        assert convention is not None  # noqa: S101
        self._check_mel = MelChecker(convention, postfilter=kind_of(vocos.config.to_dict()))

    def read(self, job: Job) -> Tensor:
        mel = super().read(job)
        self._check_mel(job, mel)
        return mel
