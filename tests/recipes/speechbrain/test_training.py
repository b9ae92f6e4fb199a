"""Trainings by the documented command, in new processes: from scratch, stopped, resumed, fine-tuned."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from vocos_plugins import Vocos

pytestmark = pytest.mark.xdist_group("speechbrain")


def test_loss_falls(trained, losses):
    """A tiny model learns, and the best checkpoint is kept."""
    found = losses(trained)
    assert len(found) == 6  # epochs of 4 recordings
    assert found[-1] < 0.9 * found[0]
    assert len(list((trained / "save").glob("CKPT*"))) <= 2


def test_sigterm_then_resume_equals_an_unbroken_run(start, finish_process, train, trained, tmp_path, losses):
    """After SIGTERM in an epoch, also to the loader's process, the run resumes and ends with bit-identical weights."""
    out = tmp_path / "run"
    process = start(out, max_steps=24, train_dataloader_opts="{num_workers: 1}")
    before = next((line for line in process.stdout if "SIGTERM saves" in line), "")
    assert before, process.wait()
    os.killpg(process.pid, signal.SIGTERM)
    output = finish_process(process)
    assert "SIGTERM: the state is saved" in output
    assert not losses(out)
    train(out, max_steps=24)
    assert losses(out) == losses(trained)
    found, expected = (Vocos.from_pretrained(folder / "model").state_dict() for folder in (out, trained))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)


def test_a_run_that_ends_in_an_epoch_ends(train, tmp_path):
    """Its loader's processes, which block SIGTERM, don't keep it from ending."""
    train(tmp_path / "run", max_steps=5, train_dataloader_opts="{num_workers: 1}")
    assert Vocos.from_pretrained(tmp_path / "run" / "model").provenance["steps"] in (4, 5)


def test_fine_tuning_starts_from_the_checkpoint(train, trained, tmp_path, losses):
    """With `init_from`, a run starts where another ended, including its discriminators."""
    output = train(tmp_path / "run", init_from=trained / "model", max_steps=4, learning_rate=0.0001)
    assert "random weights" not in output
    assert losses(tmp_path / "run")[0] < 0.95 * losses(trained)[0]


def test_each_form_of_a_checkpoint_starts_a_run(recipe_module, trained):
    """A run starts from another's model, SpeechBrain vocoder or CKPT folder; only the model has discriminators."""
    from vocos_plugins.training.discriminator_sizes import Discriminators
    from vocos_plugins.training.objective import Objective
    from vocos_plugins.training.schedule import LossWeights

    start_from = recipe_module("models").start_from
    expected = Vocos.from_pretrained(trained / "model")
    small = Discriminators(period_channels=(4, 8), resolution_channels=4, periods=(2, 3), n_ffts=(256, 512))
    checkpoint = max((trained / "save").glob("CKPT*"))
    for source in (trained / "model", trained / "speechbrain", checkpoint):
        vocos, objective = Vocos(expected.config), Objective(expected.config, small, LossWeights())
        notes = start_from(str(source), vocos, objective)
        assert bool(notes) == (source != trained / "model")
        if source != checkpoint:  # which has the last step's weights, not averaged ones
            for name, value in expected.state_dict().items():
                torch.testing.assert_close(vocos.state_dict()[name], value, rtol=0, atol=0)
    with pytest.raises(ValueError, match="vocos-mel-22khz-small has another architecture"):
        start_from("vocos-mel-22khz-small", vocos, objective)


def test_two_processes_in_mixed_precision(train, tmp_path, losses):
    """With torchrun, gloo and bfloat16, the loss falls, and weights are saved under their plain names."""
    out = tmp_path / "run"
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    output = train(out, "vocos.yaml", launcher, max_steps=8, distributed_backend="gloo", precision="bf16")
    assert "--precision=bf16" in output
    assert losses(out)[-1] < losses(out)[0]
    assert Vocos.from_pretrained(out / "model").provenance["steps"] <= 8


def test_a_training_set_without_a_whole_batch_is_refused(refuse, tmp_path):
    """Its epochs would be empty and never end."""
    assert "4 recordings to train on are fewer than batch_size" in refuse(tmp_path / "run", batch_size=5)


def test_options_without_meaning_are_refused(recipe_module, recipe, tmp_path):
    """A misspelt name, which SpeechBrain would accept as new, is refused, and so is gradient accumulation."""
    load = recipe_module("hyperparameters").load_hyperparameters
    given = f"data_folder: x\noutput_folder: {tmp_path}\n"
    with pytest.raises(KeyError, match="max_step"):
        load(recipe / "hparams" / "finetune.yaml", given + "max_step: 3")
    hparams = load(recipe / "hparams" / "finetune.yaml", given)
    with pytest.raises(ValueError, match="two networks take turns"):
        recipe_module("brain").VocosBrain(
            hparams=hparams, run_opts={"grad_accumulation_factor": 2, "device": "cpu"}, checkpointer=None
        )
