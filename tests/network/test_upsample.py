"""A head whose audio has a higher sample rate than the mel."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.signal
import soxr
import torch

from vocos_plugins import Vocos, align
from vocos_plugins.config import ISTFT
from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.mel.decimation import PASSBAND, Decimation
from vocos_plugins.training.warm_start import copy_generator

# Of what float32 can hold: kernels and transforms of another size round otherwise.
ROUNDING_DB = 90.0
# Each pass carries some of the aliases around the old Nyquist frequency into the bins beside them: -86 dB after three.
PASSES_DB = 80.0
# Kaiser's window is made for 100 dB; soxr's best setting keeps aliases further down.
ALIASES_DB = 95.0


def level_db(signal: np.ndarray, reference: np.ndarray) -> float:
    """Power of a signal against another's, dB."""
    return float(10 * np.log10(np.square(signal).sum() / np.square(reference).sum()))


@pytest.mark.parametrize("factor", [2, 3])
def test_decimation_keeps_what_the_lower_rate_holds(factor):
    """It equals soxr's resampling of noise that ends where the filter begins to fall."""
    rng, n_samples = np.random.default_rng(0), 24000
    spectrum = np.fft.rfft(rng.standard_normal(n_samples * factor))
    spectrum[int(PASSBAND * n_samples / 2) :] = 0
    # Silent at its ends, beyond which soxr and a convolution may see different things.
    audio = np.fft.irfft(spectrum) * scipy.signal.windows.tukey(n_samples * factor, 0.2)
    ours = Decimation(factor)(torch.tensor(audio[None], dtype=torch.float32))[0].numpy()
    assert len(ours) == n_samples
    expected = soxr.resample(audio, factor, 1, quality="VHQ")
    assert level_db(ours - expected, expected) < -ALIASES_DB


@pytest.mark.parametrize("hz", [8100.0, 11000.0, 15900.0])
def test_decimation_removes_what_the_lower_rate_cannot_hold(hz):
    """Tones from 16 kHz's Nyquist frequency up don't come back as lower ones."""
    audio = np.sin(2 * np.pi * hz * np.arange(32000) / 32000) * np.hanning(32000)
    rest = Decimation(2)(torch.tensor(audio[None], dtype=torch.float32))[0].numpy()
    assert level_db(rest, audio[::2]) < -ALIASES_DB


