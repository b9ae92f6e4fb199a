"""Only plain tensors by name are loaded: what else a file may hold is refused with its name, in one line."""

from __future__ import annotations

import pytest
import torch
import yaml

from vocos_plugins import Vocos
from vocos_plugins.storage.convert import read_training_checkpoint
from vocos_plugins.storage.names import is_safe_path
from vocos_plugins.storage.safe_files import CheckpointError

WEIGHT = "head.out.weight"
VALUES = {
    "sparse": torch.Tensor.to_sparse,
    "csr": torch.Tensor.to_sparse_csr,
    "meta": lambda value: value.to("meta"),
    "quantized": lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8),
    "nested": lambda value: torch.nested.nested_tensor([value]),
    "complex": lambda value: value.to(torch.complex64),
    "integers": lambda value: value.to(torch.int8),
    "booleans": lambda value: value > 0,
}


@pytest.fixture
def model(make_model) -> Vocos:
    """A small model."""
    return make_model()


def refused(model: Vocos, weights: dict, folder) -> None:
    """Asserts that weights are refused in a checkpoint and in a training's."""
    model.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    torch.save({"state_dict": weights}, folder / "last.ckpt")
    with pytest.raises(CheckpointError) as first:
        Vocos.from_pretrained(folder)
    with pytest.raises(CheckpointError) as second:
        Vocos.from_checkpoint(read_training_checkpoint(folder / "last.ckpt", folder / "config.yaml"))
    for caught in (first, second):
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")  # of torch, about prototypes
@pytest.mark.parametrize("kind", VALUES)
def test_other_values_are_refused(model, tmp_path, kind) -> None:
    """Sparse, quantized, nested, meta and not floating point."""
    weights = model.state_dict()
    refused(model, weights | {WEIGHT: VALUES[kind](weights[WEIGHT])}, tmp_path / "model")


@pytest.mark.parametrize("key", [3, None, b"bytes", (1, 2), True, 1.5])
def test_other_names_are_refused(model, tmp_path, key) -> None:
    """Keys that are no text."""
    refused(model, model.state_dict() | {key: torch.zeros(1)}, tmp_path / "model")


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_taken(model, tmp_path, dtype) -> None:
    """Floating point of any width is converted."""
    weights = model.state_dict()
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(weights | {WEIGHT: weights[WEIGHT].to(dtype)}, tmp_path / "pytorch_model.bin")
    expected = weights[WEIGHT].to(dtype).float()
    torch.testing.assert_close(Vocos.from_pretrained(tmp_path).head.out.weight.data, expected)


@pytest.mark.parametrize("value", ["2020-01-01", "9" * 400, "-" + "9" * 400, "9" * 5000, "1:" * 200 + "1", "!!set {a}"])
@pytest.mark.parametrize("key", ["format", "provenance", "features", "sample_rate", "f_max", "name"])
def test_odd_values_in_yaml(model, tmp_path, key, value) -> None:
    """Timestamps, and numbers of any length, in any place of a configuration."""
    model.save_pretrained(tmp_path)
    mapping = yaml.safe_load((tmp_path / "config.yaml").read_text())
    (mapping if key in ("format", "provenance", "features") else mapping["features"])[key] = "ODD"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(mapping).replace("ODD", value))
    with pytest.raises(CheckpointError, match=r"config\.yaml"):
        Vocos.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/../../b", "/a", "a\0", "a\ud800", "a" * 256, "b/" + "a" * 256]
)
def test_paths_that_leave_their_folder(name) -> None:
    """Or that no file can have."""
    assert not is_safe_path(name)


@pytest.mark.parametrize("name", ["a", "a/b", "12:30", "a..b", "speaker.12", "\udce9", ".a", "a" * 255])
def test_paths_of_users_own_files(name) -> None:
    """Any characters that a file's name may have on this system."""
    assert is_safe_path(name)
