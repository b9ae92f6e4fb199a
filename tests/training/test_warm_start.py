"""Fine-tuning: layers that fit are kept, the others are reported."""

from __future__ import annotations

import pytest
import torch

from helpers.paths import ROOT
from vocos_plugins import Vocos
from vocos_plugins.storage.find import bundled_names
from vocos_plugins.training.config import TrainingConfig
from vocos_plugins.training.module import VocosTraining
from vocos_plugins.training.stages import read_stages
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
    """With its own recipe all of it fits, and there are no notes."""
    module = VocosTraining(read_stages(RECIPES / f"{name}.yaml")[-1].config)
    assert warm_start(module.vocos, module.objective, name) == []


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
        "the postfilter of" in note and "fit one to the trained model by `vocos postfilter`" in note for note in notes
    )
    assert module.vocos.postfilter is None
