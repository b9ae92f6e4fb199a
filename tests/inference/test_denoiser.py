"""The denoiser: silence becomes silent, speech stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.evaluation.measures import choose
from vocos_plugins.inference.denoiser import HOP_LENGTH, N_FFT
from vocos_plugins.mel.speech import CLIPS, read_clip


def level_dbfs(audio: torch.Tensor) -> float:
    """Of the middle, where no frame sees the ends."""
    return float(10 * torch.log10(audio[..., 2 * N_FFT : -2 * N_FFT].square().mean() + 1e-20))


@pytest.fixture
def humming(make_model) -> Vocos:
    """A model whose random weights make a tone of silence."""
    return make_model("mel", "convnext", "istft", "same")


def silence(vocos: Vocos) -> torch.Tensor:
    return MelSpectrogram(vocos.mel)(torch.zeros(1, 8 * vocos.mel.sample_rate // 4))


def test_silence_is_silent(humming) -> None:
    """What the model makes of a mel of silence falls below -70 dBFS; half of the strength leaves half of it."""
    audio, denoiser = humming.decode(silence(humming)), humming.denoiser()
    assert level_dbfs(audio) > -60
    assert level_dbfs(denoiser(audio)) < -70
    half = level_dbfs(denoiser(audio, strength=0.000125)) - level_dbfs(audio)
    assert half == pytest.approx(-6.0, abs=0.2)  # 20 log10(1/2)
    assert level_dbfs(denoiser(audio, strength=0.001)) < -70


@pytest.mark.parametrize("name", ["vocos-mel-22khz-small", "vocos-mel-16khz-small"])
def test_speech_stays(name) -> None:
    """The bundled models' silence is below -70 dBFS as it is, and four times the strength costs no PESQ."""
    vocos = Vocos.from_pretrained(name, precision="float32")
    denoiser = vocos.denoiser()
    assert level_dbfs(vocos.decode(silence(vocos))) < -100
    clip = read_clip(CLIPS[0], vocos.sample_rate)
    audio = vocos.decode(MelSpectrogram(vocos.mel)(clip[None]))
    (pesq,), _ = choose(("pesq",))
    before, after = (
        pesq(clip[: found.shape[1]].numpy(), found[0].numpy()[: len(clip)], vocos.sample_rate).value
        for found in (audio, denoiser(audio, strength=0.001))
    )
    assert after > before - 0.02


@pytest.mark.parametrize("shape", [(5000,), (2, 5000), (1, 1), (1, HOP_LENGTH)])
def test_no_strength_changes_nothing(humming, shape) -> None:
    """Whatever the shape; the transform and its inverse lose what float32 rounds."""
    audio = torch.from_numpy(np.random.default_rng(0).standard_normal(shape)).float()
    found = humming.denoiser()(audio, strength=0.0)
    assert found.shape == audio.shape
    assert torch.allclose(found, audio, atol=1e-5)


def test_what_can_not_be_is_refused(humming, make_model) -> None:
    with pytest.raises(ValueError, match="a denoiser needs a mel model; this one takes EnCodec codes"):
        make_model("encodec", "convnext", "istft", "same").denoiser()
    with pytest.raises(ValueError, match=r"audio must be \(B, N\) or \(N,\), got shape \(1, 1, 9\)"):
        humming.denoiser()(torch.zeros(1, 1, 9))
    with pytest.raises(ValueError, match="strength must be at least 0, got -1"):
        humming.denoiser()(torch.zeros(1, 9), strength=-1)
