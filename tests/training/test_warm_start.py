"""Fine-tuning: layers that fit are kept, the others are reported."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from helpers.paths import ROOT
from vocos_plugins import Vocos
from vocos_plugins.storage.find import bundled_names
from vocos_plugins.training.config import TrainingConfig
from vocos_plugins.training.module import VocosTraining
from vocos_plugins.training.stages import read_stages, save_mean
from vocos_plugins.training.state import save_model
from vocos_plugins.training.warm_start import warm_start

RECIPES = ROOT / "recipes" / "lightning"


@pytest.fixture
def donor(make_mapping, tmp_path) -> VocosTraining:
    """A module whose generator and discriminators are saved in ``tmp_path / "donor"``."""
    torch.manual_seed(1)
    module = VocosTraining(TrainingConfig.from_dict(make_mapping()))
    save_model(module, tmp_path / "donor")
    return module


def test_everything_is_kept_where_all_fits(make_mapping, donor, tmp_path) -> None:
    """Generator and discriminators are copied, and there are no notes."""
    module = VocosTraining(TrainingConfig.from_dict(make_mapping()))
    assert warm_start(module.vocos, module.objective, str(tmp_path / "donor")) == []
    for name, value in donor.state_dict().items():
        assert torch.equal(module.state_dict()[name], value) or name.startswith("average."), name


def test_other_mel_bands_are_read_by_the_input_layer(make_mapping, donor, tmp_path) -> None:
    """A note says so, and every other layer is the donor's. `test_mel_transfer.py` tests the translation itself."""
    module = VocosTraining(TrainingConfig.from_dict(make_mapping(model__features__n_mels=32)))
    fresh = module.vocos.backbone.embed.weight.clone()
    (note,) = warm_start(module.vocos, module.objective, str(tmp_path / "donor"))
    assert "trained on another mel convention; its input layer was remapped to this mel, with a mean error of" in note
    assert not torch.equal(module.vocos.backbone.embed.weight, fresh)
    assert torch.equal(module.vocos.head.out.weight, donor.vocos.head.out.weight)
    assert torch.equal(
        module.vocos.backbone.convnext[1].pwconv1.weight, donor.vocos.backbone.convnext[1].pwconv1.weight
    )


@pytest.mark.parametrize("name", bundled_names())
def test_a_bundled_model_brings_its_discriminators(name) -> None:
    """With its own recipe all of it fits but the postfilter, which a note names; a configuration can keep it."""
    config = read_stages(RECIPES / f"{name}.yaml")[-1].config
    module, bundled = VocosTraining(config), Vocos.from_pretrained(name)
    (note,) = warm_start(module.vocos, module.objective, name)
    assert note.startswith(f"the postfilter of {name} is left out: set the model's `postfilter` as in its config.yaml")
    assert module.vocos.postfilter is None
    module = VocosTraining(dataclasses.replace(config, model=bundled.config))
    assert warm_start(module.vocos, module.objective, name) == []
    assert torch.equal(module.vocos.postfilter.weight, bundled.postfilter.weight)


def test_the_recipe_for_one_speaker_keeps_the_postfilter(tmp_path) -> None:
    """In the mean of the weights too: the fine-tuned model sharpens predicted mels as the bundled one does."""
    tuned, mean = read_stages(RECIPES / "one-speaker.yaml")
    module, bundled = VocosTraining(tuned.config), Vocos.from_pretrained("vocos-mel-22khz-small")
    assert warm_start(module.vocos, module.objective, "vocos-mel-22khz-small") == []
    module.vocos.save_pretrained(tmp_path / "tuned")
    save_mean(mean.config.model, {"vocos-mel-22khz-small": 0.5, str(tmp_path / "tuned"): 0.5}, tmp_path / "mean")
    found = Vocos.from_pretrained(tmp_path / "mean")
    assert found.config.postfilter == bundled.config.postfilter
    torch.testing.assert_close(found.postfilter.weight, bundled.postfilter.weight)


def test_a_postfilter_that_the_checkpoint_lacks(make_mapping, donor, tmp_path) -> None:
    """It changes nothing until one is fitted, and a note says that it is new."""
    mapping = make_mapping(model__postfilter={"kind": "adaptive"})
    module = VocosTraining(TrainingConfig.from_dict(mapping))
    notes = warm_start(module.vocos, module.objective, str(tmp_path / "donor"))
    assert any("postfilter.weight" in note for note in notes)
    mel = torch.zeros(1, module.vocos.config.n_features, 20)
    assert torch.equal(module.vocos.postfiltered(mel), mel)


def test_missing_discriminators_are_reported(make_mapping, donor, tmp_path) -> None:
    """A note says that they start from random weights, as with published checkpoints, which have none."""
    (tmp_path / "donor" / "discriminators.safetensors").unlink()
    module = VocosTraining(TrainingConfig.from_dict(make_mapping()))
    notes = warm_start(module.vocos, module.objective, str(tmp_path / "donor"))
    assert "discriminators start from random weights" in notes[0]


def test_another_architecture_is_refused(make_mapping, donor, tmp_path) -> None:
    """Otherwise training would silently start from random weights."""
    module = VocosTraining(TrainingConfig.from_dict(make_mapping(model__backbone__dim=16)))
    with pytest.raises(ValueError, match="another architecture"):
        warm_start(module.vocos, module.objective, str(tmp_path / "donor"))


def test_a_run_releases_what_it_started_from(run_training, make_mapping, donor, tmp_path) -> None:
    """The average also starts at the checkpoint: after a step with a tiny learning rate it is still there."""
    changes = {"run__init_from": str(tmp_path / "donor"), "run__max_steps": 1, "optimization__learning_rate": 1e-9}
    run_training(make_mapping(**changes), tmp_path / "run")
    expected, found = (Vocos.from_pretrained(tmp_path / name).state_dict() for name in ("donor", "run/model"))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_a_postfilter_is_left_out(make_mapping, donor, tmp_path) -> None:
    """It fits mels of a model that is about to change; a note says so."""
    fitted = Vocos.from_pretrained(tmp_path / "donor")
    fitted.set_postfilter(torch.eye(fitted.config.n_features))
    fitted.save_pretrained(tmp_path / "fitted")
    module = VocosTraining(TrainingConfig.from_dict(make_mapping()))
    notes = warm_start(module.vocos, module.objective, str(tmp_path / "fitted"))
    assert any(
        "the postfilter of" in note and "`vocos postfilter` fits one to the trained model" in note for note in notes
    )
    assert module.vocos.postfilter is None


def test_a_head_with_a_higher_rate_continues_a_model(run_training, make_mapping, tmp_path) -> None:
    """A training at twice the mel's rate starts from a model at the mel's own, on audio of its own rate."""
    run_training(make_mapping(run__max_steps=1), tmp_path / "before")
    head = {"kind": "istft", "n_fft": 1024, "hop_length": 256, "upsample": 2}
    changes = {"model__head": head, "run__init_from": str(tmp_path / "before" / "model"), "run__max_steps": 2}
    run_training(make_mapping(**changes, run__jitter_framing=0.5), tmp_path / "after")
    model = Vocos.from_pretrained(tmp_path / "after" / "model")
    assert (model.sample_rate, model.config.head.upsample, model.provenance["steps"]) == (32000, 2, 2)
    objective = VocosTraining(TrainingConfig.from_dict(make_mapping(**changes))).objective
    assert objective.sample_rate == 32000
