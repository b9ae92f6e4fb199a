"""Conversion of mels between conventions: exact where possible, otherwise approximate with a measured error.

    alignment = align(source, target)
    audio = alignment.trim(vocos.decode(alignment(mel)), mel.shape[-1])

`Vocos.decode(mel, source=...)` does the same in one call.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..spectral import output_length
from .compression import MAX_LINEAR, compress, expand
from .convention import MelConvention, check_convention
from .difference import Difference, differences
from .estimate import ErrorEstimate, describe_bands, estimate_error
from .inputs import Numbers, as_tensor
from .padding import silence_padding
from .projection import MelProjection, first_frame, known_bands

Kind = Literal["identity", "pointwise", "framing", "lossy"]
# Share of the target's bands that the source must cover; with fewer, the result is useless.
MIN_KNOWN_SHARE = 2 / 3

CHECKPOINT = "a vocoder checkpoint of the source's mel (`vocos conventions` and `vocos doctor` find it)"
APPROXIMATE = "strict=False for an approximation"
FINE_TUNE = "a vocoder fine-tuned on the source's mels (recipes/lightning/README.md)"


class MelMismatch(ValueError):  # noqa: N818 - a mismatch is not an error in the program
    """Raised when a vocoder cannot take a mel.

    The message names each differing field, its effect on the sound, and the options.

    Attributes:
        differences: the fields that differ.
    """

    def __init__(self, message: str, differences: tuple[Difference, ...] = ()) -> None:
        super().__init__(message)
        self.differences = differences


class MelMismatchWarning(UserWarning):
    """Warns of a lossy mel conversion."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Conversion between two mel conventions, as returned by `align`.

    Callable on mels ``(B, source.n_mels, T)``; returns mels of the target in the dtype of the input. Frames at the end
    that hold only the source's ``pad_value`` become silence.

    Attributes:
        source, target: conventions.
        kind: ``identity``: nothing to do; ``pointwise``: a closed form for each value, exact except where a guard or a
            clip has cut values off; ``framing``: frames are also half a hop apart, so the mel is extended by a frame
            at each end where needed and the decoded audio is trimmed; ``lossy``: other bands, frames or sample rate.
        differences: the fields that differ, including negligible ones.
        error: estimated error of a lossy alignment; None for the other kinds.
        upsample: the decoded audio's sample rate, as a multiple of the target's.
    """

    source: MelConvention
    target: MelConvention
    kind: Kind
    differences: tuple[Difference, ...]
    error: ErrorEstimate | None = None
    upsample: int = 1

    def __call__(self, mel: Numbers) -> Tensor:
        mel = as_tensor(mel, "mel")
        if mel.dim() != 3 or mel.shape[1] != self.source.n_mels or not mel.is_floating_point():
            raise ValueError(
                f"expected floating point mels (B, {self.source.n_mels}, T), got {mel.dtype} {tuple(mel.shape)}"
            )
        if not (torch.jit.is_tracing() or torch.compiler.is_compiling()):  # type: ignore[attr-defined, no-untyped-call]
            # Padding looks like sound to every other convention. Finding it depends on values, so a trace can't.
            mel = silence_padding(mel, self.source)
        if mel.shape[-1] == 0 or self.kind == "identity":
            return mel if mel.shape[-1] else mel.new_zeros(len(mel), self.target.n_mels, 0)
        if self.kind == "lossy":
            return self._project(mel).to(mel.dtype)
        bounds = _bounds(self.source, self.target)
        if bounds is not None:
            # Only the floor differs. Clamping leaves all other values untouched to the bit; exp and log would round.
            mel = mel.clamp(*bounds)
        elif _convertible(self.differences):
            # In float64: the exponential and the logarithm would cost float32 mels some digits, float16 ones most.
            linear = expand(mel.double(), self.source) * _band_gain(self.source, self.target).to(mel.device)
            mel = compress(linear, self.target).to(mel.dtype)
        if self.kind == "framing" and self.target.framing == "center":
            # Signals are mirrored at their ends, so the frame before the first one is its mirror image.
            mel = F.pad(mel, (1, 1), mode="replicate")
        return mel

    @property
    def first_sample(self) -> int:
        """Index of the first decoded sample that the source's frames cover."""
        if self.kind != "framing":
            return 0
        # The vocoder decodes on its own grid, half a hop off the source's. With ``center`` framing the frame added
        # before the first one decodes to a whole hop of extra audio.
        shift = first_frame(self.target) - first_frame(self.source)
        if self.target.framing == "center":
            shift += self.source.hop_length
        return shift * self.upsample

    def n_samples(self, n_frames: int) -> int:
        """Returns how many samples of decoded audio ``n_frames`` of the source's frames cover."""
        if self.kind == "lossy":
            return self._project.n_samples(n_frames) * self.upsample
        return output_length(n_frames, self.source.hop_length * self.upsample, self.source.framing)

    def trim(self, audio: Tensor, n_frames: int) -> Tensor:
        """Cuts decoded audio ``(..., N)`` to the `n_samples` that the source's ``n_frames`` cover.

        The result starts at sample 0 in the source's framing.
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


def align(
    source: MelConvention | None, target: MelConvention | None, *, strict: bool = False, upsample: int = 1
) -> Alignment:
    """Finds the conversion from one convention's mels to another's.

    Args:
        source: convention of the existing mels.
        target: convention that the vocoder needs, such as `Vocos.mel`. None, which EnCodec models have, is refused.
        strict: refuse lossy conversions too.
        upsample: sample rate of the vocoder's audio, as a multiple of the target's (`config.VocosConfig.upsample`).

    Warns:
        MelMismatchWarning: once for each lossy pair, with its error.

    Raises:
        MelMismatch: the source covers too few of the target's bands, a side has no mel, or the conversion is lossy
            and ``strict`` is set.
        TypeError: a side is no `MelConvention`, a name for instance.
    """
    if source is None or target is None:
        side = "source" if source is None else "vocoder"
        raise MelMismatch(f"the {side} has no mel: EnCodec features and mels cannot be converted into each other")
    check_convention(source)
    check_convention(target)
    kind, differing = _relation(source, target)
    if kind == "lossy":
        found = _align_lossy(source, target, strict, differing)
        return found if upsample == 1 else dataclasses.replace(found, upsample=upsample)
    return Alignment(source=source, target=target, kind=kind, differences=differing, upsample=upsample)


@functools.lru_cache(maxsize=256)
def _relation(source: MelConvention, target: MelConvention) -> tuple[Kind, tuple[Difference, ...]]:
    """Returns the kind of conversion between two conventions, and the fields that differ."""
    # Every decode asks for this, so it is cached. The `Alignment` is not: equal conventions can have different names.
    differing = differences(source, target)
    severities = {difference.severity for difference in differing}
    if "lossy" in severities:
        return "lossy", differing
    if any(difference.field == "framing" for difference in differing):
        return "framing", differing
    return "pointwise" if "convertible" in severities else "identity", differing


@functools.lru_cache(maxsize=256)
def _bounds(source: MelConvention, target: MelConvention) -> tuple[float, float] | None:
    """Returns the target's lowest and highest value if the floor of the logarithm is all that differs, else None."""
    if _convertible(_relation(source, target)[1]) != {"guard_value"}:
        return None
    # An added guard moves every value, and a normalization rescales it: clamping would not be enough.
    if target.guard != "clamp" or target.normalization is not None:
        return None
    # `expand` bounds a linear mel, so the general path has this ceiling as well.
    floor, ceiling = compress(torch.tensor([0.0, MAX_LINEAR], dtype=torch.float64), target).tolist()
    return floor, ceiling


