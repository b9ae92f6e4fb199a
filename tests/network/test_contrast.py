"""Deeper valleys of a spectrum, in use and not in training. That all ways to decode agree, their own tests ask."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from vocos_plugins import Vocos
from vocos_plugins.network.contrast import contrasted, moving_sum

CONTRAST = 1.25
SAME = 1e-5  # of float32


@pytest.mark.parametrize("n_bins", [33, 513])
def test_decibels_from_what_is_around(n_bins, noise) -> None:
    """Against NumPy's means over a hundredth of the transform's samples to each side, fewer at the ends."""
    power = noise(2, n_bins, 5, dtype=torch.float64).square().numpy()
    reach = round(0.02 * (n_bins - 1))
    around = np.stack([power[:, max(0, k - reach) : k + reach + 1].mean(axis=1) for k in range(n_bins)], axis=1)
    expected = np.sqrt(around) * np.sqrt(power / around) ** CONTRAST
    found = contrasted(torch.from_numpy(np.sqrt(power)).float(), CONTRAST, 2 * (n_bins - 1), dim=1)
    assert np.abs(found.numpy() / expected - 1).max() < SAME


def test_level_does_not_matter(noise) -> None:
    """What is quieter is treated as what is loud; silence stays silence, and so does what is flat."""
    magnitude = noise(1, 99, 5).abs()
    quiet = contrasted(1e-3 * magnitude, CONTRAST, 196, dim=1)
    assert torch.allclose(quiet, 1e-3 * contrasted(magnitude, CONTRAST, 196, dim=1), rtol=SAME)
    assert torch.equal(contrasted(torch.zeros(1, 99, 5), CONTRAST, 196, dim=1), torch.zeros(1, 99, 5))
    assert torch.allclose(contrasted(torch.ones(1, 99, 5), CONTRAST, 196, dim=1), torch.ones(1, 99, 5), rtol=SAME)


@pytest.mark.parametrize("length", [1, 2, 5, 21, 32])
def test_moving_sum(length, noise) -> None:
    """Against torch's own windows."""
    values = noise(3, 40, dtype=torch.float64)
    assert torch.allclose(moving_sum(values, length), values.unfold(1, length, 1).sum(dim=2))


def test_in_use_and_not_in_training(make_model, noise) -> None:
    """What a loss is taken of has none: it would be unlearnt."""
    plain = make_model("mel", "convnext", "prior", "center")
    config = dataclasses.replace(plain.config, head=dataclasses.replace(plain.config.head, contrast=CONTRAST))
    model = Vocos(config).eval()
    model.load_state_dict(plain.state_dict())
    mel = noise(1, config.n_features, 20) - 4
    hidden = plain.backbone(mel)
    expected = contrasted(plain.head.spectrum(hidden, mel).abs(), CONTRAST, config.head.n_fft, dim=1)
    assert torch.allclose(model.head.spectrum(hidden, mel).abs(), expected, rtol=SAME, atol=SAME)
    assert not torch.allclose(model.synthesize(mel), plain.synthesize(mel), atol=1e-3)
    assert torch.equal(model.train().synthesize(mel), plain.synthesize(mel))
