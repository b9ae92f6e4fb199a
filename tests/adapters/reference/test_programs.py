"""F5-TTS, ChatTTS and ZipVoice with the original package, and with this one: the audio is the same.

Their source comes from PyPI; where that can't be reached, the tests are skipped. `PIP_FIND_LINKS` can name a folder
that holds the distributions.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from vocos_reference.pretrained import Vocos

SAME = 1e-5  # relative to the peak
PROGRAMS = Path(__file__).with_name("programs.py")
# ChatTTS is a source distribution, whose metadata pip builds by setuptools.
SOURCES = {"f5-tts": "f5-tts==1.1.22", "chattts": "chattts==0.2.5"}
CONFIG = """
feature_extractor:
  class_path: vocos.feature_extractors.MelSpectrogramFeatures
  init_args: {sample_rate: 24000, n_fft: 1024, hop_length: 256, n_mels: 100, padding: center}
backbone:
  class_path: vocos.models.VocosBackbone
  init_args: {input_channels: 100, dim: 512, intermediate_dim: 1536, num_layers: 8}
head:
  class_path: vocos.heads.ISTFTHead
  init_args: {dim: 512, n_fft: 1024, hop_length: 256, padding: center}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Returns a folder like charactr/vocos-mel-24khz, with random weights, and a mel."""
    folder = tmp_path_factory.mktemp("vocos-mel-24khz")
    (folder / "config.yaml").write_text(CONFIG)
    assert yaml.safe_load(CONFIG)
    torch.manual_seed(0)
    model = Vocos.from_hparams(str(folder / "config.yaml"))
    torch.nn.init.normal_(model.head.out.weight, std=0.05)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    save_file(model.state_dict(), folder / "model.safetensors")
    np.save(folder / "mel.npy", 2 * torch.randn(2, 60, 100).numpy() - 4)
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Returns a function that downloads and unpacks a program's distribution; skips the test if it can't be had."""

    def fetch(program: str) -> Path:
        target = tmp_path_factory.mktemp(program)
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--retries", "0", "--timeout", "15"]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(target), SOURCES[program]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{SOURCES[program]} can't be downloaded: {(done.stderr or '?').strip().splitlines()[-1]}")
        (file,) = target.iterdir()
        if file.suffix == ".whl":
            zipfile.ZipFile(file).extractall(target)  # noqa: S202 - from the registry, for this test
            return target
        with tarfile.open(file) as archive:
            archive.extractall(target, filter="data")
        return next(path for path in target.iterdir() if path.is_dir())

    return fetch


@pytest.fixture
def run(folder, tmp_path):
    """Returns a function that runs a program, and returns its audio."""

    def start(program: str, source: Path, *options: str) -> np.ndarray:
        out = tmp_path / "audio.npy"
        command = [sys.executable, *options, str(PROGRAMS), program, str(source), str(folder), str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return np.load(out)

    return start


@pytest.mark.parametrize("program", ["f5-tts", "chattts", "zipvoice"])
def test_the_audio_is_the_same(program, source, run) -> None:
    """The program runs unchanged on both packages."""
    place = source(program) if program in SOURCES else Path()
    expected = run(program, place, "-W", "ignore")
    found = run(program, place, "-m", "vocos_reference.run")
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < SAME * np.abs(expected).max()
    assert np.abs(expected).max() > 0.01