def _convertible(differing: tuple[Difference, ...]) -> set[str]:
    """Returns the fields whose values can be computed exactly from the source's."""
    return {difference.field for difference in differing if difference.severity == "convertible"} - {"framing"}


def _align_lossy(
    source: MelConvention, target: MelConvention, strict: bool, differing: tuple[Difference, ...]
) -> Alignment:
    known = known_bands(source, target)
    if float(known.double().mean()) < MIN_KNOWN_SHARE:
        unknown = tuple(int(band) for band in torch.nonzero(~known)[:, 0])
        reason = f"{source.name or 'the source'} has no information for {describe_bands(unknown)}"
        raise MelMismatch(_explain(source, target, differing, reason, (CHECKPOINT, FINE_TUNE)), differing)
    if strict:
        reason = f"strict=True forbids a lossy conversion, whose mean error is {estimate_error(source, target)}"
        raise MelMismatch(_explain(source, target, differing, reason, (CHECKPOINT, APPROXIMATE, FINE_TUNE)), differing)
    return _approximate(source, target)


@functools.lru_cache(maxsize=256)
def _approximate(source: MelConvention, target: MelConvention) -> Alignment:
    # Cached, so that a process warns once for each pair and estimates its error once.
    error = estimate_error(source, target)
    names = f"{source.name or 'the source'} to {target.name or 'the target'}"
    # Level 4 is the caller of `align`: lru_cache, written in C, adds no frame.
    warnings.warn(f"lossy mel conversion from {names}: mean error {error}", MelMismatchWarning, stacklevel=4)
    return Alignment(source=source, target=target, kind="lossy", differences=differences(source, target), error=error)


def _explain(
    source: MelConvention,
    target: MelConvention,
    differing: tuple[Difference, ...],
    reason: str,
    options: tuple[str, ...],
) -> str:
    names = f"{target.name or 'the target'} cannot take {source.name or 'the source'} mels"
    fields = "\n".join(f"  {difference}" for difference in differing if difference.severity != "negligible")
    return f"{names}: {reason}.\n{fields}\nOptions: {'; '.join(options)}."


def _band_gain(source: MelConvention, target: MelConvention) -> Tensor:
    """Returns the factor between the two area norms for each band, ``(n_mels, 1)``."""
    if source.mel_norm == target.mel_norm:
        return torch.ones(1, 1, dtype=torch.float64)
    # Both filterbanks have the same triangles, scaled: the ratio of their sums is exact, also for a narrow band.
    source_area, target_area = source.filterbank().double().sum(0), target.filterbank().double().sum(0)
    return torch.where(source_area > 0, target_area / source_area.clamp_min(1e-30), 1.0)[:, None]
