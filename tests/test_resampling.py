"""Audio at another rate, as long as was promised."""

import numpy as np
import pytest
import soxr
import torch

from vocos_plugins.inference.resampling import resample


@pytest.mark.parametrize("n_samples", [1500, 1600, 1700])
def test_is_soxr_s_cut_or_filled_up(noise, n_samples):
    """Each row by itself; what is missing at the end is silence."""
    audio = noise(2, 800)
    found = resample(audio, 8000, 16000, n_samples)
    assert found.shape == (2, n_samples)
    for row in range(2):
        own = torch.from_numpy(soxr.resample(audio[row].numpy(), 8000, 16000))[:n_samples]
        torch.testing.assert_close(found[row, : len(own)], own, rtol=0, atol=0)
        assert not found[row, len(own) :].any()


def test_the_same_rate_is_only_cut(noise):
    """Sample for sample."""
    audio = noise(1, 100)
    assert torch.equal(resample(audio, 8000, 8000, 90), audio[:, :90])


def test_a_tone_keeps_its_pitch():
    """The strongest bin of the spectrum lies at the tone's frequency."""
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(22050) / 22050)[None]
    spectrum = np.abs(np.fft.rfft(resample(tone, 22050, 16000, 16000)[0].numpy()))
    assert int(spectrum.argmax()) == 1000
