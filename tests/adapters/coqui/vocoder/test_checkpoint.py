"""The files that hold a generator: which are loaded, and which refused."""

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
    """A vocoder with other weights than `trained`."""
    from vocos_coqui.vocoder import wrap

    return wrap(make_vocos(COQUI_LJSPEECH, seed=1))


@pytest.fixture
def trained(make_vocos):
    """The vocoder whose weights the files hold."""
    from vocos_coqui.vocoder import wrap

    return wrap(make_vocos(COQUI_LJSPEECH, seed=0))


def save_safetensors(trained, folder: Path) -> Path:
    """As `export` does."""
    from vocos_coqui.export import export

    export(trained.model_g, folder, tts=trained.source)
    return folder / "model.safetensors"


def save_by_trainer(trained, folder: Path) -> Path:
    """As Coqui TTS's trainer does, with a discriminator beside the generator."""
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
    """By the names that it has in a GAN."""
    folder.mkdir()
    torch.save({"model": trained.state_dict(), "step": 0, "epoch": 0}, folder / "model.pth")
    return folder / "model.pth"


def save_published(trained, folder: Path) -> Path:
    """Bare, by the names of published checkpoints."""
    folder.mkdir()
    torch.save(trained.model_g.state_dict(), folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


@pytest.mark.parametrize("save", [save_safetensors, save_by_trainer, save_generator, save_published])
@pytest.mark.parametrize("evaluate", [True, False])
def test_weights_are_loaded(save, evaluate, trained, vocoder, tmp_path, noise):
    """From each kind of file, all of them; and dropout and the like are off where that was asked for."""
    path = save(trained, tmp_path / "saved")
    vocoder.train(evaluate)
    vocoder.load_checkpoint(vocoder.config, str(path), eval=evaluate)
    assert {each.training for each in vocoder.modules()} == {not evaluate}
    mel = noise(1, 80, 7)
    assert torch.equal(vocoder.eval().inference(mel), trained.eval().inference(mel))


def test_addresses(trained, vocoder, tmp_path):
    """What fsspec knows is fetched, whatever follows the name."""
    import fsspec

    content = save_safetensors(trained, tmp_path / "saved").read_bytes()
    for address in ("memory://bucket/model.safetensors", "memory://bucket/model.safetensors?download=true"):
        with fsspec.open(address, "wb") as file:
            file.write(content)
        torch.nn.init.zeros_(vocoder.model_g.head.out.weight)
        vocoder.load_checkpoint(vocoder.config, address, eval=True)
        assert torch.equal(vocoder.model_g.head.out.weight, trained.model_g.head.out.weight)


class Malicious:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("pwned",)


def test_nothing_is_run(vocoder, tmp_path, monkeypatch):
    """A pickle that would run code is refused by name."""
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
    """Another vocoder's checkpoint, or none at all."""
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=rf"other\.pth: .*{message}"):
        vocoder.load_checkpoint(vocoder.config, tmp_path / "other.pth", eval=True)


def test_a_missing_file(vocoder, tmp_path):
    """By its name."""
    with pytest.raises(CheckpointError, match=r"gone\.safetensors can't be read: No such file"):
        vocoder.load_checkpoint(vocoder.config, str(tmp_path / "gone.safetensors"), eval=True)
