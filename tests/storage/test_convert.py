"""Converting training checkpoints of the reference package to directories for inference."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from helpers.checkpoints import convert, load_float32
from vocos_plugins.storage.safe_files import CheckpointError

# The same float32 weights through the same layers; the transforms round differently in the last digits.
TOLERANCE = 1e-5
KINDS = [
    ("mel", "convnext", "istft", "center"),
    ("mel", "resnet", "istft", "center"),
    ("mel", "convnext", "imdct-symexp", "same"),
    ("encodec-24khz", "adanorm", "istft", "same"),
]


@pytest.fixture(scope="module")
def trained(make_config, make_reference, randomize):
    """Makes a reference generator and a checkpoint of its Lightning module."""
    from vocos.discriminators import MultiPeriodDiscriminator, MultiResolutionDiscriminator
    from vocos.loss import MelSpecReconstructionLoss

    def train(*kind: str) -> tuple[nn.Module, dict]:
        generator = randomize(make_reference(make_config(*kind)))
        parts = {
            "multiperioddisc": MultiPeriodDiscriminator(),
            "multiresddisc": MultiResolutionDiscriminator(),
            "melspec_loss": MelSpecReconstructionLoss(sample_rate=24000),
        }
        state_dict = dict(generator.state_dict())
        for name, module in parts.items():
            state_dict |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
        return generator, {
            "epoch": 1,
            "global_step": 2468,
            "pytorch-lightning_version": "1.8.6",
            "state_dict": state_dict,
            "optimizer_states": [{"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 5e-4}]}],
            "lr_schedulers": [],
            "hyper_parameters": {"sample_rate": 24000, "initial_learning_rate": 5e-4},
        }

    return train


@pytest.fixture
def files(publish, as_training, make_config, tmp_path):
    """Writes a checkpoint with its training YAML; returns both paths and the output path."""

    def write(checkpoint: object, *kind: str) -> tuple[Path, Path, Path]:
        torch.save(checkpoint, tmp_path / "last.ckpt")
        (tmp_path / "vocos.yaml").write_text(yaml.safe_dump(as_training(publish(make_config(*kind)))))
        return tmp_path / "last.ckpt", tmp_path / "vocos.yaml", tmp_path / "out"

    return write


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_converted_model_decodes_like_the_reference(kind, trained, files, noise, relative_error) -> None:
    """The converted generator equals the reference; discriminators, losses and EnCodec are left out."""
    generator, checkpoint = trained(*kind)
    paths = files(checkpoint, *kind)
    convert(*paths)
    model = load_float32(paths[2])
    features = noise(2, model.config.n_features, 11)
    conditioned = model.config.n_bandwidths is not None
    expected = generator.decode(features, **({"bandwidth_id": torch.tensor([2])} if conditioned else {}))
    audio = model.decode(features, bandwidth_id=2 if conditioned else None)
    assert relative_error(audio, expected) < TOLERANCE


def test_provenance(trained, files) -> None:
    """The file's name and the number of steps are kept."""
    paths = files(trained()[1])
    convert(*map(str, paths))
    assert load_float32(paths[2]).provenance == {"converted_from": "last.ckpt", "steps": 2468}


def test_plain_state_dict(trained, files, noise) -> None:
    """A generator's plain state dict can be converted too."""
    generator, _ = trained()
    paths = files(generator.state_dict())
    convert(*paths)
    assert load_float32(paths[2]).provenance == {"converted_from": "last.ckpt"}


def test_published_configuration(trained, files, publish, make_config) -> None:
    """The published form of the YAML can be used too."""
    paths = files(trained()[1])
    paths[1].write_text(yaml.safe_dump(publish(make_config())))
    convert(*paths)
    assert load_float32(paths[2]).config == make_config()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("head.out.weight"), r"head\.out\.weight\) missing"),
        (lambda weights: weights.update({"ema.decay": torch.zeros(1)}), r"ema\.decay\) unexpected"),
        (lambda weights: weights.update({"steps": 3}), "'steps' is"),
    ],
)
def test_keys_that_do_not_fit(change, message, trained, files) -> None:
    """A missing or unknown key stops the conversion before anything is written."""
    checkpoint = trained()[1]
    change(checkpoint["state_dict"])
    paths = files(checkpoint)
    with pytest.raises(CheckpointError, match=message):
        convert(*paths)
    assert not paths[2].exists()


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": [1]}, torch.zeros(2)])
def test_not_a_checkpoint(content, files) -> None:
    """A file with other content is refused."""
    with pytest.raises(CheckpointError, match=r"last\.ckpt: expected"):
        convert(*files(content))


def test_objects_in_a_training_checkpoint(trained, files) -> None:
    """Objects that a user's module saved are refused; the error names the class and what to do."""
    checkpoint = trained()[1] | {"hyper_parameters": {"path": Path("data")}}
    with pytest.raises(CheckpointError, match=r"PosixPath.*save only the state dict"):
        convert(*files(checkpoint))


@pytest.mark.parametrize("missing", [0, 1])
def test_missing_files(missing, trained, files) -> None:
    """A missing file is named in the error."""
    paths = files(trained()[1])
    paths[missing].unlink()
    with pytest.raises(CheckpointError, match=paths[missing].name):
        convert(*paths)
