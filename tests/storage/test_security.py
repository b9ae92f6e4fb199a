"""Nothing in a checkpoint is ever executed."""

from __future__ import annotations

import itertools
import os
import pickle
import types
from pathlib import Path

import pytest
import torch
import yaml

from helpers.checkpoints import convert, load_float32
from vocos_plugins.storage.safe_files import CheckpointError, read_yaml


class Bomb:
    """An object whose unpickling creates a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def marker(tmp_path) -> Path:
    """A path that exists only if code from a checkpoint has run."""
    return tmp_path / "executed"


@pytest.fixture
def directory(make_model, tmp_path) -> Path:
    """A checkpoint directory without its weights."""
    make_model().save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "model.safetensors").unlink()
    return tmp_path / "saved"


def test_the_bomb_works(marker) -> None:
    """Plain unpickling runs the code, so the tests below would notice it."""
    pickle.loads(pickle.dumps(Bomb(marker)))  # noqa: S301 - an object of this test
    assert marker.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_malicious_state_dict(zipped, directory, marker) -> None:
    """A pickle that runs a command is refused by name, in both of torch's file formats."""
    content = {"head.out.bias": torch.zeros(66), "backbone": Bomb(marker)}
    torch.save(content, directory / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin was refused.*mkdir.*Nothing in it was executed"):
        load_float32(directory)
    assert not marker.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_bare_pickle(protocol, directory, marker) -> None:
    """A pickle without torch's wrapping is refused, in any protocol."""
    (directory / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Bomb(marker)}, protocol=protocol))
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin.* in it was executed"):
        load_float32(directory)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_pickle_behind_either_name(name, directory, marker) -> None:
    """A .safetensors file is never tried as a pickle."""
    (directory / name).write_bytes(pickle.dumps(Bomb(marker), protocol=2))
    with pytest.raises(CheckpointError, match=name):
        load_float32(directory)
    assert not marker.exists()


def test_safetensors_header_that_lies(directory) -> None:
    """A header longer than the file, or one that points outside it, is an error."""
    for content in (
        b"\xff" * 8 + b"{}",
        (60).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}',
    ):
        (directory / "model.safetensors").write_bytes(content)
        with pytest.raises(CheckpointError, match="damaged"):
            load_float32(directory)


def test_objects_other_than_tensors(directory) -> None:
    """Harmless classes are refused too: there is no list of harmless ones to get wrong."""
    torch.save({"options": types.SimpleNamespace(a=1)}, directory / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="SimpleNamespace"):
        load_float32(directory)


def test_a_whole_module(directory) -> None:
    """A file of ``torch.save(model)`` is refused, with the class named."""
    torch.save(torch.nn.Linear(2, 2), directory / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"was refused.*Linear"):
        load_float32(directory)


@pytest.mark.parametrize("content", [torch.zeros(3), {"state_dict": {}}, {"a": 1}, [1, 2]])
def test_plain_values_that_are_no_state_dict(content, directory) -> None:
    """Values that torch loads safely, but that are no state dict, are refused."""
    torch.save(content, directory / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="expected a state dict of tensors"):
        load_float32(directory)


def test_malicious_training_checkpoint(publish, make_config, marker, tmp_path) -> None:
    """Conversion refuses a pickle that runs code."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(publish(make_config())))
    torch.save({"state_dict": {}, "hyper_parameters": Bomb(marker)}, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"last\.ckpt was refused"):
        convert(tmp_path / "last.ckpt", tmp_path / "config.yaml", tmp_path / "out")
    assert not marker.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", ["feature_extractor", "backbone", "head"])
def test_a_configuration_names_no_code(where, directory, publish, make_config, marker) -> None:
    """A class_path in a configuration is not imported, let alone called."""
    mapping = publish(make_config())
    mapping[where] = {"class_path": "os.mkdir", "init_args": {"path": str(marker)}}
    (directory / "config.yaml").write_text(yaml.safe_dump(mapping))
    with pytest.raises(CheckpointError, match=r"'os\.mkdir'"):
        load_float32(directory)
    assert not marker.exists()


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir", "!!python/name:os.mkdir"]
)
def test_yaml_tags_build_nothing(tag, directory, marker) -> None:
    """YAML tags that would run code are refused."""
    (directory / "config.yaml").write_text(f"features: {tag} [{marker}]\n")
    with pytest.raises(CheckpointError, match=r"config\.yaml is not valid YAML"):
        load_float32(directory)
    assert not marker.exists()


@pytest.mark.parametrize("anchors", ["a: &a [*a]", "bomb"])
def test_yaml_aliases_do_not_multiply(anchors, directory) -> None:
    """Nested aliases for 10^9 values, and an alias that contains itself, are refused at once."""
    if anchors == "bomb":
        levels = "abcdefghi"
        anchors = "a: &a [0,0,0,0,0,0,0,0,0,0]\n" + "\n".join(
            f"{name}: &{name} [{','.join([f'*{below}'] * 10)}]" for below, name in itertools.pairwise(levels)
        )
    (directory / "config.yaml").write_text(f"{anchors}\nfeatures: *{anchors.splitlines()[-1][0]}\n")
    with pytest.raises(CheckpointError, match=r"config\.yaml.* (values|valid YAML)"):
        load_float32(directory)


def test_yaml_merge_keys_do_not_multiply(directory) -> None:
    """Nested merge keys for 10^9 keys, in half a kilobyte, are refused before they are expanded."""
    levels = [f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}]}}" for level in range(1, 10)]
    pairs = ", ".join(f"k{key}: 0" for key in range(10))
    (directory / "config.yaml").write_text("\n".join([f"a0: &a0 {{{pairs}}}", *levels]))
    with pytest.raises(CheckpointError, match=r"its aliases add more than 100000 values"):
        load_float32(directory)


def test_yaml_keys_appear_once(directory) -> None:
    """A repeated key is refused (PyYAML would keep the last); a key from a merge key may be overridden."""
    (directory / "config.yaml").write_text("head: {n_fft: 512}\nfeatures: {}\nhead: {n_fft: 1024}\n")
    with pytest.raises(CheckpointError, match=r"config\.yaml is not valid YAML: the key 'head' appears.*\n.*line 3"):
        read_yaml(directory / "config.yaml")
    (directory / "config.yaml").write_text("head: &a {n_fft: 512}\nother: {<<: *a, n_fft: 1024}\n")
    assert read_yaml(directory / "config.yaml")["other"] == {"n_fft": 1024}


def test_deeply_nested_yaml(directory) -> None:
    """YAML nested too deeply for the parser is refused."""
    (directory / "config.yaml").write_text("features: " + "[" * 100_000)
    with pytest.raises(CheckpointError, match=r"config\.yaml is not valid YAML"):
        load_float32(directory)
