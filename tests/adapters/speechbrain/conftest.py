"""Signals, the recipes' mel values, and hyperparameter files that hold them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

# As in the recipes of SpeechBrain 1.1, in their order; `null` is the win_length of both fastspeech2 recipes.
LJSPEECH = {
    "sample_rate": 22050,
    "hop_length": 256,
    "win_length": 1024,
    "n_mel_channels": 80,
    "n_fft": 1024,
    "mel_fmin": 0.0,
    "mel_fmax": 8000,
    "mel_normalized": False,
    "power": 1,
    "norm": "slaney",
    "mel_scale": "slaney",
    "dynamic_range_compression": True,
}
RECIPES = {
    "speechbrain-ljspeech": LJSPEECH,
    "speechbrain-libritts-16khz": {**LJSPEECH, "sample_rate": 16000},
    "fastspeech2": {**LJSPEECH, "win_length": None, "mel_fmax": 8000.0, "min_max_energy_norm": True},
}
MEL_FUNCTION = """
mel_spectrogram: !name:speechbrain.lobes.models.HifiGAN.mel_spectrogram
  sample_rate: !ref <sample_rate>
  hop_length: !ref <hop_length>
  win_length: !ref <win_length>
  n_fft: !ref <n_fft>
  n_mels: !ref <n_mel_channels>
  f_min: !ref <mel_fmin>
  f_max: !ref <mel_fmax>
  power: !ref <power>
  normalized: !ref <mel_normalized>
  norm: !ref <norm>
  mel_scale: !ref <mel_scale>
  compression: !ref <dynamic_range_compression>
"""


@pytest.fixture(scope="session")
def make_signal(make_signal: Callable[[str, int], NDArray[np.float64]]) -> Callable[[str, int], Tensor]:
    """Returns the fixture of this name in tests/conftest.py as a batch of one, ``(1, N)`` in float32."""
    return lambda name, sample_rate: torch.from_numpy(make_signal(name, sample_rate)).float()[None]


@pytest.fixture(scope="session")
def recipes() -> dict[str, dict[str, Any]]:
    """Returns the recipes' mel values, by the name of the convention or else of the recipe."""
    return RECIPES


@pytest.fixture(scope="session")
def recipe_text() -> Callable[..., str]:
    """Returns a recipe's hyperparameter file with changes: text for a value, None to leave the line out."""

    def make(name: str = "speechbrain-ljspeech", *, function: str = MEL_FUNCTION, **changes: str | None) -> str:
        plain = {key: "null" if value is None else str(value) for key, value in RECIPES[name].items()}
        lines = [f"{key}: {text}" for key, text in {**plain, **changes}.items() if text is not None]
        return "\n".join(["seed: 1234", "output_folder: !ref ./results/<seed>", *lines, function])

    return make


@pytest.fixture
def write(tmp_path) -> Callable[[str | bytes, str], Path]:
    """Returns a function that writes a file into an empty folder."""

    def make(content: str | bytes, name: str = "hyperparams.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make
