"""Training in stages by one command: each starts from the one before, or is a mean of earlier ones."""

from __future__ import annotations

import math

import pytest
import torch
import yaml

from helpers.mutations import attack
from vocos_plugins import Vocos
from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.mel.shown import shown
from vocos_plugins.storage.safe_files import read_pickle
from vocos_plugins.training.stages import read_stages, save_mean

UNSAFE_NAMES = (".", "..", "../a", "a/b", "/a", "a\\b", "C:a", "a\nb", "a\0", "a" * 256)
STAGES = {
    "spectral": {"set": {"losses.pretrain_steps": 6, "run.max_steps": 6, "model.head.contrast": 1.0}},
    "adversarial": {"set": {"run.max_steps": 4, "optimization.learning_rate": 1e-3}},
    "both": {"mean": {"spectral": 0.25, "adversarial": 0.75}},
}


@pytest.fixture
def mapping(make_mapping) -> dict:
    """Three stages of a few steps."""
    return make_mapping(model__head__contrast=1.2, run__save_every=1) | {"stages": STAGES}


def test_a_stage_begins_where_the_one_before_ended(run_training, mapping, tmp_path) -> None:
    """A stage with a tiny learning rate keeps the weights; a mean follows its shares and keeps discriminators."""
    mapping["stages"] = {
        "spectral": STAGES["spectral"],
        "still": {"set": {"run.max_steps": 1, "optimization.learning_rate": 1e-12, "losses.pretrain_steps": 1}},
        "adversarial": STAGES["adversarial"],
        "mean": {"mean": {"spectral": 0.25, "adversarial": 0.75}},
    }
    run_training(mapping, tmp_path)
    names = ("spectral", "still", "adversarial", "mean")
    models = {name: Vocos.from_pretrained(tmp_path / name / "model") for name in names}
    weights = {name: model.head.out.weight for name, model in models.items()}
    torch.testing.assert_close(weights["still"], weights["spectral"], rtol=0, atol=1e-9)
    assert not torch.allclose(weights["adversarial"], weights["still"], rtol=0, atol=1e-5)
    expected = 0.25 * weights["spectral"] + 0.75 * weights["adversarial"]
    torch.testing.assert_close(weights["mean"], expected)
    assert models["spectral"].config.head.contrast == 1.0
    assert models["mean"].config.head.contrast == 1.2
    files = [tmp_path / name / "model" / "discriminators.safetensors" for name in ("adversarial", "mean")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_stopped_in_a_stage_and_resumed(run_training, start_training, stop_training, mapping, tmp_path) -> None:
    """SIGTERM ends the training within its stage and says so; the same command then runs all stages to the end."""
    mapping["stages"] = STAGES | {"spectral": {"set": {"losses.pretrain_steps": 100_000, "run.max_steps": 100_000}}}
    process = start_training(mapping, tmp_path)
    output = stop_training(process, tmp_path / "spectral" / "last.ckpt")
    assert "Stopped and saved. Run the same command to continue." in output
    assert not (tmp_path / "adversarial").exists()
    step = read_pickle(tmp_path / "spectral" / "last.ckpt")["generator_step"]
    mapping["stages"] = STAGES | {"spectral": {"set": {"losses.pretrain_steps": step, "run.max_steps": step + 2}}}
    run_training(mapping, tmp_path)
    assert read_pickle(tmp_path / "spectral" / "last.ckpt")["generator_step"] == step + 2
    assert Vocos.from_pretrained(tmp_path / "both" / "model").provenance["steps"] == step + 2


def test_init_from_is_the_first_stages(mapping, tmp_path) -> None:
    """Later stages start from the one before them, unless they set init_from."""
    mapping["run"]["init_from"] = "vocos-mel-22khz-small"
    mapping["stages"] = {"a": {}, "b": {}, "c": {"set": {"run.init_from": "elsewhere"}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(mapping, sort_keys=False))
    stages = read_stages(tmp_path / "config.yaml")
    assert [stage.config.run.init_from for stage in stages] == ["vocos-mel-22khz-small", None, "elsewhere"]


def test_half_way_back_to_where_it_began(run_training, make_mapping, tmp_path) -> None:
    """A mean may include the checkpoint that the first stage started from, by its name."""
    run_training(make_mapping(run__max_steps=2, losses__pretrain_steps=2), tmp_path / "donor")
    donor = str(tmp_path / "donor" / "model")
    mapping = make_mapping(run__max_steps=3, losses__pretrain_steps=3, run__init_from=donor)
    mapping["stages"] = {"tuned": {}, "half-way": {"mean": {donor: 0.5, "tuned": 0.5}}}
    run_training(mapping, tmp_path / "run")
    models = (donor, tmp_path / "run" / "tuned" / "model", tmp_path / "run" / "half-way" / "model")
    before, tuned, half_way = (Vocos.from_pretrained(model).head.out.weight for model in models)
    assert not torch.equal(tuned, before)
    torch.testing.assert_close(half_way, (before + tuned) / 2)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([], "stages: expected a mapping of names to stages, got []"),
        ({"a": {"sets": {}}}, "stage a: unknown key 'sets'; did you mean 'set'?"),
        ({"a": {"set": {"run.max_step": 3}}}, "stage a: run: unknown key 'max_step'; did you mean 'max_steps'?"),
        ({"a": {"set": {"run.max_steps.x": 3}}}, "stage a: cannot set run.max_steps.x: run.max_steps is not a section"),
        ({"a": {"mean": {"b": 1.0}}, "b": {}}, "stage a: mean of earlier stages: unknown key 'b'"),
        ({"a": {}, "b": {"mean": {"a": 0.7}}}, "stage b: the shares must sum to 1, got {'a': 0.7}"),
        ({"a": {}, "b": {"mean": {"a": "all"}}}, "stage b: mean.a must be a number, got 'all'"),
        ({"a": {}, "b": {"mean": {"a": math.nan}}}, "stage b: mean.a must be a number, got nan"),
        ({"a": {}, "b": {"mean": {"a": True}}}, "stage b: mean.a must be a number, got True"),
        *(({name: {}}, f"stage {shown(name)}: the name must be valid as a folder name") for name in UNSAFE_NAMES),
    ],
)
def test_invalid_stages_are_refused(make_mapping, tmp_path, stages, message) -> None:
    """The message names the file and the stage, before anything is trained."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(make_mapping(run__max_steps=5) | {"stages": stages}, sort_keys=False))
    with pytest.raises(ConfigError) as caught:
        read_stages(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_models_of_other_sizes_have_no_mean(make_mapping, tmp_path) -> None:
    """A mean of the layers that fit would be silently wrong."""
    from vocos_plugins.training.config import TrainingConfig

    small, large = (TrainingConfig.from_dict(make_mapping(model__backbone__dim=dim)).model for dim in (16, 24))
    for name, config in (("a", small), ("b", large)):
        Vocos(config).save_pretrained(tmp_path / name)
    with pytest.raises(ConfigError, match=r"b has other sizes"):
        save_mean(small, {str(tmp_path / "a"): 0.5, str(tmp_path / "b"): 0.5}, tmp_path / "mean")


def test_mutated_files(mapping, tmp_path) -> None:
    """Whatever is wrong with a training's file, the message says it."""
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(mapping, sort_keys=False))
    attack([tmp_path / "recipe.yaml"], read_stages, seconds=6)
