"""How blurred mels are next to those of recordings, as the Gaussian blur that would do the same.

A blur divides a mel's modulation spectrum, over time or over frequency, by a Gaussian. Acoustic models that minimize a
distance emit means where detail can't be known, which looks the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..mel import MelConvention, MelSpectrogram
from ..mel.speech import CLIPS, read_clip

Mel = NDArray[np.float64]  # (M, T), logarithmic

TOP_HZ = 8000.0
WINDOW = 32  # bands or frames
LOUDEST = 0.6  # the share of a mel that counts; pauses are noise, or a floor without any detail
BINS = slice(1, 14)  # of the window's 17: without the mean, and the end, where a blur leaves only rounding
ROUNDS = 5  # the two sigmas are found in turns
SIGMAS = np.arange(0, 3.005, 0.01)
# Single clips of 108 clean ones, by many speakers, reach 0.45 bands and 0.41 frames against the speech that ships with
# the package, 17 unseen ones 0.42 and 0.39: below this, it may be the speaker.
SIGNIFICANT = 0.5
TRUNCATE = 4.0  # sigmas, as scipy.ndimage has it


@dataclass(frozen=True, kw_only=True)
class Blur:
    """The blur of mels relative to others.

    Attributes:
        bands, frames: sigma of the equivalent Gaussian blur over frequency and over time; 0 for sharper mels.
        band_steps, frame_steps: mean absolute step from band to band and from frame to frame, as a share of the
            others'.
    """

    bands: float
    frames: float
    band_steps: float
    frame_steps: float

    @property
    def significant(self) -> bool:
        """Whether no recording of another speaker is as blurred."""
        return max(self.bands, self.frames) > SIGNIFICANT

    def __str__(self) -> str:
        return (
            f"as blurred as recordings' mels after a Gaussian blur of {self.bands:.1f} bands and {self.frames:.1f} "
            f"frames; steps from band to band are {self.band_steps:.2f} of theirs, from frame to frame "
            f"{self.frame_steps:.2f}"
        )


def measure_blur(mels: Sequence[Mel], references: Sequence[Mel]) -> Blur:
    """Measures mels ``(M, T)`` against references in the same convention: of the same sentences, if there are any.

    Raises:
        ValueError: one side has no mel of 32 bands and 32 frames.
    """
    actual, expected = ([_patches(mel) for mel in side if min(mel.shape) >= WINDOW] for side in (mels, references))
    if not (actual and expected):
        raise ValueError(f"blur can be measured only in mels of at least {WINDOW} bands and {WINDOW} frames")
    ours, theirs = np.concatenate(actual), np.concatenate(expected)
    bands, frames = _fit(np.sqrt(_spectrum(ours) / _spectrum(theirs)))
    band_steps, frame_steps = (_mean_step(ours, axis) / _mean_step(theirs, axis) for axis in (1, 2))
    return Blur(bands=bands, frames=frames, band_steps=band_steps, frame_steps=frame_steps)


def measure_against_speech(mels: Sequence[Mel], convention: MelConvention) -> Blur | None:
    """Measures mels without their recordings, against the speech that ships with the package.

    Returns:
        the blur, which says something where it is `significant`; None where it can't be told: the mels are short,
        aren't logarithmic, or have bands above 8 kHz, where the shipped speech has nothing.
    """
    top = convention.f_max or convention.sample_rate / 2
    long = [mel for mel in mels if min(mel.shape) >= WINDOW and np.isfinite(mel).all()]
    if convention.log is None or top > TOP_HZ or not long:
        return None
    front_end = MelSpectrogram(convention)
    speech = [front_end(read_clip(clip, convention.sample_rate)[None])[0].double().numpy() for clip in CLIPS]
    return measure_blur(long, speech)


def _patches(mel: Mel) -> Mel:
    """Returns the loud squares of a mel as ``(n, WINDOW, WINDOW)``, half overlapping."""
    squares = np.lib.stride_tricks.sliding_window_view(mel, (WINDOW, WINDOW))
    squares = squares[:: WINDOW // 2, :: WINDOW // 2].reshape(-1, WINDOW, WINDOW)
    level = squares.mean(axis=(1, 2))
    loud: Mel = squares[level >= np.quantile(level, 1 - LOUDEST)]
    return loud


def _spectrum(patches: Mel) -> Mel:
    """Returns the mean modulation spectrum over both axes at once, where a blur over one leaves the other alone."""
    # Steps, since the spectrum of a mel itself is so steep that its slow parts leak into all others.
    steps = np.diff(np.diff(patches, axis=1), axis=2)
    window = np.hanning(WINDOW + 1)[1:-1]
    power = (np.abs(np.fft.rfft2(steps * window[:, None] * window, s=(WINDOW, WINDOW))) ** 2).mean(axis=0)
    folded: Mel = power[: WINDOW // 2 + 1] + power[-np.arange(WINDOW // 2 + 1)]
    return folded[BINS, BINS] + np.finfo(float).tiny


def _mean_step(patches: Mel, axis: int) -> float:
    return float(np.abs(np.diff(patches, axis=axis)).mean() + np.finfo(float).tiny)


def _fit(left: Mel) -> tuple[float, float]:
    """Returns the sigmas, over bands and frames, whose blur comes nearest to what is left of each frequency."""
    responses = np.stack([_response(sigma)[BINS] for sigma in SIGMAS])
    over_bands = over_frames = 0
    for _ in range(ROUNDS):
        over_bands = _nearest(left, responses[:, :, None] * responses[over_frames])
        over_frames = _nearest(left, responses[over_bands][:, None] * responses[:, None, :])
    return float(SIGMAS[over_bands]), float(SIGMAS[over_frames])


def _nearest(left: Mel, responses: Mel) -> int:
    return int(np.square(responses - left).sum(axis=(1, 2)).argmin())


def _response(sigma: float) -> Mel:
    """Returns what a sampled Gaussian leaves of each frequency."""
    radius = int(TRUNCATE * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * np.square(offsets / max(sigma, 1e-9)))
    turns = 2 * np.pi * np.arange(WINDOW // 2 + 1)[:, None] / WINDOW * offsets
    response: Mel = (np.cos(turns) @ weights) / weights.sum()
    return response
