"""What the bundled models make of mels as text-to-speech models emit them: silence, smoothed bands, other floors."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vocos_plugins import Vocos
from vocos_plugins.mel import MelSpectrogram
from vocos_plugins.mel.speech import CLIPS
from vocos_plugins.storage.audio import read_blocks
from vocos_plugins.storage.find import bundled_names

# SpeechBrain, Coqui TTS and HiFi-GAN; Matcha and others; the guard of NeMo, 2**-24; F5-TTS and others.
FLOORS = (1e-5, 1e-7, 2**-24, 1e-8)
SILENT_DBFS = -70.0
LOUDER_DB = 6.0  # than the recording, at its ends: a fortieth of a second, in which one peak decides
MAX_DC = 3e-3  # the recordings' own go up to 8e-3
MEL_ERROR = 0.2  # nepers, mean; 0.13 without smoothing
LEVEL_DB = 1.5  # what three frames' mean of logarithms takes from the level


@pytest.fixture(scope="module", params=bundled_names())
def vocos(request: pytest.FixtureRequest) -> Vocos:
    return Vocos.from_pretrained(request.param)


@pytest.fixture(params=CLIPS, ids=lambda clip: clip.path.stem)
def recording(request: pytest.FixtureRequest, vocos: Vocos) -> Tensor:
    """``(1, N)`` at the model's rate."""
    return torch.cat(list(read_blocks(request.param.path, vocos.sample_rate)), dim=1).mean(dim=0, keepdim=True)


def mel_of(vocos: Vocos, audio: Tensor) -> Tensor:
    assert vocos.mel is not None
    return MelSpectrogram(vocos.mel)(audio)


def decibels(ratio: Tensor) -> float:
    return 20 * math.log10(max(float(ratio), 1e-12))


@pytest.mark.parametrize("floor", FLOORS)
def test_silence_stays_silent(vocos: Vocos, floor: float) -> None:
    """Whatever the floor that stands for it; also at the ends, where fewer frames overlap."""
    audio = vocos.decode(torch.full((1, vocos.config.n_features, 100), math.log(floor)))
    assert decibels(audio.abs().max()) < SILENT_DBFS


def test_no_click_and_no_offset(vocos: Vocos, recording: Tensor) -> None:
    """The first and the last hop are about as loud as the recording's, and the mean is next to zero."""
    audio = vocos.decode(mel_of(vocos, recording))
    n, hop = min(recording.shape[1], audio.shape[1]), vocos.hop_length
    for part in (slice(hop), slice(n - hop, n)):
        assert decibels(audio[:, part].abs().max() / recording[:, part].abs().max()) < LOUDER_DB
    assert abs(float(audio.mean())) < MAX_DC


def test_a_smoothed_mel_sounds_as_loud(vocos: Vocos, recording: Tensor) -> None:
    """Predicted mels are smoother than those of speech: what comes out still has the mel that went in."""
    mel = mel_of(vocos, recording)
    smooth = torch.nn.functional.avg_pool1d(torch.nn.functional.pad(mel, (1, 1), mode="replicate"), 3, stride=1)
    plain, audio = vocos.decode(mel), vocos.decode(smooth)
    assert float((mel_of(vocos, audio) - smooth).abs().mean()) < MEL_ERROR
    assert abs(decibels(audio.norm() / plain.norm())) < LEVEL_DB
