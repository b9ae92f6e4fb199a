"""Configurations and states of a run that hold anything else end a training with one line."""

from __future__ import annotations

import resource

import pytest
import torch
import yaml
from typer.testing import CliRunner

from vocos_plugins.apps.cli import app
from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.storage.safe_files import read_pickle
from vocos_plugins.training.config import TrainingConfig
from vocos_plugins.training.module import VocosTraining
from vocos_plugins.training.run import train
from vocos_plugins.training.stages import read_stages
from vocos_plugins.training.state import save_state

ODD = ("[1]", "3", "text", "2020-01-01", "{[1]: 2}", "9" * 400, ".nan", "true", "{1: 2}")
PLACES = ("run: @", "model: @", "data: @", "losses: @", "stages: @", "stages: {a: @}", "stages: {a: {set: @}}")
MORE_PLACES = ("stages: {a: {mean: @}}", "stages: {a: {set: {run: @}}}", "stages: {a: {set: {run.init_from: @}}}")


@pytest.mark.parametrize("place", [*PLACES, *MORE_PLACES])
def test_odd_values(make_mapping, tmp_path, place) -> None:
    """In every section, and in stages."""
    path, key = tmp_path / "t.yaml", place.partition(":")[0]
    rest = yaml.safe_dump({name: value for name, value in make_mapping().items() if name != key})
    for odd in ODD:
        if place == MORE_PLACES[-1] and odd == "text":
            continue  # the name of a checkpoint
        path.write_text(f"{rest}{place.replace('@', odd)}\n")
        with pytest.raises(ValueError, match=r"t\.yaml") as caught:
            read_stages(path)
        assert "\n" not in str(caught.value) or "YAML" in str(caught.value)
        result = CliRunner().invoke(app, ["train", str(path), "-o", str(tmp_path / "out")])
        assert result.exit_code == 2
        assert isinstance(result.exception, SystemExit)
    assert not (tmp_path / "out").exists()


def test_set_may_be_left_empty(make_mapping, tmp_path) -> None:
    """``set:`` without a value is said to be no mapping, not a crash."""
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(make_mapping()) + "stages: {a: {set: }}\n")
    with pytest.raises(ConfigError, match="set: expected a mapping"):
        read_stages(tmp_path / "t.yaml")


@pytest.mark.filterwarnings("ignore")  # of Lightning and TensorBoard
def test_odd_states(make_mapping, tmp_path) -> None:
    """Whatever ``last.ckpt`` holds, the training ends in words, and leaves it as it is."""
    config = TrainingConfig.from_dict(make_mapping(run__max_steps=1))
    train(config, tmp_path)
    last = tmp_path / "last.ckpt"
    state = read_pickle(last)
    longer = TrainingConfig.from_dict(make_mapping(run__max_steps=2))
    weights, optimizers = state["state_dict"], state["optimizers"]
    shapes = [{**each, "state": {key: {"exp_avg": torch.zeros(7)} for key in each["state"]}} for each in optimizers]
    odd = [
        [1],
        3,
        torch.zeros(2),
        {},
        state | {"generator_step": "x"},
        state | {"generator_step": None},
        state | {"state_dict": [1]},
        state | {"state_dict": {3: torch.zeros(1)}},
        state | {"state_dict": dict.fromkeys(weights, 1)},
        state | {"state_dict": {key: value.to_sparse() for key, value in weights.items()}},
        state | {"state_dict": {}},
        state | {"optimizers": 3},
        state | {"optimizers": []},
        state | {"optimizers": [3, 3]},
        state | {"optimizers": [{}, {}]},
        state | {"optimizers": shapes},
    ]
    for content in odd:
        torch.save(content, last)
        before = last.read_bytes()
        with pytest.raises(ValueError, match=r"last\.ckpt"):
            train(longer, tmp_path)
        assert last.read_bytes() == before


def test_a_disk_that_is_full(make_mapping, tmp_path) -> None:
    """A state that can't be written whole is an OSError, and the one before stays."""
    module = VocosTraining(TrainingConfig.from_dict(make_mapping()))
    (tmp_path / "last.ckpt").write_bytes(b"before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"last\.ckpt|File too large"):
            save_state(module, [], tmp_path / "last.ckpt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    assert (tmp_path / "last.ckpt").read_bytes() == b"before"
