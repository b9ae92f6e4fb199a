"""Signals, NeMo's recipes, and NeMo's own classes for mels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

# The mel's part of the files in examples/tts/conf, with parameters where they differ.
HIFIGAN = """
sample_rate: {sample_rate}
n_mel_channels: 80
n_window_size: {n_fft}
n_window_stride: {hop}
n_fft: {n_fft}
lowfreq: 0
highfreq: {highfreq}
window: hann
model:
  preprocessor:
    _target_: nemo.collections.asr.parts.preprocessing.features.FilterbankFeatures
    nfilt: ${{n_mel_channels}}
    lowfreq: ${{lowfreq}}
    highfreq: ${{highfreq}}
    n_fft: ${{n_fft}}
    n_window_size: ${{n_window_size}}
    n_window_stride: ${{n_window_stride}}
    pad_to: 0
    pad_value: -11.52
    sample_rate: ${{sample_rate}}
    window: ${{window}}
    normalize: null
    preemph: null
    dither: 0.0
    frame_splicing: 1
    log: true
    log_zero_guard_type: clamp
    log_zero_guard_value: 1e-05
    mag_power: 1.0
    use_grads: false
    exact_pad: true
"""
FASTPITCH = """
sample_rate: {sample_rate}
n_mel_channels: 80
n_window_size: {n_fft}
n_window_stride: {hop}
n_fft: {n_fft}
lowfreq: 0
highfreq: {highfreq}
window: hann
model:
  sample_rate: ${{sample_rate}}
  n_mel_channels: ${{n_mel_channels}}
  n_window_size: ${{n_window_size}}
  n_window_stride: ${{n_window_stride}}
  n_fft: ${{n_fft}}
  lowfreq: ${{lowfreq}}
  highfreq: ${{highfreq}}
  window: ${{window}}
  preprocessor:
    _target_: nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor
    features: ${{model.n_mel_channels}}
    lowfreq: ${{model.lowfreq}}
    highfreq: ${{model.highfreq}}
    n_fft: ${{model.n_fft}}
    n_window_size: ${{model.n_window_size}}
    window_size: false
    n_window_stride: ${{model.n_window_stride}}
    window_stride: false
    pad_to: 1
    pad_value: 0
    sample_rate: ${{model.sample_rate}}
    window: ${{model.window}}
    normalize: null
    preemph: null
    dither: 0.0
    frame_splicing: 1
    log: true
    log_zero_guard_type: add
    log_zero_guard_value: 1e-05
    mag_power: 1.0
"""
LOG_1P = (
    ("log_zero_guard_type: clamp", "log_zero_guard_type: add"),
    ("log_zero_guard_value: 1e-05", "log_zero_guard_value: 1.0\n    mel_norm: null"),
    ("pad_value: -11.52", "pad_value: 0"),
)
AT_22KHZ = {"sample_rate": 22050, "n_fft": 1024, "hop": 256}
AT_44KHZ = {"sample_rate": 44100, "n_fft": 2048, "hop": 512}
# By the convention's name: the file's form, its values, and whether it belongs to the newer family.
RECIPES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "nemo-fastpitch-22khz": (FASTPITCH, {**AT_22KHZ, "highfreq": 8000}, False),
    "nemo-fastpitch-22khz-full-band": (FASTPITCH, {**AT_22KHZ, "highfreq": "null"}, False),
    "nemo-fastpitch-44khz": (FASTPITCH, {**AT_44KHZ, "highfreq": "null"}, False),
    "nemo-fastpitch-44khz-adapter": (FASTPITCH, {**AT_44KHZ, "highfreq": 8000}, False),
    "nemo-fastpitch-dataset-22khz": (FASTPITCH, {**AT_22KHZ, "highfreq": "null"}, True),
    "nemo-fastpitch-dataset-44khz": (FASTPITCH, {**AT_44KHZ, "highfreq": "null"}, True),
    "nemo-hifigan-22khz": (HIFIGAN, {**AT_22KHZ, "highfreq": 8000}, False),
    "nemo-hifigan-44khz": (HIFIGAN, {**AT_44KHZ, "highfreq": "null"}, False),
    "nemo-hifigan-dataset-22khz": (HIFIGAN, {**AT_22KHZ, "highfreq": "null"}, True),
    "nemo-hifigan-dataset-44khz": (HIFIGAN, {**AT_44KHZ, "highfreq": "null"}, True),
}


@pytest.fixture(scope="session")
def make_signal(make_signal: Callable[[str, int], NDArray[np.float64]]) -> Callable[[str, int], Tensor]:
    """Returns the fixture of this name in tests/conftest.py as a batch of one, ``(1, N)`` in float32."""
    return lambda name, sample_rate: torch.from_numpy(make_signal(name, sample_rate)).float()[None]


@pytest.fixture(scope="session")
def recipes() -> dict[str, str]:
    """Returns the recipes' configuration files, by the convention's name."""

    def text(form: str, values: Mapping[str, Any], newer: bool) -> str:
        filled = form.format(**values)
        return functools.reduce(lambda text, change: text.replace(*change), LOG_1P, filled) if newer else filled

    return {name: text(*recipe) for name, recipe in RECIPES.items()}


@pytest.fixture(scope="session")
def recipe_config(recipes) -> Callable[[str], Any]:
    """Returns a recipe as NeMo holds it: OmegaConf's ``DictConfig``."""
    from omegaconf import OmegaConf

    return lambda name: OmegaConf.create(recipes[name])


@pytest.fixture(scope="session")
def recipe_options(recipe_config) -> Callable[..., dict[str, Any]]:
    """Returns a recipe's preprocessor, plain and resolved by OmegaConf, with changes."""
    from omegaconf import OmegaConf

    def make(name: str, **changes: Any) -> dict[str, Any]:
        resolved: Any = OmegaConf.to_container(recipe_config(name), resolve=True)
        return {**resolved["model"]["preprocessor"], **changes}

    return make


@pytest.fixture(scope="session")
def nemo() -> SimpleNamespace:
    """Returns the classes of NeMo that the tests use; importing them takes half a minute."""
    from nemo.collections.asr.modules import AudioToMelSpectrogramPreprocessor
    from nemo.collections.asr.parts.preprocessing.features import FilterbankFeatures
    from nemo.collections.tts.models import HifiGanModel
    from nemo.core import ModelPT

    return SimpleNamespace(
        AudioToMelSpectrogramPreprocessor=AudioToMelSpectrogramPreprocessor,
        FilterbankFeatures=FilterbankFeatures,
        HifiGanModel=HifiGanModel,
        ModelPT=ModelPT,
    )


@pytest.fixture
def write(tmp_path) -> Callable[[str | bytes, str], Path]:
    """Returns a function that writes a file into an empty folder."""

    def make(content: str | bytes, name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make
