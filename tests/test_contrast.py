"""Deeper valleys of a spectrum, in use and not in training. That all ways to decode agree, their own tests ask."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from vocos_plugins import Vocos
from vocos_plugins.heads import contrasted

CONTRAST = 1.25
SAME = 1e-5  # of float32


def test_decibels_below_the_strongest(noise) -> None:
    """By NumPy's own arithmetic; the strongest bin of each frame stays."""
    magnitude = noise(2, 9, 5).abs()
    decibels = 20 * np.log10(magnitude.double().numpy())
    top = decibels.max(axis=1, keepdims=True)
    expected = 10 ** ((top + CONTRAST * (decibels - top)) / 20)
    assert np.abs(contrasted(magnitude, CONTRAST, dim=1).numpy() - expected).max() < SAME


def test_level_does_not_matter(noise) -> None:
    """What is quieter is treated as what is loud; silence stays silence."""
    magnitude = noise(1, 9, 5).abs()
    quiet = contrasted(1e-3 * magnitude, CONTRAST, dim=1)
    assert torch.allclose(quiet, 1e-3 * contrasted(magnitude, CONTRAST, dim=1), rtol=SAME)
    assert torch.equal(contrasted(torch.zeros(1, 9, 5), CONTRAST, dim=1), torch.zeros(1, 9, 5))


def test_in_use_and_not_in_training(make_model, noise) -> None:
    """What a loss is taken of has none: it would be unlearnt."""
    plain = make_model("mel", "convnext", "prior", "center")
    config = dataclasses.replace(plain.config, head=dataclasses.replace(plain.config.head, contrast=CONTRAST))
    model = Vocos(config).eval()
    model.load_state_dict(plain.state_dict())
    mel = noise(1, config.n_features, 20) - 4
    hidden = plain.backbone(mel)
    expected = contrasted(plain.head.spectrum(hidden, mel).abs(), CONTRAST, dim=1)
    assert torch.allclose(model.head.spectrum(hidden, mel).abs(), expected, rtol=SAME, atol=SAME)
    assert not torch.allclose(model.synthesize(mel), plain.synthesize(mel), atol=1e-3)
    assert torch.equal(model.train().synthesize(mel), plain.synthesize(mel))
