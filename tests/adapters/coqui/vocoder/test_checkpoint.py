"""Files that hold a generator are loaded, others are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from vocos_coqui.mel import COQUI_LJSPEECH

from vocos_plugins.storage.safe_files import CheckpointError

pytestmark = pytest.mark.xdist_group("coqui")


@pytest.fixture
def vocoder(make_vocos):
    """Returns a vocoder with other weights than `trained`."""
    from vocos_coqui.vocoder import wrap

    return wrap(make_vocos(COQUI_LJSPEECH, seed=1))


@pytest.fixture
def trained(make_vocos):
    """Returns the vocoder whose weights the files hold."""
    from vocos_coqui.vocoder import wrap

    return wrap(make_vocos(COQUI_LJSPEECH, seed=0))


def save_safetensors(trained, folder: Path) -> Path:
    """Saves a file as `export` does."""
    from vocos_coqui.export import export

    export(trained.model_g, folder, tts=trained.source)
    return folder / "model.safetensors"


def save_by_trainer(trained, folder: Path) -> Path:
    """Saves a file as Coqui TTS's trainer does, with a discriminator in addition to the generator."""
    from trainer.io import save_checkpoint

    trained.model_d = torch.nn.Linear(3, 3)
    optimizer = torch.optim.AdamW(trained.parameters())
    folder.mkdir()
    save_checkpoint(
        trained.config,
        trained,
        folder,
        current_step=1,
        epoch=0,
        optimizer=[optimizer, optimizer],
        scheduler=None,
        scaler=None,
        model_loss=1.0,
        save_func=None,
    )
    return folder / "checkpoint_1.pth"


def save_generator(trained, folder: Path) -> Path:
    """Saves the generator with its names in a GAN."""
    folder.mkdir()
    torch.save({"model": trained.state_dict(), "step": 0, "epoch": 0}, folder / "model.pth")
    return folder / "model.pth"


def save_published(trained, folder: Path) -> Path:
    """Saves bare weights with the names of published checkpoints."""
    folder.mkdir()
    torch.save(trained.model_g.state_dict(), folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


@pytest.mark.parametrize("save", [save_safetensors, save_by_trainer, save_generator, save_published])
@pytest.mark.parametrize("evaluate", [True, False])
def test_weights_are_loaded(save, evaluate, trained, vocoder, tmp_path, noise):
    """All weights are loaded from each kind of file; inference mode is set if asked for."""
    path = save(trained, tmp_path / "saved")
    vocoder.train(evaluate)
    vocoder.load_checkpoint(vocoder.config, str(path), eval=evaluate)
    assert {each.training for each in vocoder.modules()} == {not evaluate}
    mel = noise(1, 80, 7)
    assert torch.equal(vocoder.eval().inference(mel), trained.eval().inference(mel))


def test_addresses(trained, vocoder, tmp_path):
    """Addresses that fsspec knows are fetched, whatever follows the file name."""
    import fsspec

    content = save_safetensors(trained, tmp_path / "saved").read_bytes()
    for address in ("memory://bucket/model.safetensors", "memory://bucket/model.safetensors?download=true"):
        with fsspec.open(address, "wb") as file:
            file.write(content)
        torch.nn.init.zeros_(vocoder.model_g.head.out.weight)
        vocoder.load_checkpoint(vocoder.config, address, eval=True)
        assert torch.equal(vocoder.model_g.head.out.weight, trained.model_g.head.out.weight)


class Malicious:
    """An object that runs a command when unpickled."""

    def __reduce__(self):
        return os.mkdir, ("pwned",)


def test_nothing_is_run(vocoder, tmp_path, monkeypatch):
    """A pickle that would run code is refused, and the error names the code."""
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Malicious()}, "bad.pth")
    with pytest.raises(CheckpointError, match=r"bad\.pth was refused: .*mkdir"):
        vocoder.load_checkpoint(vocoder.config, "bad.pth", eval=True)
    assert os.listdir() == ["bad.pth"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": {"model_g.conv_pre.weight": torch.zeros(2)}}, "don't fit the configuration: .* missing"),
        ({"model": {}}, "expected the weights of a generator or a GAN"),
        ({"step": 3}, "expected the weights of a generator or a GAN"),
        ([1, 2], "expected the weights of a generator or a GAN"),
    ],
)
def test_other_files(content, message, vocoder, tmp_path):
    """Checkpoints of other vocoders, and files that are no checkpoints, are refused."""
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=rf"other\.pth: .*{message}"):
        vocoder.load_checkpoint(vocoder.config, tmp_path / "other.pth", eval=True)


def test_a_missing_file(vocoder, tmp_path):
    """The error names a missing file."""
    with pytest.raises(CheckpointError, match=r"gone\.safetensors can't be read: No such file"):
        vocoder.load_checkpoint(vocoder.config, str(tmp_path / "gone.safetensors"), eval=True)
