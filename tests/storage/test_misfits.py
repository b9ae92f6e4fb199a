"""Checkpoint directories that are damaged or inconsistent: every error names the file and the problem."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from helpers.checkpoints import load_float32
from vocos_plugins import Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig
from vocos_plugins.storage.cards import LANGTECH_22KHZ
from vocos_plugins.storage.safe_files import CheckpointError


def change_weights(directory: Path, change) -> None:
    """Replaces the stored tensors by the result of a function, or by what it changed in place."""
    weights = load_file(directory / "model.safetensors")
    changed = change(weights)
    save_file(changed if isinstance(changed, dict) else weights, directory / "model.safetensors")


@pytest.mark.parametrize("name", ["config.yaml", "model.safetensors"])
def test_missing_file(name, saved) -> None:
    """The error names the missing file."""
    (saved[1] / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load_float32(saved[1])


@pytest.mark.parametrize("name", ["config.yaml", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe garbage: [", b"text"])
def test_damaged_file(name, content, saved) -> None:
    """An empty file, binary rubbish and text end in an error that names the file."""
    (saved[1] / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        load_float32(saved[1])


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.999])
def test_truncated_weights(suffix, kept, saved, make_model) -> None:
    """A download that was cut off is recognized, wherever it was cut."""
    path = saved[1] / f"{'model' if suffix == '.safetensors' else 'pytorch_model'}{suffix}"
    if suffix == ".bin":
        (saved[1] / "model.safetensors").unlink()
        torch.save(make_model().state_dict(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(CheckpointError, match=rf"{path.name}.* damaged"):
        load_float32(saved[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2"),
        ({"extra": 1}, "extra"),
        ({"features": None}, "features"),
        ({"head": {"kind": "os.system"}}, "os.system"),
        ({"provenance": "mine"}, "provenance"),
    ],
)
def test_configuration_errors(change, message, saved) -> None:
    """Whatever is wrong in config.yaml, the error names the file and the key."""
    path = saved[1] / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    with pytest.raises(CheckpointError, match=rf"config\.yaml.*{message}"):
        load_float32(saved[1])


@pytest.mark.parametrize("change", [{"dim": -1}, {"num_layers": -1}, {"dim": 10**9}, {"dim": 10**30}])
def test_impossible_sizes(change, saved) -> None:
    """Sizes that no model can have, or no machine can hold, end in an error that names the file."""
    path = saved[1] / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["backbone"].update(change)
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(CheckpointError, match=str(saved[1])):
        load_float32(saved[1])


def test_missing_keys_are_named(saved) -> None:
    """A single missing key is named."""
    change_weights(saved[1], lambda weights: weights.pop("head.out.bias"))
    with pytest.raises(CheckpointError, match=r"1 key \(head\.out\.bias\) missing"):
        load_float32(saved[1])


def test_unexpected_keys_are_named(saved) -> None:
    """Of many keys, the error names the first few and their number."""
    change_weights(saved[1], lambda weights: weights.update({f"other.{i}": torch.zeros(1) for i in range(9)}))
    with pytest.raises(CheckpointError, match=r"9 keys \(other\.0, .* and 4 more\) unexpected"):
        load_float32(saved[1])


@pytest.mark.parametrize(
    ("rename", "wrapper"),
    [
        (lambda key: f"module._orig_mod.{key}", "'_orig_mod.', which torch.compile"),
        (lambda key: key.replace("backbone.", "backbone._orig_mod."), "'_orig_mod.', which torch.compile"),
        (lambda key: f"ema.{key}" if "head" in key else key, "'ema.', which an averaged model"),
    ],
)
def test_names_that_a_wrapper_changed(rename, wrapper, saved) -> None:
    """Its part of the names is named, and what to do."""
    change_weights(saved[1], lambda weights: {rename(key): value for key, value in weights.items()})
    with pytest.raises(CheckpointError, match=f"would fit without {wrapper}.* adds: save the state dict of the model"):
        load_float32(saved[1])


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "generator.", "ema.", "vocos."])
def test_a_part_before_all_names_is_left_out(prefix, saved, noise) -> None:
    """It is named in a warning, and the model is the same."""
    expected = load_float32(saved[1]).decode(noise(1, 12, 9))
    change_weights(saved[1], lambda weights: {prefix + key: value for key, value in weights.items()})
    with pytest.warns(UserWarning, match=f"all names of weights begin with '{prefix}', which .* adds; it is left out"):
        loaded = load_float32(saved[1])
    assert torch.equal(loaded.decode(noise(1, 12, 9)), expected)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_pointer_of_git_lfs(name, saved) -> None:
    """What a clone without Git LFS holds in place of the file."""
    (saved[1] / "model.safetensors").unlink()
    (saved[1] / name).write_text("version https://git-lfs.example/spec/v1\noid sha256:0\nsize 14400000\n")
    with pytest.raises(CheckpointError, match="is a pointer of Git LFS, not the file itself: run `git lfs pull`"):
        load_float32(saved[1])


def test_the_meta_device(saved, noise) -> None:
    """It holds no values: neither loading nor decoding makes something out of nothing."""
    with torch.device("meta"), pytest.raises(CheckpointError, match=r"meta device|no model can be built"):
        Vocos.from_pretrained(saved[1])
    vocos, features = load_float32(saved[1]), noise(1, 12, 9)
    empty = load_float32(saved[1]).to("meta")
    for wrong in (lambda: empty.decode(features), lambda: empty(noise(1, 400)), empty.streaming):
        with pytest.raises(ValueError, match="the model is on the meta device, which holds no values: load it"):
            wrong()
    with pytest.raises(ValueError, match="features are on the meta device"):
        vocos.decode(features.to("meta"))
    with pytest.raises(ValueError, match="audio is on the meta device"):
        vocos(noise(1, 400).to("meta"))
    empty.load_state_dict(vocos.state_dict(), assign=True)


def test_shapes_are_compared(saved) -> None:
    """The message holds both shapes."""
    change_weights(saved[1], lambda weights: weights.update({"head.out.bias": torch.zeros(3)}))
    with pytest.raises(CheckpointError, match=r"head\.out\.bias \(3,\) for \(66,\)"):
        load_float32(saved[1])


def test_weights_that_are_not_finite(saved) -> None:
    """A model from a training that diverged is refused, not decoded to silence or noise."""
    change_weights(saved[1], lambda weights: weights["head.out.bias"].fill_(torch.nan))
    with pytest.raises(CheckpointError, match=r"head\.out\.bias holds NaN"):
        load_float32(saved[1])


def test_derived_buffers_may_be_absent(saved, noise) -> None:
    """A window and a filterbank follow from the configuration when they are not stored."""
    derived = [
        "feature_extractor.mel_spec.spectrogram.window",
        "feature_extractor.mel_spec.mel_scale.fb",
        "head.istft.window",
    ]
    change_weights(saved[1], lambda weights: [weights.pop(key) for key in derived])
    audio = noise(1, 2000).clamp(-1, 1)
    assert torch.equal(load_float32(saved[1])(audio), saved[0](audio))


@pytest.mark.parametrize(
    "change", [{"f_max": 7000.0}, {"f_max": None}, {"f_min": 20.0}, {"mel_scale": "htk"}, {"mel_norm": None}]
)
def test_another_filterbank_is_refused(change, tmp_path) -> None:
    """Weights for one mel under another mel's configuration are recognized by the stored filterbank."""
    head = ISTFT(n_fft=1024, hop_length=256, framing="same")
    backbone = ConvNeXt(dim=8, intermediate_dim=8, num_layers=1)
    Vocos(VocosConfig(features=LANGTECH_22KHZ, backbone=backbone, head=head)).save_pretrained(tmp_path)
    path = tmp_path / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["features"].update(change)
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(CheckpointError, match="stored filterbank does not match the configuration"):
        load_float32(tmp_path)


