"""Conventions that differ from one another in one way each, and shipped speech."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
import soxr
import torch
from torch import Tensor

from helpers.paths import ROOT
from vocos_plugins.mel import LevelNormalization, MeanStdNormalization, MelConvention

CLIPS = ROOT / "vocos_plugins" / "mel" / "clips"
BASE = MelConvention(
    name="base",
    sample_rate=22050,
    n_fft=1024,
    win_length=1024,
    hop_length=256,
    n_mels=80,
    f_max=8000.0,
    mel_scale="slaney",
    mel_norm="slaney",
)
LEVELS = LevelNormalization(ref_level=20.0, min_level=-100.0, max_norm=4.0, symmetric=True, clip=True)
STATISTICS = MeanStdNormalization(
    mean=tuple(-4 - band / 40 for band in range(80)), std=tuple(1.5 + band / 80 for band in range(80))
)
POINTWISE = {
    "log10": {"log": "log10", "guard_value": 1e-8},
    "decibels": {"log": "log10", "log_gain": 20.0},
    "levels": {"log": "log10", "log_gain": 20.0, "normalization": LEVELS},
    "statistics": {"normalization": STATISTICS},
    "add": {"guard": "add"},
    "add-1": {"guard": "add", "guard_value": 1.0, "mel_norm": None},
    "no-norm": {"mel_norm": None},
    "linear": {"log": None},
}


@pytest.fixture(scope="session")
def base() -> MelConvention:
    """The 22.05 kHz, 80 bands to 8 kHz that most toolkits share."""
    return BASE


@pytest.fixture(params=POINTWISE.values(), ids=POINTWISE.keys())
def pointwise(request: pytest.FixtureRequest) -> MelConvention:
    """The base with another way of storing each value."""
    return dataclasses.replace(BASE, name="other", **request.param)


@pytest.fixture(scope="session")
def speech() -> Callable[..., Tensor]:
    """Loads the first seconds of a shipped clip at a sample rate, ``(1, N)`` float32."""

    def load(sample_rate: int, name: str = "austen-1", seconds: float = 3.0) -> Tensor:
        audio, rate = soundfile.read(CLIPS / f"{name}.flac", dtype="float64")
        resampled = soxr.resample(audio[: int(seconds * rate)], rate, sample_rate)
        return torch.from_numpy(resampled.astype(np.float32))[None]

    return load
