"""Tests that every configuration of the recipe can be trained, and has the mel in its name."""

from __future__ import annotations

import dataclasses

import pytest
from vocos_speechbrain.mel import CONVENTIONS, LJSPEECH

from helpers.paths import ROOT
from vocos_plugins import Vocos

pytestmark = pytest.mark.xdist_group("speechbrain")

FOLDER = ROOT / "recipes" / "speechbrain"
CONFIGS = sorted(FOLDER.rglob("*.yaml"))
WHOLE = {"vocos", "hifigan_script"}
MELS = {
    "vocos_16khz": dataclasses.replace(LJSPEECH, name="16khz", sample_rate=16000),
    "vocos_24khz": dataclasses.replace(LJSPEECH, name="24khz", sample_rate=24000, f_max=None),
    "vocos_44khz": dataclasses.replace(
        LJSPEECH, name="44khz", sample_rate=44100, n_fft=2048, win_length=2048, hop_length=512, f_max=None
    ),
}
MELS["finetune_16khz"] = MELS["vocos_16khz"]
PLACEHOLDERS = "data_folder: x\noutput_folder: {folder}\nmels_folder: {mels}"


@pytest.fixture
def load(recipe_module, tmp_path):
    """Loads a configuration like train.py."""

    def run(path):
        text = PLACEHOLDERS.format(folder=tmp_path, mels="mels" if "predicted" in path.stem else "null")
        return recipe_module("hyperparameters").load_hyperparameters(path, text)

    return run


def test_every_convention_has_a_configuration():
    """There is one for each mel of SpeechBrain's released recipes, and for other usual sample rates."""
    assert set(MELS) < {path.stem for path in CONFIGS}
    assert set(CONVENTIONS) == {LJSPEECH, MELS["vocos_16khz"]}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configuration_is_short(path):
    """All except the complete ones only override values."""
    text = path.read_text()
    assert (path.stem in WHOLE) == ("\nbase: " not in text)
    assert path.stem in WHOLE or len(text.splitlines()) < 40


@pytest.mark.parametrize(
    "path", [path for path in CONFIGS if path.stem != "hifigan_script"], ids=lambda path: path.stem
)
def test_configuration_instantiates(load, path):
    """Model, losses and schedule agree on sample rate and grid, and the mel is the one in the file's name."""
    hparams = load(path)
    model = hparams["model"]
    assert model.features == MELS.get(path.stem, LJSPEECH)
    assert hparams["generator"].vocos.config == model
    assert hparams["generator"].source == model.features
    assert hparams["objective"].sample_rate == model.features.sample_rate
    assert hparams["segment_size"] % model.features.hop_length == 0
    assert hparams["optimization"].rate_at(0, hparams["max_steps"]) > 0
    assert hparams["objective"].resolution_weight == (1.0 if model.features.sample_rate > 32000 else 0.1)
    if hparams["init_from"] is not None or path.stem == "vocos_small":
        bundled = Vocos.from_pretrained("vocos-mel-22khz-small").config
        # Its postfilter is for predicted mels, and a training may be on them.
        assert model == dataclasses.replace(bundled, features=MELS.get(path.stem, bundled.features), postfilter=None)


def test_the_papers_sizes(load):
    """The base file has the paper's model for this mel; only the input layer differs."""
    parameters = sum(p.numel() for p in load(FOLDER / "hparams" / "vocos.yaml")["generator"].parameters())
    assert parameters / 1e6 == pytest.approx(13.5 - 20 * 512 * 7 / 1e6, abs=0.05)
