"""From one convention's mels to another's: exactly, approximately with a measured error, or not at all.

    alignment = align(source, target)
    audio = alignment.trim(vocos.decode(alignment(mel)), mel.shape[-1])

`Vocos.decode(mel, source=...)` does just that.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..spectral import output_length
from .compression import MAX_LINEAR, compress, expand
from .convention import MelConvention
from .difference import Difference, differences
from .estimate import ErrorEstimate, describe_bands, estimate_error
from .projection import MelProjection, first_frame, known_bands

Kind = Literal["identity", "pointwise", "framing", "lossy"]
LEAST_KNOWN = 2 / 3  # of the bands of the target must be known to the source, or nothing sensible comes out

CHECKPOINT = "a vocoder checkpoint of the source's mel (`vocos conventions` and `vocos doctor` find it)"
APPROXIMATE = "strict=False for an approximation"
FINE_TUNE = "a vocoder fine-tuned on the source's mels (recipes/lightning/README.md)"


class MelMismatch(ValueError):  # noqa: N818 - it is no mistake of the program's
    """A vocoder can't take a mel: names each differing field, what it does to the sound, and the ways out.

    Attributes:
        differences: the fields.
    """

    def __init__(self, message: str, found: tuple[Difference, ...] = ()) -> None:
        super().__init__(message)
        self.differences = found


class MelMismatchWarning(UserWarning):
    """A mel is converted with a loss."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """What `align` gives: callable on mels ``(B, source.n_mels, T)``, gives mels of the target in their own dtype.

    Attributes:
        source, target: conventions.
        kind: ``identity``: nothing to do; ``pointwise``: each value by a closed form, exact but for what a guard or a
            clip has cut off; ``framing``: also half a hop apart, which the vocoder's own grid takes up: the mel gains
            a frame at each end where needed and the audio is trimmed; ``lossy``: other bands, frames or rate.
        differences: the fields that differ, negligible ones too.
        error: of a lossy alignment.
    """

    source: MelConvention
    target: MelConvention
    kind: Kind
    differences: tuple[Difference, ...]
    error: ErrorEstimate | None = None

    def __call__(self, mel: Tensor) -> Tensor:
        if mel.dim() != 3 or mel.shape[1] != self.source.n_mels or not mel.is_floating_point():
            raise ValueError(
                f"expected floating point mels (B, {self.source.n_mels}, T), got {mel.dtype} {tuple(mel.shape)}"
            )
        if mel.shape[-1] == 0 or self.kind == "identity":
            return mel if mel.shape[-1] else mel.new_zeros(len(mel), self.target.n_mels, 0)
        if self.kind == "lossy":
            return self._project(mel).to(mel.dtype)
        bounds = _bounds(self.source, self.target)
        if bounds is not None:
            mel = mel.clamp(*bounds)
        elif _convertible(self.differences):
            linear = expand(mel.double(), self.source) * _band_gain(self.source, self.target).to(mel.device)
            mel = compress(linear, self.target).to(mel.dtype)
        if self.kind == "framing" and self.target.framing == "center":
            # Signals are mirrored at their ends, so the frame before the first is the first one's mirror image.
            mel = F.pad(mel, (1, 1), mode="replicate")
        return mel

    @property
    def first_sample(self) -> int:
        """Which sample of the decoded audio is the first that the source's frames stand for."""
        if self.kind != "framing":
            return 0
        shift = first_frame(self.target) - first_frame(self.source)
        return shift if self.target.framing == "same" else shift + self.source.hop_length

    def n_samples(self, n_frames: int) -> int:
        """Samples of audio at the target's rate that ``n_frames`` of the source's frames stand for."""
        if self.kind == "lossy":
            return self._project.n_samples(n_frames)
        return output_length(n_frames, self.source.hop_length, self.source.framing)

    def trim(self, audio: Tensor, n_frames: int) -> Tensor:
        """Cuts decoded audio ``(..., N)`` to the `n_samples` that the source's ``n_frames`` stand for.

        Sample 0 is then the one that the source's own framing puts there.
        """
        return audio[..., self.first_sample : self.first_sample + self.n_samples(n_frames)]

    @functools.cached_property
    def _project(self) -> MelProjection:
        return MelProjection(self.source, self.target)

    def __str__(self) -> str:
        lines = [f"{self.source.name or 'source'} to {self.target.name or 'target'}: {self.kind}"]
        if self.error is not None:
            lines.append(f"mean error {self.error}")
        lines += [f"{difference.severity}: {difference}" for difference in self.differences]
        return "\n  ".join(lines)


