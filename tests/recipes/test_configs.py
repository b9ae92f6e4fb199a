"""Tests that every configuration of a recipe is found and explained, and that Lightning's build their models.

The toolkits' configurations are built in ``tests/recipes/speechbrain``, ``nemo`` and ``coqui``.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from helpers.paths import ROOT
from vocos_plugins import Vocos
from vocos_plugins.config import ISTFT
from vocos_plugins.storage.find import bundled_names
from vocos_plugins.training.stages import read_stages

RECIPES = ROOT / "recipes"
# Not the exported models: nobody edits their files.
ALL = sorted(path for kind in ("yaml", "json") for path in RECIPES.rglob(f"*.{kind}") if "models" not in path.parts)
N_CONFIGS = {"coqui": 8, "lightning": 12, "nemo": 17, "speechbrain": 9, "tts": 4}
PARTS = {"base", "recorded", "predicted"}  # parts of NeMo's configurations, which are not run by themselves
COMMANDS = {
    "coqui": "python recipes/coqui/train_vocos.py --config_path recipes/coqui/{path.name}",
    "lightning": "vocos train recipes/lightning/{path.name}",
    "nemo": "python train.py --config-name {path.stem}",
    "speechbrain": "{path.name} --data_folder",
    "tts": "python recipes/tts/{path.parent.name}/train.py",
}
LIGHTNING = [path for path in ALL if path.parent.name == "lightning"]
# Parameters of the paper's table 6, of the EnCodec model with its codebooks, and of the bundled models.
MILLIONS = {"vocos": 13.5, "vocos-encodec": 7.98 + 2.1, "vocos-mel-22khz-small": 3.6, "vocos-mel-16khz-small": 3.6}


def toolkit(path: Path) -> str:
    """Returns the toolkit of a recipe's file."""
    return path.relative_to(RECIPES).parts[0]


def test_configurations_are_found() -> None:
    """The pattern finds all configurations."""
    found = [toolkit(path) for path in ALL]
    assert {name: found.count(name) for name in found} == N_CONFIGS


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{toolkit(path)}-{path.stem}")
def test_head_explains_the_file(path: Path) -> None:
    """It says what the file needs, and has the command that runs it, to be copied."""
    head = re.match(r"((#|//).*\n)+", path.read_text())[0]
    assert path.stem in PARTS or COMMANDS[toolkit(path)].format(path=path) + " " in head
    assert path.stem in PARTS or re.search(r"\b[Nn]eeds?\b|\bSet data\.train\b", head)
    assert len(head.splitlines()) >= 2


@pytest.mark.parametrize("path", LIGHTNING, ids=lambda path: path.stem)
def test_configuration_builds_its_model(path: Path) -> None:
    """All keys are known, and generator and losses agree on the sample rate's limits."""
    config = read_stages(path)[-1].config
    model = Vocos(config.model)
    if path.stem in MILLIONS:
        assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(MILLIONS[path.stem], abs=0.05)
    assert config.data.num_samples % config.model.hop_length == 0
    high = config.model.sample_rate >= 32000 or path.stem in ("vocos-encodec", *bundled_names())
    assert config.losses.resolution_at(config.model.sample_rate) == (1.0 if high else 0.1)


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_model_has_its_recipe_s_architecture(name: str) -> None:
    """The last stage of the file has the architecture that ships, which is used with more passes than in training.

    The postfilter comes later: recipes/tts/shared_postfilter.py fits it.
    """
    *trained, shipped = [stage.config.model for stage in read_stages(RECIPES / "lightning" / f"{name}.yaml")]
    assert shipped == dataclasses.replace(Vocos.from_pretrained(name).config, postfilter=None)
    assert isinstance(shipped.head, ISTFT)
    for model in trained:
        assert isinstance(model.head, ISTFT)
        passes = min(model.head.refinement_steps, shipped.head.refinement_steps)
        assert model.head == dataclasses.replace(shipped.head, refinement_steps=passes)
