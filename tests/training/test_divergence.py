"""A training that diverges ends, names the step and the value, and keeps its last finite state."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from vocos_plugins import Vocos
from vocos_plugins.apps.cli.app import app
from vocos_plugins.storage.safe_files import read_pickle
from vocos_plugins.training.config import TrainingConfig
from vocos_plugins.training.divergence import DivergenceError, check_gradients, check_losses, check_weights
from vocos_plugins.training.module import VocosTraining
from vocos_plugins.training.run import train

pytestmark = pytest.mark.filterwarnings("ignore")  # of Lightning and TensorBoard


def is_finite(run: Path) -> bool:
    """Whether a run's state is; its model is loaded, which refuses NaN."""
    Vocos.from_pretrained(run / "model")
    return all(bool(value.isfinite().all()) for value in read_pickle(run / "last.ckpt")["state_dict"].values())


@pytest.mark.parametrize("pretrain_steps", [0, 100])
def test_a_diverged_training_keeps_its_last_finite_state(make_mapping, tmp_path, pretrain_steps) -> None:
    """With a rate that is far too high, and a save at each step: before, the last save was NaN, and it said Done."""
    changes = {"optimization__learning_rate": 1e30, "optimization__warmup_steps": 0, "run__save_every": 1}
    mapping = make_mapping(**changes, run__max_steps=8, losses__pretrain_steps=pretrain_steps)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(mapping))
    result = CliRunner().invoke(app, ["train", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "run")])
    assert result.exit_code == 1, result.output
    assert "the training has diverged at step 2: " in result.stderr
    assert "Done" not in result.stdout
    assert read_pickle(tmp_path / "run" / "last.ckpt")["generator_step"] == 1
    assert is_finite(tmp_path / "run")


def test_a_gradient_that_is_not_finite_stops_before_the_step(make_mapping, tmp_path, monkeypatch) -> None:
    """All losses are finite; nothing was saved so far, so the state before the step is."""
    backward, steps = VocosTraining.manual_backward, []

    def spoil(module, loss):
        backward(module, loss)
        steps.append(loss)
        if len(steps) == 3:
            module.vocos.head.out.bias.grad[5] = float("nan")

    monkeypatch.setattr(VocosTraining, "manual_backward", spoil)
    config = TrainingConfig.from_dict(make_mapping(run__max_steps=8, losses__pretrain_steps=100))
    with pytest.raises(
        DivergenceError, match=r"at step 3: the gradient of head\.out\.bias holds NaN or infinite values\. "
    ):
        train(config, tmp_path)
    assert read_pickle(tmp_path / "last.ckpt")["generator_step"] == 2
    assert is_finite(tmp_path)


def test_what_is_named() -> None:
    """Losses by their values; three names at most."""
    with pytest.raises(DivergenceError, match=r"at step 7: a is nan, c is -inf\. What was saved"):
        check_losses({"a": torch.tensor(float("nan")), "b": torch.ones(()), "c": torch.tensor(-torch.inf)}, 7)
    part = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(3)))
    check_weights(part, 1)
    check_gradients(part, {}, 1)
    part(torch.full((1, 2), torch.inf)).sum().backward()
    with pytest.raises(DivergenceError, match="at step 1: mel is inf"):
        check_gradients(part, {"mel": torch.tensor(torch.inf)}, 1)
    torch.nn.utils.vector_to_parameters(torch.full((18,), torch.nan), part.parameters())
    with pytest.raises(
        DivergenceError, match=r"0\.weight holds NaN or infinite values, 0\.bias .*, 1\.weight .* and 3 more"
    ):
        check_weights(part, 1)
