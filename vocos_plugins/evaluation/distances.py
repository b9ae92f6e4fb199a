"""Distances between two signals that need no extra package: of STFT magnitudes, log mels and mel cepstra.

Frames are a fixed number of samples, so only values at the same sample rate can be compared.
"""

from __future__ import annotations

import functools
import math
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..mel import MelConvention, MelSpectrogram
from ..spectral import stft

Audio = NDArray[np.float32]  # (N,)

RESOLUTIONS = (512, 1024, 2048)  # samples; hops are a quarter of them
# Magnitudes below this count as silence. It lies above the rounding noise of 16-bit audio, which would otherwise
# dominate the logarithms of pauses.
MAGNITUDE_FLOOR = 1e-3
MEL_FLOOR = 1e-2  # a band sums about ten bins
N_MELS = 80
N_CEPSTRA = 13  # without the zeroth, which is the level


def multi_resolution_stft(reference: Audio, degraded: Audio, _sample_rate: int) -> float:
    """Spectral convergence plus mean absolute difference of log magnitudes, mean over three resolutions; 0 is equal.

    This is Parallel WaveGAN's loss (Yamamoto et al., ICASSP 2020), with periodic Hann windows of 512, 1024 and 2048
    samples.
    """
    expected, actual = _tensors(reference, degraded)
    return fmean(_stft_distance(expected, actual, n_fft) for n_fft in RESOLUTIONS)


def _stft_distance(reference: Tensor, degraded: Tensor, n_fft: int) -> float:
    window = torch.hann_window(n_fft)
    expected, actual = (
        stft(x, window, n_fft=n_fft, hop_length=n_fft // 4, pad_mode="constant").abs().clamp_min(MAGNITUDE_FLOOR)
        for x in (reference, degraded)
    )
    convergence = torch.linalg.vector_norm(expected - actual) / torch.linalg.vector_norm(expected)
    return float(convergence + (expected.log() - actual.log()).abs().mean())


def mel_distance(reference: Audio, degraded: Audio, sample_rate: int) -> float:
    """Mean absolute difference of natural-log mels; 0 is equal.

    80 HTK bands from 0 Hz to half the sample rate, windows of 1024 samples every 256, floored at 1e-2.
    """
    expected, actual = _log_mels(reference, degraded, sample_rate)
    return float((expected - actual).abs().mean())


def mel_cepstral_distortion(reference: Audio, degraded: Audio, sample_rate: int) -> float:
    """Mel cepstral distortion in dB (Kubichek, 1993), frame by frame without time warping; 0 is equal.

    ``10 / ln 10 * sqrt(2 * sum over k = 1..13 of (c_k - c'_k)^2)``, mean over frames, where ``c_k`` are the
    coefficients of the cosine series of `mel_distance`'s log mels: the RMS difference of two smooth envelopes. Tools
    that warp time or use WORLD's cepstra return other values.
    """
    expected, actual = (
        torch.matmul(_cosines(N_MELS, N_CEPSTRA), mel) for mel in _log_mels(reference, degraded, sample_rate)
    )
    per_frame = (2 * (expected - actual).square().sum(dim=1)).sqrt()
    return float(10 / math.log(10) * per_frame.mean())


def _log_mels(reference: Audio, degraded: Audio, sample_rate: int) -> tuple[Tensor, Tensor]:
    front_end = _front_end(sample_rate)
    expected, actual = (front_end(x) for x in _tensors(reference, degraded))
    return expected, actual


@functools.lru_cache(maxsize=4)
def _front_end(sample_rate: int) -> MelSpectrogram:
    return MelSpectrogram(
        MelConvention(
            sample_rate=sample_rate,
            n_fft=1024,
            win_length=1024,
            hop_length=256,
            n_mels=N_MELS,
            pad_mode="constant",
            guard_value=MEL_FLOOR,
        )
    )


def _cosines(n_bands: int, n_cepstra: int) -> Tensor:
    """Returns the matrix ``(n_cepstra, n_bands)`` that computes ``c_k`` of ``c_0 + sum of c_k cos(k w)``, k from 1."""
    order = torch.arange(1, n_cepstra + 1)[:, None]
    band = torch.arange(n_bands)[None]
    return torch.cos(torch.pi / n_bands * (band + 0.5) * order) * (2 / n_bands)


def _tensors(reference: Audio, degraded: Audio) -> tuple[Tensor, Tensor]:
    """Returns both signals as ``(1, N)``."""
    return torch.from_numpy(reference)[None], torch.from_numpy(degraded)[None]
