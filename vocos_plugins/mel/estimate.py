"""Error of an approximate alignment, measured on speech that ships with the package."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .compression import compress, expand
from .convention import MelConvention
from .projection import MelProjection, known_bands
from .spectrogram import MelSpectrogram
from .speech import CLIPS

CLIP_RATE = 16000
SECONDS = 2.0  # of each clip
IMAGES = 3  # copies of the clips' 8 kHz band below 24 kHz
IMAGE_LEVEL = 0.2  # -14 dB: level of speech above 8 kHz relative to the mirrored band below
# Only values above this multiple of both floors are compared: below, neither mel holds information, nor is it audible.
MARGIN = 2.0
# A guard that is added before the logarithm hides values smaller than this share of it.
HIDDEN = 0.01
LEAST = 1e-8  # floor assumed for a linear mel, which has none


@dataclass(frozen=True, kw_only=True)
class ErrorEstimate:
    """Mean distance of aligned mels from the target's own, in nepers (1 neper is 8.7 dB), above both mels' floors.

    Attributes:
        mean: over all bands that the source covers.
        per_band: for each of the target's bands; NaN for those that the source doesn't cover.
        unknown: the target's bands that the source doesn't cover; they are left at the floor.
    """

    mean: float
    per_band: tuple[float, ...]
    unknown: tuple[int, ...]

    def __str__(self) -> str:
        text = f"{self.mean:.2f} nepers ({self.mean * 20 / math.log(10):.1f} dB)"
        return text if not self.unknown else f"{text}; no information for {describe_bands(self.unknown)}"


@functools.lru_cache(maxsize=256)
def estimate_error(source: MelConvention, target: MelConvention) -> ErrorEstimate:
    """Compares aligned mels of the shipped speech with the target's own mels of the same speech."""
    return measure_error(source, target, _speech(source.sample_rate), _speech(target.sample_rate))


def measure_error(
    source: MelConvention,
    target: MelConvention,
    at_source: list[Tensor],
    at_target: list[Tensor],
    project: Callable[[Tensor], Tensor] | None = None,
) -> ErrorEstimate:
    """Measures the error of an alignment on recordings of the caller's; `estimate_error` uses the shipped ones.

    Args:
        source, target: conventions.
        at_source, at_target: the same recordings at both conventions' sample rates, each ``(1, N)``.
        project: converts mels of the source into mels of the target; `MelProjection` by default.
    """
    project = project or MelProjection(source, target)
    known = known_bands(source, target)
    # The floors do not change over time, so any one frame shows them: the fifth, or the last of fewer.
    lowest = (expand(mel, target)[0, :, :5][:, -1:] for mel in (project(_floor(source)), _floor(target)))
    floor = MARGIN * torch.maximum(*lowest).clamp_min(LEAST)
    total, count = torch.zeros(target.n_mels).double(), torch.zeros(target.n_mels).double()
    for source_audio, target_audio in zip(at_source, at_target, strict=True):
        aligned = expand(project(MelSpectrogram(source)(source_audio)), target)[0]
        own = expand(MelSpectrogram(target)(target_audio).double(), target)[0]
        # Framings and sample rates round to different numbers of frames.
        n_frames = min(aligned.shape[1], own.shape[1])
        aligned, own = aligned[:, :n_frames], own[:, :n_frames]
        # Where the target's own mel is at its floor, a distance would compare silence with silence.
        counts = own > floor
        distance = (aligned.maximum(floor).log() - own.maximum(floor).log()).abs() * counts
        total += distance.sum(1)
        count += counts.sum(1)
    per_band = torch.where(known, total / count.clamp_min(1), torch.nan)
    measured = known & (count > 0)
    mean = float((total[measured] / count[measured]).mean()) if measured.any() else math.nan
    return ErrorEstimate(
        mean=mean,
        per_band=tuple(per_band.tolist()),
        unknown=tuple(int(band) for band in torch.nonzero(~known)[:, 0]),
    )


def describe_bands(bands: tuple[int, ...]) -> str:
    """Formats band numbers as ranges: ``bands 0 to 2, 87 to 99``."""
    ranges: list[list[int]] = []
    for band in bands:
        if ranges and band == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], band]
        else:
            ranges.append([band, band])
    text = ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in ranges)
    return f"band {text}" if len(bands) == 1 else f"bands {text}"


def _floor(convention: MelConvention) -> Tensor:
    """Returns a mel ``(1, n_mels, 33)`` of the smallest amplitudes that a convention distinguishes from silence."""
    silence = torch.zeros(1, convention.n_mels, 33, dtype=torch.float64)
    if convention.log is not None and convention.guard == "add":
        silence += HIDDEN * convention.guard_value
    return compress(silence, convention)


@functools.lru_cache(maxsize=8)
def _speech(sample_rate: int) -> list[Tensor]:
    """Returns the shipped clips at a sample rate in Hz, ``(1, N)`` each.

    They end at 8 kHz. From there up to 24 kHz they are filled with weaker mirror images, so that wider conventions
    have a signal to compare in every band.
    """
    # Slow to import, and only a lossy pair needs them.
    import soundfile
    import soxr

    clips = []
    for clip in CLIPS:
        recording, rate = soundfile.read(clip.path, dtype="float64")
        narrow = soxr.resample(recording, rate, CLIP_RATE)[: int(SECONDS * CLIP_RATE)]
        # Zeros between the samples mirror the spectrum into the bands above 8 kHz; the factor keeps its level. What
        # this adds to the band-limited signal are the images alone.
        images = np.zeros(len(narrow) * IMAGES)
        images[::IMAGES] = narrow * IMAGES
        clean = soxr.resample(narrow, CLIP_RATE, CLIP_RATE * IMAGES)[: len(images)]
        wide = clean + IMAGE_LEVEL * (images[: len(clean)] - clean)
        at_rate = soxr.resample(wide, CLIP_RATE * IMAGES, sample_rate)
        clips.append(torch.from_numpy(at_rate.astype(np.float32))[None])
    return clips
