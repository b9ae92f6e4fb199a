"""Coqui TTS's trainer trains Vocos: from scratch, resumed, from another checkpoint; and its output is used."""

from __future__ import annotations

import runpy
import shutil
import signal
from pathlib import Path
from statistics import mean
from types import SimpleNamespace

import pytest
import torch

from helpers.paths import ROOT
from vocos_plugins import Vocos
from vocos_plugins.inference.certificate import fingerprint, read_certificate

pytestmark = pytest.mark.xdist_group("coqui")

SMALL = ROOT / "recipes" / "coqui" / "vocos-22khz-small.json"
LOSS = "TrainIterStats/G_mel"
# A tiny model on a few tones loses a third within eight steps; the first step alone varies by a twentieth.
FALLS = 0.85
# The same weights on the same mel, called in two ways.
TOLERANCE = 1e-6
# Samples at the end that one more frame affects, which is decoded for Coqui TTS.
END = 16 * 256  # samples


@pytest.fixture(scope="module")
def trained(make_config, run, run_folder) -> Path:
    """The folder of a run from scratch."""
    return run_folder(run("train_vocos.py", "--config_path", make_config()))


@pytest.fixture(scope="module")
def converted(trained, run, corpus, tmp_path_factory) -> Path:
    """Its best model as a Vocos directory, certified on its recordings."""
    folder = tmp_path_factory.mktemp("vocos")
    printed = run("to_vocos.py", trained / "best_model.pth", folder, "--data", corpus / "wavs")
    assert "Certified:" in printed
    return folder


@pytest.fixture(scope="module")
def mel():
    """Three seconds of a random mel-like tensor."""
    return torch.randn(1, 80, 260, generator=torch.Generator().manual_seed(0)) - 4


def test_the_directory_is_certified(converted):
    """The certificate is of the weights beside it, and of enough recordings to be used."""
    vocos = Vocos.from_pretrained(converted, precision="float32")
    certificate = read_certificate(vocos)
    assert certificate is not None
    assert certificate.recordings == 5
    assert certificate.fingerprint == fingerprint(vocos)


def test_from_scratch(trained, logged):
    """The loss falls, both networks take steps, and TensorBoard has measures, audio and spectrograms."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    losses = [value for _, value in logged(trained, LOSS)]
    assert mean(losses[-4:]) < FALLS * losses[0]
    assert len(set(logged(trained, "TrainIterStats/D_period"))) == len(losses)
    board = EventAccumulator(str(trained))
    board.Reload()
    assert "EvalStats/avg_measure_mr-stft" in board.Tags()["scalars"]
    assert {"TrainAudios/train/copy", "EvalAudios/eval/original"} <= set(board.Tags()["audio"])
    assert any("spectrogram/fake" in name for name in board.Tags()["images"])


def test_continues(trained, run, logged, tmp_path):
    """The loss and the learning rate continue where they were, in bfloat16, up to the epoch of the command."""
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    before = logged(folder, LOSS)
    output = run("train_vocos.py", "--continue_path", folder, "--coqpit.epochs", 10, "--coqpit.mixed_precision", "true")
    assert "Mixed precision: True" in output
    assert "Partial model initialization" not in output
    after = logged(folder, LOSS)[len(before) :]
    assert after[0][0] >= before[-1][0]
    assert after[0][1] < (before[0][1] + before[-1][1]) / 2
    rates = [value for _, value in logged(folder, "TrainIterStats/current_lr_1")]
    assert rates == sorted(rates, reverse=True)
    assert "EPOCH: 9/9" in output


def test_ends_with_its_schedule():
    """A cosine rises again after ``T_max`` steps; a schedule without ``T_max`` keeps the number of epochs."""
    count_epochs = runpy.run_path(str(SMALL.with_name("train_vocos.py")))["count_epochs"]
    config = SimpleNamespace(epochs=1000, batch_size=4, lr_scheduler_gen_params={"T_max": 40})
    assert count_epochs(config, n_samples=9) == 40 // 3
    assert count_epochs(config, n_samples=1000) == 1
    config.epochs = 7
    assert count_epochs(config, n_samples=9) == 7
    config.lr_scheduler_gen_params = {"gamma": 0.999}
    assert count_epochs(config, n_samples=1) == 7


def test_ends_on_sigterm(make_config, start, run_folder, logged):
    """SIGTERM leaves a state to resume from."""
    config = make_config(epochs=500, run_eval=False, save_best_after=10**6, lr_scheduler_gen_params={"T_max": 500})
    lines = []
    with start("train_vocos.py", "--config_path", config) as process:
        for line in process.stdout:
            lines.append(line)
            if "EPOCH: 3/" in line:
                process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 128 + signal.SIGINT
    folder = run_folder("".join(lines))
    steps = len(logged(folder, LOSS))
    (checkpoint,) = folder.glob("*.pth")
    assert checkpoint.name == f"checkpoint_{steps}.pth"
    state = torch.load(checkpoint, weights_only=True)
    assert (state["step"], len(state["optimizer"]), len(state["scheduler"])) == (steps, 2, 2)


def test_speaks_in_coqui(trained, mel):
    """The trainer's file loads with its configuration as a vocoder: the averaged generator alone."""
    import vocos_coqui  # noqa: F401
    from TTS.config import load_config
    from TTS.vocoder.models import setup_model

    config = load_config(trained / "config.json")
    model = setup_model(config)
    model.load_checkpoint(config, str(trained / "best_model.pth"), eval=True)
    assert not model.training
    assert model.model_d is None
    stored = torch.load(trained / "best_model.pth", weights_only=True)["model"]
    assert any(key.startswith("model_d.") for key in stored)
    key = "backbone.embed.weight"
    assert torch.equal(model.model_g.state_dict()[key], stored[f"model_average.{key}"])
    assert not torch.equal(stored[f"model_g.{key}"], stored[f"model_average.{key}"])
    assert model.inference(mel).shape == (1, 1, 260 * 256)


def test_becomes_a_vocos_checkpoint(trained, converted, mel, tmp_path):
    """It loads everywhere, exports to Coqui TTS again, and both decode to the same audio."""
    import vocos_coqui  # noqa: F401
    from TTS.config import load_config
    from TTS.vocoder.models import setup_model
    from vocos_coqui.export import export

    vocos = Vocos.from_pretrained(converted)
    config = load_config(trained / "config.json")
    model = setup_model(config)
    model.load_checkpoint(config, str(trained / "best_model.pth"), eval=True)
    expected = vocos.decode(mel)[0, :-END]
    assert (model.inference(mel)[0, 0, : len(expected)] - expected).abs().max() < TOLERANCE
    export(vocos, tmp_path / "exported")
    exported = setup_model(load_config(tmp_path / "exported" / "config.json"))
    exported.load_checkpoint(exported.config, tmp_path / "exported" / "model.safetensors", eval=True)
    assert torch.equal(exported.inference(mel), model.inference(mel))


def test_goes_to_the_other_toolkits(converted, corpus, assert_same_elsewhere):
    """After `vocos export`, their own classes decode their own mels to the same audio."""
    assert_same_elsewhere(converted, corpus / "wavs" / "0.wav", ("speechbrain", "nemo"))
