"""Training by its command: it learns, stops on SIGTERM, and resumes exactly where it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vocos_plugins import Vocos
from vocos_plugins.storage.safe_files import read_pickle
from vocos_plugins.training.losses import MelLoss

# The project's promise for a resumed run on a CPU.
RESUMED = 1e-5
# Gradients of two half batches are averaged in another order than those of one; Adam magnifies differences near zero.
TWO_PROCESSES = 2e-3


def largest_difference(first: Path, second: Path) -> float:
    """Returns the largest difference over all weights and averages of two runs."""
    a, b = (read_pickle(run / "last.ckpt")["state_dict"] for run in (first, second))
    assert a.keys() == b.keys()
    return max(float((a[key] - b[key]).abs().max()) for key in a)


def mel_distance(vocos: Vocos, clips: Path) -> float:
    """Returns the mel distance of copy synthesis of the clips."""
    from vocos_plugins.storage.audio import read_blocks

    loss = MelLoss(16000, [(512, 128, 40)])
    audio = torch.cat([torch.cat(list(read_blocks(path, 16000)), dim=1) for path in sorted(clips.glob("*.wav"))])
    return float(loss(vocos(audio, length=audio.shape[1]), audio))


def test_learns_on_a_folder_of_two_clips(run_training, make_mapping, clips, tmp_path) -> None:
    """The mel distance falls by half within 200 steps; discriminators join half-way; the model loads."""
    mapping = make_mapping(run__max_steps=200, losses__pretrain_steps=100, data__num_workers=1)
    run_training(mapping, tmp_path)
    trained = Vocos.from_pretrained(tmp_path / "model")
    torch.manual_seed(0)
    untrained = Vocos(trained.config)
    assert trained.provenance["steps"] == 200
    assert mel_distance(trained, clips) < 0.5 * mel_distance(untrained, clips)


def test_stopped_and_resumed_equals_run_through(
    run_training, start_training, stop_training, make_mapping, tmp_path
) -> None:
    """SIGTERM saves and exits with 0; the same command resumes, and ends within 1e-5 of an uninterrupted run."""
    mapping = make_mapping(run__max_steps=80, run__save_every=10, losses__pretrain_steps=4, data__num_workers=1)
    process = start_training(mapping, tmp_path / "broken")
    stop_training(process, tmp_path / "broken" / "last.ckpt")
    stopped = read_pickle(tmp_path / "broken" / "last.ckpt")["generator_step"]
    assert 10 <= stopped < 80
    mapping = make_mapping(run__max_steps=80, losses__pretrain_steps=4)
    run_training(mapping, tmp_path / "broken")
    run_training(mapping, tmp_path / "whole")
    assert read_pickle(tmp_path / "broken" / "last.ckpt")["generator_step"] == 80
    assert largest_difference(tmp_path / "broken", tmp_path / "whole") < RESUMED
    assert not list(tmp_path.rglob("*.part"))


def test_two_processes_train_as_one_with_both_batches(run_training, make_mapping, tmp_path) -> None:
    """Distributed data parallel on two CPU processes has the same crops and the same averaged gradients."""
    options = {"run__max_steps": 6, "losses__pretrain_steps": 2, "optimization__learning_rate": 1e-4}
    run_training(make_mapping(**options, data__batch_size=2, run__devices=2), tmp_path / "two")
    run_training(make_mapping(**options, data__batch_size=4), tmp_path / "one")
    assert largest_difference(tmp_path / "two", tmp_path / "one") < TWO_PROCESSES


def test_bfloat16_trains(run_training, make_mapping, tmp_path) -> None:
    """Matrix products run in bfloat16; weights, losses and the inverse FFT stay in float32."""
    run_training(make_mapping(run__max_steps=3, run__precision="bf16-mixed", losses__phase=1.0), tmp_path)
    weights = read_pickle(tmp_path / "last.ckpt")["state_dict"]
    assert all(value.dtype == torch.float32 and bool(torch.isfinite(value).all()) for value in weights.values())


def test_a_run_that_is_done_does_nothing(run_training, make_mapping, tmp_path) -> None:
    """The same command again ends at once and changes nothing."""
    run_training(make_mapping(run__max_steps=2), tmp_path)
    before = (tmp_path / "last.ckpt").stat().st_mtime_ns
    run_training(make_mapping(run__max_steps=2), tmp_path)
    assert (tmp_path / "last.ckpt").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"run__max_step": 5}, "run: unknown key 'max_step'; did you mean 'max_steps'?"),
        ({"data__train": ["nowhere"]}, "nowhere"),
        ({"optimization__betas": [0.9]}, "betas must be two numbers"),
    ],
)
def test_a_wrong_configuration_is_reported_plainly(start_training, make_mapping, tmp_path, changes, expected) -> None:
    """The exit code is 2, and there is no traceback."""
    process = start_training(make_mapping(**changes), tmp_path)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 2, output
    assert expected in " ".join(output.split())
    assert "Traceback" not in output
