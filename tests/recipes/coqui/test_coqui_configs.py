"""Tests that Coqui TTS's trainer can start from every configuration."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from vocos_coqui.mel import COQUI_CAPACITRON, COQUI_DEFAULT, COQUI_LJSPEECH

from helpers.paths import ROOT
from vocos_plugins import Vocos
from vocos_plugins.mel import MeanStdNormalization

pytestmark = pytest.mark.xdist_group("coqui")

RECIPE = ROOT / "recipes" / "coqui"
CONFIGS = sorted(RECIPE.rglob("*.json"))
PAPER_MILLIONS = 13.5
STATISTICS = MeanStdNormalization(mean=(-2.0,) * 80, std=(1.5,) * 80)
# Conventions of configurations whose mel Coqui TTS's own recipes use.
CONVENTIONS = {
    "vocos-22khz": COQUI_LJSPEECH,
    "vocos-22khz-small": COQUI_LJSPEECH,
    "vocos-22khz-default": COQUI_DEFAULT,
    "vocos-24khz-capacitron": COQUI_CAPACITRON,
    "vocos-22khz-statistics": dataclasses.replace(
        COQUI_DEFAULT, f_min=50.0, f_max=7600.0, log_gain=1.0, normalization=STATISTICS
    ),
}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads a configuration by Coqui TTS, next to the statistics that one of them needs."""
    import vocos_coqui  # noqa: F401
    from TTS.config import load_config

    monkeypatch.chdir(tmp_path)
    mean, std = (np.array(each) for each in (STATISTICS.mean, STATISTICS.std))
    linear = {"linear_mean": np.zeros(513), "linear_std": np.ones(513)}
    # Coqui TTS compares the fields with those that the statistics were computed with.
    audio = {**load_config(RECIPE / "vocos-22khz-statistics.json").audio.to_dict(), "stats_path": None}
    np.save("scale_stats.npy", {"mel_mean": mean, "mel_std": std, **linear, "audio_config": audio}, allow_pickle=True)
    return load_config


def test_every_convention_has_a_configuration() -> None:
    """There is one for each mel of Coqui TTS's own recipes, and for two sample rates without a recipe."""
    assert {path.stem for path in CONFIGS} == {*CONVENTIONS, "vocos-16khz", "vocos-16khz-small", "vocos-44khz"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configuration_builds_model_and_losses(path, load):
    """The mel matches the file's name, and generator, discriminators and losses know all keys."""
    from TTS.vocoder.models import setup_model

    config = load(path)
    model = setup_model(config)
    if path.stem in CONVENTIONS:
        assert dataclasses.replace(model.source, name="") == dataclasses.replace(CONVENTIONS[path.stem], name="")
    assert model.alignment.kind in ("identity", "pointwise")
    if "small" not in path.stem and config.audio.num_mels == 80:
        assert sum(each.numel() for each in model.parameters()) / 1e6 == pytest.approx(PAPER_MILLIONS, abs=0.1)
    discriminators, generator = model.get_criterion()
    assert discriminators.objective is generator.objective
    assert config.target_loss == "G_mel"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_key_is_a_field(path, load):
    """Coqui TTS silently drops unknown keys, so a misspelt one would go unnoticed."""
    from TTS.config import read_json_with_comments

    config = load(path)
    mapping = read_json_with_comments(str(path))
    assert set(mapping) <= set(config.to_dict())
    assert set(mapping["audio"]) <= set(config.audio.to_dict())


def test_readme_lists_what_is_there():
    """It names each configuration and script, and nothing else."""
    readme = (RECIPE / "README.md").read_text()
    named = {name for name in re.findall(r"[\w-]+\.(?:json|py)", readme) if name != "config.json"}
    assert named == {path.name for path in [*CONFIGS, *RECIPE.glob("*.py")]}


def test_small_is_the_bundled_model(load):
    """The bundled model can be fine-tuned with the small configurations, to its own mel and to another."""
    from TTS.vocoder.models import setup_model

    # Its postfilter is for predicted mels, and a training may be on them.
    bundled = dataclasses.replace(Vocos.from_pretrained("vocos-mel-22khz-small").config, postfilter=None)
    assert setup_model(load(RECIPE / "vocos-22khz-small.json")).model_g.config == bundled
    other = setup_model(load(RECIPE / "vocos-16khz-small.json")).model_g.config
    assert dataclasses.replace(other, features=bundled.features) == bundled
