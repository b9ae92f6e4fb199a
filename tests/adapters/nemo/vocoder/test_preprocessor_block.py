"""Converts conventions to NeMo's options, and refuses those that NeMo can't compute."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from vocos_nemo.mel import CONVENTIONS, from_nemo
from vocos_nemo.preprocessor_block import preprocessor_block

from vocos_plugins.mel import ConventionError, MelConvention, MelMismatch, MelSpectrogram
from vocos_plugins.mel.difference import differences

pytestmark = pytest.mark.xdist_group("nemo")

# The same computation with librosa's filterbank instead of the core's.
OTHER_FILTERBANK = 2e-4
# A symmetric window in place of a periodic one, on average over a log mel.
OTHER_WINDOW = 2e-3
HIFIGAN = next(mel for mel in CONVENTIONS if mel.name == "nemo-hifigan-22khz")


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda convention: convention.name)
def test_there_and_back(convention):
    """NeMo's own conventions survive the round trip, with their names."""
    found = from_nemo(preprocessor_block(convention))
    assert found == convention
    assert found.name == convention.name


@pytest.mark.parametrize(
    "changes",
    [
        {"power": 2, "mel_norm": None},
        {"log": None},
        {"window": "hamming", "f_min": 50.0, "f_max": 7600.0},
        {"framing": "center", "pre_emphasis": 0.97},
        {"guard": "add", "guard_value": 1.0},
        {"win_length": 800, "n_mels": 100},
    ],
    ids=str,
)
def test_options_nemo_knows(changes, nemo, make_signal):
    """NeMo computes other conventions of its kind from the block."""
    convention = dataclasses.replace(HIFIGAN, **changes)
    block = preprocessor_block(convention)
    assert from_nemo(block) == convention
    del block["_target_"]
    audio = make_signal("austen-1", 22050)
    found, _ = nemo.FilterbankFeatures(**block).eval()(audio, torch.tensor([audio.shape[1] + 256]))
    expected = MelSpectrogram(convention)(audio)
    scale = max(1.0, float(expected.abs().max()) / 16)
    torch.testing.assert_close(found[..., : expected.shape[-1]], expected, rtol=0, atol=OTHER_FILTERBANK * scale)


def test_what_is_negligible_may_differ(bundled, nemo, make_signal):
    """The bundled model's own mel: NeMo's window is symmetric, its ends are zeros, and it fills with silence."""
    block = preprocessor_block(bundled.mel)
    found = from_nemo(block)
    assert {each.field for each in differences(bundled.mel, found)} == {"periodic", "pad_mode", "pad_value"}
    assert block["pad_value"] == pytest.approx(-11.5129, abs=1e-4)
    del block["_target_"]
    audio = make_signal("austen-1", 22050)
    computed, _ = nemo.FilterbankFeatures(**block)(audio, torch.tensor([audio.shape[1] + 256]))
    difference = (computed - MelSpectrogram(bundled.mel)(audio))[..., 2:-2]
    assert difference.abs().mean() < OTHER_WINDOW


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mel_scale": "htk"}, "mel_scale: htk against slaney"),
        ({"log": "log10", "log_gain": 20.0}, "log: log10 against natural"),
        ({"log_gain": 2.0}, "log_gain: 2.0 against 1.0"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_nemo_can_not_compute(changes, message):
    """A mel that NeMo can't compute is refused with the fields' names and what to pass instead."""
    with pytest.raises(MelMismatch, match=f"NeMo's preprocessor can't compute the mel mine.*\n.*{message}") as caught:
        preprocessor_block(dataclasses.replace(HIFIGAN, name="mine", **changes))
    assert [each.field for each in caught.value.differences] == list(changes)
    assert "from_nemo(model.cfg.preprocessor)" in str(caught.value)


def test_odd_hops():
    """HiFi-GAN's framing needs an even hop in NeMo."""
    mel = MelConvention(
        sample_rate=22050, n_fft=1024, win_length=1024, hop_length=255, n_mels=80, framing="same", mel_scale="slaney"
    )
    with pytest.raises(ConventionError, match="exact_pad needs an even n_window_stride"):
        preprocessor_block(mel)
