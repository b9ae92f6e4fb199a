"""Saving checkpoints, and loading them by path and by name, bit for bit."""

from __future__ import annotations

import pytest
import torch
import yaml
from safetensors.torch import load_file

from helpers.checkpoints import load_float32
from vocos_plugins import Vocos
from vocos_plugins.storage import find as pretrained
from vocos_plugins.storage.find import bundled_names
from vocos_plugins.storage.safe_files import CheckpointError

KINDS = [
    ("mel", "convnext", "istft", "center"),
    ("mel", "convnext", "istft", "same"),
    ("mel", "resnet", "istft", "center"),
    ("mel", "convnext", "prior", "center"),
    ("mel", "resnet", "imdct-symexp", "center"),
    ("mel", "convnext", "imdct-cos", "same"),
    ("mel", "convnext", "wavenext", "same"),
    ("encodec", "adanorm", "istft", "same"),
]
# float16 keeps 11 bits of each weight, 5e-4 relative; random weights through six layers and an exponential add up.
HALF_TOLERANCE = 0.05


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_round_trip(kind, make_model, noise, tmp_path) -> None:
    """Every kind of model comes back with its configuration and, bit for bit, its output."""
    model = make_model(*kind)
    model.save_pretrained(tmp_path)
    loaded = Vocos.from_pretrained(tmp_path)
    features = noise(1, model.config.n_features, 9)
    bandwidth_id = 1 if model.config.n_bandwidths else None
    assert loaded.config == model.config
    assert not loaded.training
    assert torch.equal(
        loaded.decode(features, bandwidth_id=bandwidth_id), model.decode(features, bandwidth_id=bandwidth_id)
    )


def test_provenance_travels(saved) -> None:
    """A checkpoint's provenance is there after loading."""
    assert load_float32(saved[1]).provenance == {"licence": "MIT", "steps": 3}


def test_only_the_two_files_are_written(saved) -> None:
    """No temporary file stays behind, and the files have the usual permissions."""
    (saved[1].parent / "other").touch()
    usual = (saved[1].parent / "other").stat().st_mode
    assert {path.name: path.stat().st_mode for path in saved[1].iterdir()} == {
        "config.yaml": usual,
        "model.safetensors": usual,
    }


def test_saving_twice_replaces(saved, make_model, noise) -> None:
    """The model saved last is the one that loads."""
    other = make_model(seed=5)
    other.save_pretrained(saved[1])
    mel = noise(1, 12, 5)
    assert torch.equal(load_float32(saved[1]).decode(mel), other.decode(mel))


def test_keys_are_the_published_ones(make_model, make_reference, tmp_path) -> None:
    """A saved ResNet, including weight norm, has the reference's names and shapes, and the reference loads it."""
    model = make_model("mel", "resnet", "istft", "center")
    model.save_pretrained(tmp_path)
    make_reference(model.config).load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_half_precision(kind, make_model, noise, relative_error, tmp_path) -> None:
    """A float16 file is about half as large, loads as float32 and decodes to nearly the same audio."""
    model = make_model(*kind)
    model.save_pretrained(tmp_path / "full")
    model.save_pretrained(tmp_path / "half", half=True)
    loaded = load_float32(tmp_path / "half")
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("half", "full")]
    features = noise(1, model.config.n_features, 9)
    bandwidth_id = 1 if model.config.n_bandwidths else None
    assert sizes[0] < 0.7 * sizes[1]
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32}
    assert (
        relative_error(
            loaded.decode(features, bandwidth_id=bandwidth_id), model.decode(features, bandwidth_id=bandwidth_id)
        )
        < HALF_TOLERANCE
    )


def test_half_refuses_what_it_cannot_hold(make_model, tmp_path) -> None:
    """A weight beyond float16's range would load as infinity; nothing is written."""
    model = make_model()
    with torch.no_grad():
        model.head.out.weight[0, 0] = 1e5
    with pytest.raises(CheckpointError, match=r"head\.out\.weight.*float16"):
        model.save_pretrained(tmp_path / "out", half=True)
    assert not (tmp_path / "out").exists()


