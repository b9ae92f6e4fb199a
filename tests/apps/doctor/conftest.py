"""Fixtures: files as toolkits write them, and endpoints of made-up conventions."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from vocos_plugins import MelConvention
from vocos_plugins.apps.doctor import Endpoint
from vocos_plugins.config import Features

# HyperPyYAML would call the last line's function on loading.
HYPERPARAMS = """
sample_rate: 22050
hop_length: 256
win_length: 1024
n_fft: 1024
n_mel_channels: 80
mel_fmin: 0.0
mel_fmax: 8000.0
mel_normalized: False
power: 1
norm: "slaney"
mel_scale: "slaney"
dynamic_range_compression: True
attack: !apply:os.mkdir ["{ran}"]
"""
COQUI = {
    "model": "tacotron2",
    "audio": {
        "sample_rate": 22050,
        "mel_fmax": 8000.0,
        "log_func": "np.log",
        "spec_gain": 1.0,
        "signal_norm": False,
        "stft_pad_mode": "reflect",
    },
}
NEMO = {
    "sample_rate": 22050,
    "preprocessor": {
        "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
        "features": 80,
        "highfreq": 8000,
        "n_fft": 1024,
        "n_window_size": 1024,
        "window_size": False,
        "n_window_stride": 256,
        "window_stride": False,
        "pad_to": 1,
        "sample_rate": "${sample_rate}",
        "normalize": None,
        "preemph": None,
        "log_zero_guard_value": 1e-5,
        "mag_power": 1.0,
    },
}


@pytest.fixture
def coqui_config(tmp_path: Path) -> Callable[..., Path]:
    """Writes a Coqui TTS ``config.json``; keyword arguments override values of its ``audio``."""

    def write(**audio: object) -> Path:
        file = tmp_path / "config.json"
        file.write_text(json.dumps({**COQUI, "audio": {**COQUI["audio"], **audio}}))
        return file

    return write


@pytest.fixture
def nemo_yaml(tmp_path: Path) -> Path:
    """A NeMo training configuration."""
    file = tmp_path / "fastpitch.yaml"
    file.write_text(yaml.safe_dump({"sample_rate": 22050, "model": NEMO}))
    return file


@pytest.fixture
def nemo_archive(tmp_path: Path) -> Path:
    """A ``.nemo`` file without weights."""
    content = yaml.safe_dump(NEMO).encode()
    member = tarfile.TarInfo("./model_config.yaml")
    member.size = len(content)
    with tarfile.open(tmp_path / "fastpitch.nemo", "w") as archive:
        archive.addfile(member, io.BytesIO(content))
    return tmp_path / "fastpitch.nemo"


@pytest.fixture
def hyperparams(tmp_path: Path) -> Path:
    """A SpeechBrain ``hyperparams.yaml`` that creates the folder ``ran`` next to its own if it is executed."""
    folder = tmp_path / "speechbrain"
    folder.mkdir()
    (folder / "hyperparams.yaml").write_text(HYPERPARAMS.format(ran=tmp_path / "ran"))
    return folder / "hyperparams.yaml"


@pytest.fixture(scope="session")
def make_endpoint() -> Callable[..., Endpoint]:
    """Makes an endpoint of the given features; its kind is a convention by default."""

    def make(features: Features, **values: object) -> Endpoint:
        name = features.name if isinstance(features, MelConvention) else "codes"
        return Endpoint(**{"name": name, "kind": "convention", "features": features, **values})

    return make