@pytest.mark.parametrize("passes", [0, 3])
@pytest.mark.parametrize("framing", ["center", "same"])
def test_it_starts_as_the_model_that_it_continues(make_model, noise, passes, framing):
    """Its audio is that of the model at the mel's rate, resampled without a filter: by the FFT of all samples."""
    donor = make_model("mel", "convnext", "prior", framing)
    wide = make_model("mel", "convnext", "upsampled", framing, seed=1)
    with torch.no_grad():  # magnitudes below the largest that a head allows
        donor.head.out.bias[: donor.head.out.out_features // 2] -= 3
    wide.config = dataclasses.replace(wide.config, head=dataclasses.replace(wide.config.head, contrast=1.0))
    wide.head.options = wide.config.head
    assert copy_generator(donor.state_dict(), wide, "donor", donor.mel) == []
    for model in (donor, wide):
        model.set_refinement_steps(passes)
    mel = noise(1, 12, 60) - 4
    # Silence around it: what the ends of a signal look like depends on the sample rate.
    mel[:, :, :8] = mel[:, :, -8:] = -16
    expected, found = donor.decode(mel)[0].numpy(), wide.decode(mel)[0].numpy()
    assert (wide.sample_rate, len(found)) == (2 * donor.sample_rate, 2 * len(expected))
    # Around the old Nyquist frequency, the lower rate has aliases of each bin: a bin is a thirty-second of the band.
    inside = slice(0, len(expected) * 3 // 8)
    before, after = np.fft.rfft(expected.astype(np.float64)), np.fft.rfft(found.astype(np.float64)) / 2
    assert level_db(np.abs(after[inside] - before[inside]), np.abs(before[inside])) < -(
        PASSES_DB if passes else ROUNDING_DB
    )
    above = np.abs(np.fft.rfft(found)[len(found) // 4 + 64 :])
    assert level_db(above, np.abs(np.fft.rfft(found))) < -50


def test_without_a_prior_the_start_is_as_quiet_above(make_model, make_config, noise, randomize):
    """A head without an amplitude prior gets the level of twice the samples by its bias."""
    donor = make_model("mel", "convnext", "istft")
    config = make_config("mel", "convnext", "istft")
    wide = randomize(
        Vocos(dataclasses.replace(config, head=ISTFT(n_fft=8 * 16, hop_length=2 * 16, upsample=2))), seed=1
    )
    copy_generator(donor.state_dict(), wide, "donor", donor.mel)
    hidden = noise(1, 9, config.backbone.dim)
    expected, found = (model.head.spectrum(hidden, hidden).detach() for model in (donor, wide))
    n_bins = expected.shape[1] - 1
    assert torch.allclose(found[:, :n_bins], 2 * expected[:, :n_bins], rtol=1e-5)
    assert torch.allclose(found[:, n_bins], expected[:, n_bins], rtol=1e-5)  # the Nyquist bin now counts twice
    assert found[:, n_bins + 1 :].abs().max() < 2e-4


@pytest.mark.parametrize("framing", ["center", "same"])
def test_copy_synthesis_takes_audio_at_its_own_rate(make_model, noise, framing):
    """The mel is that of the audio at the mel's rate, and as many samples come back as went in."""
    model, audio = make_model("mel", "convnext", "upsampled", framing), 0.1 * noise(2, 3200)
    assert (model.sample_rate, model.hop_length) == (32000, 32)
    found = model(audio, length=3190)
    lower = model.feature_extractor.at_rate_of_mel(audio)
    assert lower.shape == (2, 1600)
    assert torch.allclose(found, model.decode(model.feature_extractor.mel_spec(lower))[:, :3190], atol=1e-5)


@pytest.mark.parametrize(("source", "target"), [("same", "center"), ("center", "same")])
def test_mels_of_another_framing(make_model, noise, source, target):
    """Half a hop is twice as many samples: the audio begins where the other framing's does."""
    model, mel = make_model("mel", "convnext", "upsampled", target), noise(1, 12, 20) - 4
    other = dataclasses.replace(model.mel, framing=source)
    audio = model.decode(mel, source=other)
    assert audio.shape == (1, 32 * (20 if source == "same" else 19))
    alignment = align(other, model.mel, upsample=2)
    assert torch.equal(audio, alignment.trim(model.decode(alignment(mel)), 20))
    assert alignment.first_sample == 2 * align(other, model.mel).first_sample == 16


def test_configurations_that_do_not_fit_are_refused(make_config):
    """The head's frames last as long as the features', and a prior needs the same frames."""
    config = make_config("mel", "convnext", "upsampled")
    assert "upsample" not in make_config("mel", "convnext", "prior").to_dict()["head"]  # earlier versions refuse it
    assert type(config).from_dict(config.to_dict()) == config
    with pytest.raises(ConfigError, match=r"features.hop_length is 16 and head.upsample is 3"):
        dataclasses.replace(config, head=dataclasses.replace(config.head, upsample=3))
    with pytest.raises(ConfigError, match=r"n_fft=64 for 2 samples in place of one, but the mel has n_fft=64"):
        dataclasses.replace(config, head=dataclasses.replace(config.head, n_fft=64))
    with pytest.raises(ValueError, match="upsample must be at least 1, got 0"):
        dataclasses.replace(config.head, upsample=0)
    with pytest.raises(ValueError, match="upsample must be at most 8, got 9"):
        dataclasses.replace(config.head, upsample=9)
