"""Every configuration of a recipe is one that a training can start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from vocos_plugins import Vocos
from vocos_plugins.training.config import TrainingConfig

RECIPES = Path(__file__).parents[2] / "recipes"
CONFIGS = sorted((RECIPES / "lightning").rglob("*.yaml"))
# Of the paper's table 6, the EnCodec model with its codebooks, and of the bundled model.
MILLIONS = {"vocos": 13.5, "vocos-encodec": 7.98 + 2.1, "vocos-mel-22khz-small": 3.6}


def test_configurations_are_found() -> None:
    """The pattern is right, and none has been lost."""
    assert len(CONFIGS) >= 9


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configuration_builds_its_model(path: Path) -> None:
    """All keys are known, and generator and losses agree on the sample rate's limits."""
    config = TrainingConfig.from_file(path)
    model = Vocos(config.model)
    if path.stem in MILLIONS:
        assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(MILLIONS[path.stem], abs=0.05)
    assert config.data.num_samples % config.model.features.hop_length == 0
    high = config.model.features.sample_rate >= 32000 or path.stem == "vocos-encodec"
    assert config.losses.resolution_at(config.model.features.sample_rate) == (1.0 if high else 0.1)


def test_bundled_model_has_its_recipe_s_architecture() -> None:
    """What ships can be carried on by the file that says so."""
    config = TrainingConfig.from_file(RECIPES / "lightning" / "vocos-mel-22khz-small.yaml")
    assert config.model == Vocos.from_pretrained("vocos-mel-22khz-small").config
