"""How far an approximate alignment is off, measured on speech that ships with the package."""

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
IMAGES = 3  # of the clips' 8 kHz in 24 kHz
IMAGE_LEVEL = 0.2  # -14 dB: how much weaker speech is above 8 kHz than its mirror image below
# Below both floors nothing is known of either mel, and nothing is heard.
MARGIN = 2.0
# What is added to a mel before the logarithm hides what is this much smaller.
HIDDEN = 0.01
LEAST = 1e-8  # of a linear mel, which has no floor


@dataclass(frozen=True, kw_only=True)
class ErrorEstimate:
    """Mean distance of aligned mels from the target's own, in nepers (1 neper is 8.7 dB), above both mels' floors.

    Attributes:
        mean: over all bands that the source knows.
        per_band: of each of the target's bands; NaN for those that the source can't know.
        unknown: the target's bands outside what the source's bands cover; they are left at the floor.
    """

    mean: float
    per_band: tuple[float, ...]
    unknown: tuple[int, ...]

    def __str__(self) -> str:
        text = f"{self.mean:.2f} nepers ({self.mean * 20 / math.log(10):.1f} dB)"
        return text if not self.unknown else f"{text}; nothing is known of {describe_bands(self.unknown)}"


@functools.lru_cache(maxsize=256)
def estimate_error(source: MelConvention, target: MelConvention) -> ErrorEstimate:
    """Aligns the shipped speech's own mels and compares with what the target makes of the same speech."""
    return measure_error(source, target, _speech(source.sample_rate), _speech(target.sample_rate))


def measure_error(
    source: MelConvention,
    target: MelConvention,
    at_source: list[Tensor],
    at_target: list[Tensor],
    project: Callable[[Tensor], Tensor] | None = None,
) -> ErrorEstimate:
    """As `estimate_error`, on given speech.

    Args:
        source, target: conventions.
        at_source, at_target: the same recordings at both conventions' rates, each ``(1, N)``.
        project: makes mels of the target from the source's; `MelProjection` by default.
    """
    project = project or MelProjection(source, target)
    known = known_bands(source, target)
    lowest = (expand(mel, target)[0, :, 4:5] for mel in (project(_floor(source)), _floor(target)))
    floor = MARGIN * torch.maximum(*lowest).clamp_min(LEAST)
    total, count = torch.zeros(target.n_mels).double(), torch.zeros(target.n_mels).double()
    for heard, wanted in zip(at_source, at_target, strict=True):
        aligned = expand(project(MelSpectrogram(source)(heard)), target)[0]
        own = expand(MelSpectrogram(target)(wanted).double(), target)[0]
        n_frames = min(aligned.shape[1], own.shape[1])
        aligned, own = aligned[:, :n_frames], own[:, :n_frames]
        counts = own > floor
        distance = (aligned.maximum(floor).log() - own.maximum(floor).log()).abs() * counts
        total += distance.sum(1)
        count += counts.sum(1)
    per_band = torch.where(known, total / count.clamp_min(1), torch.nan)
    heard_bands = known & (count > 0)
    mean = float((total[heard_bands] / count[heard_bands]).mean()) if heard_bands.any() else math.nan
    return ErrorEstimate(
        mean=mean,
        per_band=tuple(per_band.tolist()),
        unknown=tuple(int(band) for band in torch.nonzero(~known)[:, 0]),
    )


def describe_bands(bands: tuple[int, ...]) -> str:
    """Band numbers as ranges: ``bands 0 to 2, 87 to 99``."""
    ranges: list[list[int]] = []
    for band in bands:
        if ranges and band == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], band]
        else:
            ranges.append([band, band])
    text = ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in ranges)
    return f"band {text}" if len(bands) == 1 else f"bands {text}"


def _floor(convention: MelConvention) -> Tensor:
    """A mel, ``(1, n_mels, 33)``, of the smallest amplitudes that a convention tells from silence."""
    silence = torch.zeros(1, convention.n_mels, 33, dtype=torch.float64)
    if convention.log is not None and convention.guard == "add":
        silence += HIDDEN * convention.guard_value
    return compress(silence, convention)


@functools.lru_cache(maxsize=8)
def _speech(sample_rate: int) -> list[Tensor]:
    """Shipped clips at a rate, ``(1, N)`` each.

    They end at 8 kHz; above it, up to 24 kHz, stand their mirror images, weaker, so that wider conventions find
    something.
    """
    import soundfile
    import soxr

    clips = []
    for clip in CLIPS:
        recording, rate = soundfile.read(clip.path, dtype="float64")
        narrow = soxr.resample(recording, rate, CLIP_RATE)[: int(SECONDS * CLIP_RATE)]
        images = np.zeros(len(narrow) * IMAGES)
        images[::IMAGES] = narrow * IMAGES
        clean = soxr.resample(narrow, CLIP_RATE, CLIP_RATE * IMAGES)[: len(images)]
        wide = clean + IMAGE_LEVEL * (images[: len(clean)] - clean)
        at_rate = soxr.resample(wide, CLIP_RATE * IMAGES, sample_rate)
        clips.append(torch.from_numpy(at_rate.astype(np.float32))[None])
    return clips