def test_a_model_in_bfloat16_saves_and_loads(make_model, tmp_path) -> None:
    """A loaded model is float32 with an exact filterbank, whatever precision was saved."""
    model = make_model()
    make_model().to(torch.bfloat16).save_pretrained(tmp_path)
    loaded = load_float32(tmp_path)
    assert torch.equal(loaded.feature_extractor.mel_spec.mel_scale.fb, model.feature_extractor.mel_spec.mel_scale.fb)
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32}


def test_strided_weights_are_saved(make_model, noise, tmp_path) -> None:
    """Transposed views are stored by their values."""
    model = make_model()
    weight = model.head.out.weight
    weight.data = weight.data.T.contiguous().T
    model.save_pretrained(tmp_path)
    mel = noise(1, 12, 5)
    assert torch.equal(load_float32(tmp_path).decode(mel), model.decode(mel))


def test_loading_leaves_the_random_state_alone(saved) -> None:
    """A seeded script draws the same numbers with and without a vocoder loaded in between."""
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    load_float32(saved[1])
    assert torch.equal(torch.rand(3), expected)


def test_published_directory_loads(make_model, make_reference, publish, noise, relative_error, tmp_path) -> None:
    """A directory with the reference's own files loads: class paths and a pickled state dict."""
    config = make_model().config
    reference = make_reference(config)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(publish(config)))
    torch.save(reference.state_dict(), tmp_path / "pytorch_model.bin")
    mel = noise(1, 12, 9)
    assert relative_error(load_float32(tmp_path).decode(mel), reference.decode(mel)) < 1e-5


def test_bundled_name(saved, monkeypatch) -> None:
    """Directories under the package's checkpoints load by their names."""
    monkeypatch.setattr(pretrained, "BUNDLED", saved[1].parent)
    assert bundled_names() == ["saved"]
    assert load_float32("saved").config == saved[0].config


@pytest.mark.parametrize("name", bundled_names())
def test_every_bundled_checkpoint_loads(name, noise) -> None:
    """Each bundled checkpoint is complete, decodes a mel and has provenance."""
    model = load_float32(name)
    assert model.provenance
    assert torch.isfinite(model.decode(noise(1, model.config.n_features, 20))).all()


def test_a_directory_comes_before_a_bundled_name(saved, make_model, monkeypatch, tmp_path) -> None:
    """A relative directory with a bundled name is loaded first: it is what the user sees."""
    make_model("mel", "resnet").save_pretrained(tmp_path / "here" / "saved")
    monkeypatch.setattr(pretrained, "BUNDLED", saved[1].parent)
    monkeypatch.chdir(tmp_path / "here")
    assert load_float32("saved").config != saved[0].config


def test_unknown_name_suggests(saved, monkeypatch) -> None:
    """The error suggests the nearest bundled and published names, and lists the accepted forms."""
    monkeypatch.setattr(pretrained, "BUNDLED", saved[1].parent)
    with pytest.raises(CheckpointError, match=r"did you mean .*'charactr/vocos-mel-24khz'.*organisation/name"):
        load_float32("vocos-mel-24kHz")
    with pytest.raises(CheckpointError, match="did you mean 'saved'"):
        load_float32("savd")


@pytest.mark.parametrize("name", ["nothing-like-it-qqq", "", "../up", "/no/such/place", "a/b/c", "runs/../x y"])
def test_names_that_are_no_repository(name, monkeypatch, tmp_path) -> None:
    """Missing paths are not looked up on the Hugging Face hub."""
    monkeypatch.chdir(tmp_path)
    if name == "":  # Path("") is the working directory, which holds no checkpoint
        with pytest.raises(CheckpointError, match=r"config\.yaml"):
            load_float32(name)
        return
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        load_float32(name)


def test_a_file_is_no_directory(saved) -> None:
    """Passing the weights file has its own error message."""
    with pytest.raises(CheckpointError, match="is a file; pass the directory"):
        load_float32(saved[1] / "model.safetensors")
