"""The training module: inputs of a step, logged values, and trained parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vocos_plugins.training.callbacks import Checkpoints
from vocos_plugins.training.config import TrainingConfig
from vocos_plugins.training.module import VocosTraining
from vocos_plugins.training.run import build_trainer, train


@pytest.fixture
def make_module(make_mapping):
    """Makes a module of the small run with some values changed."""
    return lambda **changes: VocosTraining(TrainingConfig.from_dict(make_mapping(**changes)))


def test_jittered_mels_vary_by_the_step_alone(make_module, noise) -> None:
    """Guard and framing change from step to step, equally in a resumed run, and features match their audio."""
    module = make_module(run__jitter_guard=True, run__jitter_framing=0.5)
    audio = 0.1 * noise(2, 4096)
    first, again, other = (module.inputs.train(module.vocos, audio, step) for step in (3, 3, 4))
    assert torch.equal(first.features, again.features)
    assert first.features.shape != other.features.shape or not torch.equal(first.features, other.features)
    for given in (first, other):
        fake = module.vocos.synthesize(given.features)
        assert abs(fake.shape[1] - given.audio.shape[1]) <= module.vocos.hop_length
        shift = audio.shape[1] - given.audio.shape[1]
        assert 0 <= shift <= module.vocos.hop_length // 2
        assert torch.equal(given.audio, audio[:, : audio.shape[1] - shift])


def test_without_jitter_the_mel_is_the_model_s(make_module, noise) -> None:
    """Without jitter, features equal the model's mel bit for bit."""
    module = make_module()
    audio = 0.1 * noise(2, 4096)
    assert torch.equal(module.inputs.train(module.vocos, audio, 0).features, module.vocos.feature_extractor(audio))


@pytest.mark.filterwarnings("ignore")  # of Lightning and TensorBoard
def test_tensorboard_gets_numbers_sound_and_pictures(make_mapping, clips: Path, tmp_path: Path) -> None:
    """Losses are logged by generator step, and the first validation clips as audio and spectrogram."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    changes = {"data__validation": [str(clips)], "data__validation_num_samples": 8000}
    config = TrainingConfig.from_dict(make_mapping(**changes, run__max_steps=4, run__validate_every=2))
    train(config, tmp_path)
    log = EventAccumulator(str(tmp_path / "log"), size_guidance={"images": 0, "audio": 0, "scalars": 0})
    log.Reload()
    tags = log.Tags()
    assert [event.step for event in log.Scalars("train/generator/mel")] == [1, 2, 3, 4]
    assert {"train/discriminator/period", "train/learning_rate", "validation/mel"} <= set(tags["scalars"])
    shown = {f"{clip}/{name}" for clip in range(2) for name in ("original", "copy")}
    assert shown <= set(tags["images"])
    assert shown <= set(tags["audio"])
    assert log.Audio("0/copy")[0].sample_rate == 16000
    assert [event.step for event in log.Images("0/copy")] == [2, 4]


def test_generator_s_gradients_leave_the_discriminators_alone(make_module, noise) -> None:
    """The generator's loss computes no gradients of the discriminators, and leaves them trainable."""
    from vocos_plugins.training.objective import Signals

    module = make_module()
    fake = (0.1 * noise(2, 4096, seed=2)).requires_grad_()
    loss, _ = module.objective._judge(Signals(0.1 * noise(2, 4096), fake, None))
    loss.backward()
    assert fake.grad is not None
    assert float(fake.grad.abs().max()) > 0
    for part in module.discriminators:
        assert all(parameter.grad is None and parameter.requires_grad for parameter in part.parameters())


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(
            {"run__accelerator": "cuda"}, marks=pytest.mark.skipif(torch.cuda.is_available(), reason="this machine can")
        ),
        {"run__accelerator": "abacus"},
        {"run__devices": -1},
        {"run__strategy": "alone"},
    ],
)
def test_hardware_that_is_not_there_is_named(make_mapping, tmp_path, options) -> None:
    """As a ValueError, which the command reports in a sentence; Lightning's own are of many classes."""
    config = TrainingConfig.from_dict(make_mapping(**options))
    run = config.run
    described = f"accelerator {run.accelerator!r}, devices {run.devices!r}, strategy {run.strategy!r}: "
    with pytest.raises(ValueError, match=f"run: this machine can't train with {described}"):
        build_trainer(config, tmp_path, Checkpoints(tmp_path, every=1, keep_every=None))