def align(source: MelConvention | None, target: MelConvention | None, *, strict: bool = False) -> Alignment:
    """How mels of one convention become those of another.

    Args:
        source: of the mels that there are.
        target: of the mels that are wanted, such as `Vocos.mel`; None, as of an EnCodec model, is refused.
        strict: refuse what is lossy, too.

    Warns:
        MelMismatchWarning: once for each pair that is lossy, with its error.

    Raises:
        MelMismatch: nothing sensible can be done, or ``strict`` forbids it.
    """
    if source is None or target is None:
        side = "source" if source is None else "vocoder"
        raise MelMismatch(f"the {side} has no mel: EnCodec features and mels can't be turned into each other")
    kind, found = _relation(source, target)
    if kind == "lossy":
        return _align_lossy(source, target, strict, found)
    return Alignment(source=source, target=target, kind=kind, differences=found)


@functools.lru_cache(maxsize=256)
def _relation(source: MelConvention, target: MelConvention) -> tuple[Kind, tuple[Difference, ...]]:
    """Remembered, as each decode asks for it; not the alignment, as equal conventions may have other names."""
    found = differences(source, target)
    severities = {difference.severity for difference in found}
    if "lossy" in severities:
        return "lossy", found
    if any(difference.field == "framing" for difference in found):
        return "framing", found
    return "pointwise" if "convertible" in severities else "identity", found


@functools.lru_cache(maxsize=256)
def _bounds(source: MelConvention, target: MelConvention) -> tuple[float, float] | None:
    """Least and greatest value of the target, where logarithms that are cut off elsewhere are all that differs."""
    if _convertible(_relation(source, target)[1]) != {"guard_value"}:
        return None
    if target.guard != "clamp" or target.normalization is not None:
        return None
    floor, ceiling = compress(torch.tensor([0.0, MAX_LINEAR], dtype=torch.float64), target).tolist()
    return floor, ceiling


def _convertible(found: tuple[Difference, ...]) -> set[str]:
    """The fields in which values differ and can be computed from each other."""
    return {difference.field for difference in found if difference.severity == "convertible"} - {"framing"}


def _align_lossy(
    source: MelConvention, target: MelConvention, strict: bool, found: tuple[Difference, ...]
) -> Alignment:
    known = known_bands(source, target)
    if float(known.double().mean()) < LEAST_KNOWN:
        unknown = tuple(int(band) for band in torch.nonzero(~known)[:, 0])
        reason = f"it knows nothing of {describe_bands(unknown)}"
        raise MelMismatch(_explain(source, target, found, reason, (CHECKPOINT, FINE_TUNE)), found)
    if strict:
        reason = f"strict=True, and the error would be {estimate_error(source, target)}"
        raise MelMismatch(_explain(source, target, found, reason, (CHECKPOINT, APPROXIMATE, FINE_TUNE)), found)
    return _approximate(source, target)


@functools.lru_cache(maxsize=256)
def _approximate(source: MelConvention, target: MelConvention) -> Alignment:
    error = estimate_error(source, target)
    names = f"{source.name or 'the source'} to {target.name or 'the target'}"
    warnings.warn(f"mels are converted with a loss, {names}: mean error {error}", MelMismatchWarning, stacklevel=4)
    return Alignment(source=source, target=target, kind="lossy", differences=differences(source, target), error=error)


def _explain(
    source: MelConvention,
    target: MelConvention,
    found: tuple[Difference, ...],
    reason: str,
    ways_out: tuple[str, ...],
) -> str:
    names = f"{source.name or 'the source'} are no mels for {target.name or 'the target'}"
    fields = "\n".join(f"  {difference}" for difference in found if difference.severity != "negligible")
    return f"Mels of {names}: {reason}.\n{fields}\nWays out: {'; '.join(ways_out)}."


def _band_gain(source: MelConvention, target: MelConvention) -> Tensor:
    """What the target's area norm does to each of the source's bands, ``(n_mels, 1)``."""
    if source.mel_norm == target.mel_norm:
        return torch.ones(1, 1, dtype=torch.float64)
    mine, other = source.filterbank().double().sum(0), target.filterbank().double().sum(0)
    return torch.where(mine > 0, other / mine.clamp_min(1e-30), 1.0)[:, None]
