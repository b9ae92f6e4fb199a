"""The recipe that teaches a model where a recording ends: what it compares, and its command."""

from __future__ import annotations

import copy
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import torch

from helpers.paths import ROOT
from vocos_plugins import MelConvention, MelSpectrogram, Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig
from vocos_plugins.training.data import Data

SCRIPT = ROOT / "recipes" / "lightning" / "quiet_above_band.py"
RATE, F_MAX = 16000, 6000.0
MEL = MelConvention(
    sample_rate=RATE, n_fft=256, win_length=256, hop_length=64, n_mels=20, f_max=F_MAX, guard_value=1e-5
)


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("quiet_above_band", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def vocos() -> Vocos:
    """A model of a few thousand parameters, whose mel ends at 6 of 8 kHz."""
    torch.manual_seed(0)
    head = ISTFT(n_fft=256, hop_length=64, amplitude_prior=True)
    backbone = ConvNeXt(dim=16, intermediate_dim=32, num_layers=2)
    return Vocos(VocosConfig(features=MEL, backbone=backbone, head=head), {"licence": "MIT", "certificate": {}}).eval()


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """A folder of four seconds of noise, as loud above 6 kHz as below."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(2):
        noise = np.random.default_rng(number).standard_normal(2 * RATE)
        soundfile.write(folder / f"{number}.wav", 0.1 * noise, RATE)
    return folder


def test_the_cut_is_a_filter_s(recipe):
    """Tones up to four fifths of the mel's band pass unchanged, and those above it are gone."""
    generator, time = torch.Generator().manual_seed(0), torch.arange(RATE, dtype=torch.float64) / RATE
    for hz, gain in ((1000.0, 1.0), (0.8 * F_MAX, 1.0), (F_MAX, 0.0), (7000.0, 0.0)):
        tone = torch.sin(2 * torch.pi * hz * time).float().expand(8, -1)  # whole periods: the FFT sees one bin
        assert torch.allclose(recipe.cut_off(tone, RATE, F_MAX, generator), gain * tone, atol=1e-4)


def test_a_cut_shows_in_the_last_band(recipe):
    """Of any voice: full-band recordings fall by less there, so that the model can tell them apart."""
    bundled = Vocos.from_pretrained("vocos-mel-22khz-small").mel
    noise = torch.randn(1, 22050, generator=torch.Generator().manual_seed(1)).expand(64, -1)
    cut = recipe.cut_off(noise, 22050, bundled.f_max, torch.Generator().manual_seed(2))
    last = MelSpectrogram(bundled)(torch.stack([noise[0], *cut]))[:, -1].mean(dim=1)
    assert ((last[0] - last[1:]) > 0.55).all()
    assert ((last[0] - last[1:]) < 7).all()  # a band that is gone would say it too plainly


def test_before_training_only_silence_differs(recipe, vocos, clips):
    """The distances to the model before are 0, and that to silence counts where a recording ends."""
    audio = torch.from_numpy(soundfile.read(clips / "0.wav", dtype="float32")[0])[None]
    ends, full = (recipe.Pair(vocos).losses(audio, torch.tensor([ends])) for ends in (True, False))
    assert all(loss == 0 for name, loss in {**ends, **full}.items() if name != "silence")
    assert ends["silence"] > 0.05
    assert full["silence"] == 0


def test_an_interrupted_run_ends_as_an_unbroken_one(recipe, vocos, clips, tmp_path, monkeypatch):
    """The weights are the same, and nearer to silence above the band than before."""
    monkeypatch.setattr(recipe, "SAVE_EVERY", 30)
    data = Data(train=(str(clips),), num_samples=recipe.FRAMES * MEL.hop_length)

    def train(state: Path) -> Vocos:
        return recipe.train(recipe.Pair(copy.deepcopy(vocos)), data, 60, state)

    whole = train(tmp_path / "whole.pt")
    save = recipe.save

    def save_and_stop(path: Path, state: object) -> None:
        save(path, state)
        raise KeyboardInterrupt

    monkeypatch.setattr(recipe, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken.pt")
    monkeypatch.setattr(recipe, "save", save)
    continued = train(tmp_path / "broken.pt")
    for key, value in whole.state_dict().items():
        assert torch.equal(value, continued.state_dict()[key]), key
    audio = torch.from_numpy(soundfile.read(clips / "0.wav", dtype="float32")[0])[None]
    ends = torch.tensor([True])
    before, after = (recipe.Pair(copy.deepcopy(model)).losses(audio, ends)["silence"] for model in (vocos, whole))
    assert after < before


def test_the_command(vocos, clips, tmp_path):
    """It writes a model of the same architecture and licence, without the certificate of other weights."""
    vocos.save_pretrained(tmp_path / "model")
    command = [sys.executable, SCRIPT, "model", "out", "--data", clips, "--steps", "2"]
    done = subprocess.run(command, cwd=tmp_path, check=True, timeout=300, capture_output=True, text=True)
    assert "`vocos certify`" in done.stdout
    trained = Vocos.from_pretrained(tmp_path / "out", precision="float32")
    assert (trained.config, trained.provenance) == (vocos.config, {"licence": "MIT"})
