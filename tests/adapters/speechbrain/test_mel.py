"""Our mel of each SpeechBrain convention against SpeechBrain's own functions."""

from __future__ import annotations

import importlib

import pytest
import torch
from vocos_speechbrain.mel import ARGUMENTS, CONVENTIONS, DEFAULT, from_speechbrain

from vocos_plugins.mel import MelSpectrogram

pytestmark = pytest.mark.xdist_group("speechbrain")

# The same float32 operations in the same order, by the same library: there is nothing to tolerate.
BIT_EXACT = {"rtol": 0, "atol": 0}
SIGNALS = ("arctic-1", "austen-1", "clipped", "silence", "impulse")
FUNCTIONS = ("HifiGAN", "Tacotron2")


@pytest.fixture(scope="module")
def speechbrain_mel():
    """Returns the mel that a SpeechBrain module computes from the recipes' values; ``(B, N)`` to ``(B, n_mels, T)``."""

    def compute(values, audio, module="HifiGAN"):
        function = importlib.import_module(f"speechbrain.lobes.models.{module}").mel_spectrogram
        arguments = {argument: values[key] for key, argument in ARGUMENTS.items()}
        if module != "FastSpeech2":
            return function(audio=audio, **arguments)
        energy_norm = values["min_max_energy_norm"]
        return torch.stack([function(audio=row, min_max_energy_norm=energy_norm, **arguments)[0] for row in audio])

    return compute


def test_every_convention_is_a_recipe(recipes):
    """Each convention has a recipe's values to compare it with, and its own name."""
    assert {convention.name for convention in CONVENTIONS} == set(recipes) - {"fastspeech2"}
    assert len(set(CONVENTIONS)) == len(CONVENTIONS) == 2
    assert DEFAULT in CONVENTIONS


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("module", FUNCTIONS)
@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda convention: convention.name)
def test_conventions_equal_speechbrain(convention, module, signal, recipes, speechbrain_mel, make_signal):
    """Speech, clipped speech, silence and an impulse come out bit by bit."""
    audio = make_signal(signal, convention.sample_rate)
    expected = speechbrain_mel(recipes[convention.name], audio, module)
    torch.testing.assert_close(MelSpectrogram(convention)(audio), expected, **BIT_EXACT)


@pytest.mark.parametrize("energy_norm", [True, False])
@pytest.mark.parametrize("signal", SIGNALS)
def test_fastspeech2_is_the_same_mel(signal, energy_norm, recipes, speechbrain_mel, make_signal):
    """FastSpeech2 needs no own convention: `win_length: null` is n_fft, `min_max_energy_norm` leaves the mel alone."""
    values = {**recipes["fastspeech2"], "min_max_energy_norm": energy_norm}
    audio = make_signal(signal, 22050)
    expected = speechbrain_mel(values, audio, "FastSpeech2")
    torch.testing.assert_close(MelSpectrogram(from_speechbrain(values))(audio), expected, **BIT_EXACT)
    assert from_speechbrain(values) == DEFAULT


@pytest.mark.parametrize(
    "changes",
    [
        {"mel_fmax": None},
        {"mel_fmin": 80.0, "mel_fmax": 7600.0},
        {"win_length": 600},
        {"power": 2},
        {"norm": None, "mel_scale": "htk"},
        {"dynamic_range_compression": False},
        {"sample_rate": 24000, "n_mel_channels": 100, "hop_length": 300, "n_fft": 2048, "win_length": 1200},
    ],
    ids="-".join,
)
def test_other_values_are_understood(changes, recipes, speechbrain_mel, make_signal):
    """Values that no SpeechBrain recipe has, but a user's may, mean what SpeechBrain computes from them."""
    values = {**recipes["speechbrain-ljspeech"], **changes}
    audio = make_signal("austen-1", values["sample_rate"])
    found = MelSpectrogram(from_speechbrain(values))(audio)
    assert not torch.equal(found, MelSpectrogram(DEFAULT)(audio))
    torch.testing.assert_close(found, speechbrain_mel(values, audio), **BIT_EXACT)


def test_batches_of_speech(recipes, speechbrain_mel, make_signal):
    """Rows of a batch are computed as SpeechBrain computes them."""
    audio = torch.cat([make_signal("arctic-1", 22050), make_signal("austen-1", 22050)])
    expected = speechbrain_mel(recipes["speechbrain-ljspeech"], audio)
    torch.testing.assert_close(MelSpectrogram(DEFAULT)(audio), expected, **BIT_EXACT)
