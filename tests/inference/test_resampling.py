"""Resampling to an exact length."""

import numpy as np
import pytest
import soxr
import torch

from vocos_plugins.inference.resampling import resample


@pytest.mark.parametrize("n_samples", [1500, 1600, 1700])
def test_is_soxr_s_result_cut_or_padded(noise, n_samples):
    """Each row is resampled separately; missing samples at the end are zeros."""
    audio = noise(2, 800)
    resampled = resample(audio, 8000, 16000, n_samples)
    assert resampled.shape == (2, n_samples)
    for row in range(2):
        expected = torch.from_numpy(soxr.resample(audio[row].numpy(), 8000, 16000))[:n_samples]
        torch.testing.assert_close(resampled[row, : len(expected)], expected, rtol=0, atol=0)
        assert not resampled[row, len(expected) :].any()


def test_the_same_rate_is_only_cut(noise):
    """At the same rate the samples are unchanged."""
    audio = noise(1, 100)
    assert torch.equal(resample(audio, 8000, 8000, 90), audio[:, :90])


def test_a_tone_keeps_its_pitch():
    """The strongest bin of the spectrum lies at the tone's frequency."""
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(22050) / 22050)[None]
    spectrum = np.abs(np.fft.rfft(resample(tone, 22050, 16000, 16000)[0].numpy()))
    assert int(spectrum.argmax()) == 1000
