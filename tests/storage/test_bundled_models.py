"""The bundled models on mels like those of text-to-speech models: silence, smoothed bands, other floors."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vocos_plugins import Vocos
from vocos_plugins.mel import MelSpectrogram
from vocos_plugins.mel.speech import CLIPS
from vocos_plugins.storage.audio import read_mono
from vocos_plugins.storage.find import bundled_names

# SpeechBrain, Coqui TTS and HiFi-GAN; Matcha and others; the guard of NeMo, 2**-24; F5-TTS and others.
FLOORS = (1e-5, 1e-7, 2**-24, 1e-8)
SILENT_DBFS = -70.0
LOUDER_DB = 6.0  # than the recording, at its ends: 1/40 s, in which one peak decides
MAX_DC = 3e-3  # the recordings' own go up to 8e-3
MEL_ERROR = 0.2  # nepers, mean; 0.13 without smoothing
LEVEL_DB = 1.5  # how much the mean logarithm of three frames lowers the level


@pytest.fixture(scope="module", params=bundled_names())
def vocos(request: pytest.FixtureRequest) -> Vocos:
    return Vocos.from_pretrained(request.param)


@pytest.fixture(params=CLIPS, ids=lambda clip: clip.path.stem)
def recording(request: pytest.FixtureRequest, vocos: Vocos) -> Tensor:
    """A recording ``(1, N)`` at the model's sample rate."""
    return read_mono(request.param.path, vocos.sample_rate)


def mel_of(vocos: Vocos, audio: Tensor) -> Tensor:
    assert vocos.mel is not None
    return MelSpectrogram(vocos.mel)(audio)


def decibels(ratio: Tensor) -> float:
    return 20 * math.log10(max(float(ratio), 1e-12))


@pytest.mark.parametrize("floor", FLOORS)
def test_silence_stays_silent(vocos: Vocos, floor: float) -> None:
    """Silence at any floor decodes to silence, also at the ends, where fewer frames overlap."""
    audio = vocos.decode(torch.full((1, vocos.config.n_features, 100), math.log(floor)))
    assert decibels(audio.abs().max()) < SILENT_DBFS


def test_no_click_and_no_offset(vocos: Vocos, recording: Tensor) -> None:
    """The first and the last hop are about as loud as the recording's, and the mean is near zero."""
    audio = vocos.decode(mel_of(vocos, recording))
    n, hop = min(recording.shape[1], audio.shape[1]), vocos.hop_length
    for part in (slice(hop), slice(n - hop, n)):
        assert decibels(audio[:, part].abs().max() / recording[:, part].abs().max()) < LOUDER_DB
    assert abs(float(audio.mean())) < MAX_DC


def test_a_smoothed_mel_sounds_as_loud(vocos: Vocos, recording: Tensor) -> None:
    """Predicted mels are smoother than those of speech: the audio still has the mel that was decoded."""
    mel = mel_of(vocos, recording)
    smooth = torch.nn.functional.avg_pool1d(torch.nn.functional.pad(mel, (1, 1), mode="replicate"), 3, stride=1)
    plain, audio = vocos.decode(mel), vocos.decode(smooth)
    assert float((mel_of(vocos, audio) - smooth).abs().mean()) < MEL_ERROR
    assert abs(decibels(audio.norm() / plain.norm())) < LEVEL_DB