def test_another_window_is_refused(saved) -> None:
    """A stored Hamming window under a configuration with a Hann window is an error."""
    change_weights(saved[1], lambda weights: weights.update({"head.istft.window": torch.hamming_window(64)}))
    with pytest.raises(CheckpointError, match=r"stored window does not match.*head\.istft\.window"):
        load_float32(saved[1])


def test_a_filterbank_in_half_precision_agrees(saved) -> None:
    """A filterbank converted to float16 is accepted, and replaced by the exact one."""
    change_weights(saved[1], lambda weights: {key: value.half() for key, value in weights.items()})
    loaded, expected = (model.feature_extractor.mel_spec.mel_scale.fb for model in (load_float32(saved[1]), saved[0]))
    assert torch.equal(loaded, expected)


def test_a_configuration_far_larger_than_its_weights(saved) -> None:
    """It is refused before gigabytes are allocated for it; the message has both numbers."""
    path = saved[1] / "config.yaml"
    mapping = yaml.safe_load(path.read_text())
    mapping["backbone"] |= {"dim": 3000, "intermediate_dim": 9000, "num_layers": 5}
    path.write_text(yaml.safe_dump(mapping))
    with pytest.raises(CheckpointError, match=r"about 27\d,\d{3},\d{3} weights, but its file of weights has \d"):
        load_float32(saved[1])
