"""``vocos decode``: mels from files to audio."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.torch
import soundfile
import soxr
import torch

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.mel.speech import CLIPS
from vocos_plugins.plugins import mel_conventions


@pytest.fixture
def mel(noise) -> torch.Tensor:
    """Twelve bands, 50 frames, in the range of a log mel."""
    return noise(12, 50) - 4


def test_every_format_gives_the_model_s_audio(run, model, mel, tmp_path) -> None:
    """Three formats decode to the same waveform as `Vocos.decode`."""
    np.save(tmp_path / "a.npy", mel.numpy())
    torch.save(mel[None], tmp_path / "b.pt")
    safetensors.torch.save_file({"mel": mel}, tmp_path / "c.safetensors")
    run("decode", tmp_path, tmp_path / "out", "--model", model)
    expected = Vocos.from_pretrained(model).decode(mel[None]).clamp(-1, 1)[0].numpy()
    for name in "abc":
        audio, rate = soundfile.read(tmp_path / "out" / f"{name}.wav", dtype="float32")
        assert rate == 16000
        assert audio.shape == (49 * 16,)
        assert np.abs(audio - expected).max() < 1e-4  # 3 quanta of 16 bits


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros((11, 50), np.float32), "takes 12 bands, got 11"),
        (np.zeros((50, 12), np.float32), "transpose"),
        (np.zeros((12, 0), np.float32), "no frames"),
        (np.zeros((12, 50), np.int64), "floating point"),
        (np.zeros(12, np.float32), "shape (12,)"),
        (np.zeros((1, 1, 12, 50), np.float32), "shape (1, 1, 12, 50)"),
        (np.full((12, 50), np.nan, np.float32), "NaN or infinite"),
        (np.full((12, 50), np.inf, np.float32), "NaN or infinite"),
        (np.zeros((12, 1), np.float32), "no samples"),
    ],
    ids=["bands", "transposed", "no-frames", "integers", "1-D", "4-D", "nan", "inf", "one-frame"],
)
def test_a_bad_mel_is_listed_and_the_good_one_written(run, model, mel, tmp_path, array, expected) -> None:
    """The exit code is 1, the reason is printed, and no file is written for the bad mel."""
    np.save(tmp_path / "good.npy", mel.numpy())
    np.save(tmp_path / "bad.npy", array)
    result = run("decode", tmp_path / "bad.npy", tmp_path / "good.npy", tmp_path / "out", "--model", model, code=1)
    assert expected in result.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.wav"]


@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_no_bad_item_blocks_a_resumed_run(run, model, mel, tmp_path) -> None:
    """Whatever libraries raise for bad mels, the good ones are written by the first run, and the second has no more."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        np.save(folder / f"{number}.npy", mel.numpy())
    torch.save(torch.eye(12).to_sparse_csr(), folder / "2x.pt")
    content = (folder / "0.npy").read_bytes()
    (folder / "3x.npy").write_bytes(content.replace(b"50)", b"50 ", 1))
    (folder / "4x.npy").write_bytes(content[:18])
    (folder / "5x.npz").write_bytes(b"PK")
    words = ("decode", folder, tmp_path / "out", "--model", model, "--resume")
    assert "6 done" in run(*words, code=1).stdout
    second = run(*words, code=1)
    assert "0 done, 6 already done" in second.stdout
    assert "4 of 10 inputs failed" in " ".join(second.output.split())
    assert "defect" not in second.output
    assert sorted(path.name for path in (tmp_path / "out").glob("*.wav")) == [f"{number}.wav" for number in range(6)]
    for path in folder.glob("?x.*"):
        assert f"{path.name}: " in run("doctor", "--mel", path, code=2).stderr.replace("\n", "")


def test_a_file_of_another_kind_is_listed(run, model, tmp_path) -> None:
    """The error names the supported formats."""
    (tmp_path / "a.csv").write_text("1,2,3")
    assert (
        "expected one of .npy, .npz, .pt, .pth, .safetensors"
        in run("decode", tmp_path / "a.csv", tmp_path / "out", "--model", model, code=1).output
    )


def test_an_unsafe_pickle_is_refused_in_a_fresh_process(run_process, model, tmp_path) -> None:
    """A pickle that calls a function is listed as failed, and the function is not called."""
    (tmp_path / "a.pt").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    done = run_process("decode", "a.pt", "out", "--model", model, code=1, cwd=tmp_path)
    assert "refused" in done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def speech_mel(tmp_path) -> dict[str, np.ndarray]:
    """A second of shipped speech as the bundled model's mel, and as the mel of Coqui TTS's recipes."""
    audio, rate = soundfile.read(CLIPS[0].path, dtype="float64")
    audio = torch.from_numpy(soxr.resample(audio[:rate], rate, 22050)).float()[None]
    names = ("vocos-22khz", "coqui-ljspeech")
    return {name: MelSpectrogram(mel_conventions()[name])(audio)[0].numpy() for name in names}


def test_another_convention_is_aligned_by_its_name(run, speech_mel, tmp_path) -> None:
    """The audio equals that of the model's own mel."""
    for name, mel in speech_mel.items():
        np.save(tmp_path / f"{name}.npy", mel)
    run("decode", tmp_path / "vocos-22khz.npy", tmp_path / "own.wav")
    run("decode", tmp_path / "coqui-ljspeech.npy", tmp_path / "other.wav", "--source", "coqui-ljspeech", "--strict")
    own, other = (soundfile.read(tmp_path / f"{name}.wav")[0] for name in ("own", "other"))
    assert np.abs(own - other).max() < 2e-3  # a floor of 1e-8 instead of 1e-5 reaches the model only through rounding


def test_a_configuration_stands_for_its_mel(run, model, mel, tmp_path) -> None:
    """A checkpoint directory with the same mel as --source changes nothing."""
    np.save(tmp_path / "a.npy", mel.numpy())
    for out, options in (("plain", ()), ("named", ("--source", model))):
        run("decode", tmp_path / "a.npy", tmp_path / f"{out}.wav", "--model", model, *options)
    assert (tmp_path / "plain.wav").read_bytes() == (tmp_path / "named.wav").read_bytes()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--source", "coqui-ljspech"), "coqui-ljspeech"),
        (("--source", "vocos-24khz", "--strict"), "n_mels: 100 against 80"),
        (("--source", "charactr/vocos-encodec-24khz"), "isn't known without its files"),
    ],
    ids=["unknown", "lossy and strict", "not there"],
)
def test_a_source_that_cannot_be_is_wrong_usage(run, tmp_path, options, expected) -> None:
    """An unknown or refused source is an error, and nothing is decoded."""
    np.save(tmp_path / "a.npy", np.zeros((80, 10), np.float32))
    assert expected in run("decode", tmp_path / "a.npy", tmp_path / "a.wav", *options, code=2).output
    assert not (tmp_path / "a.wav").exists()


def test_a_mel_of_another_shape_than_its_source_is_listed(run, tmp_path) -> None:
    """The error names the number of bands of the source, not of the model."""
    np.save(tmp_path / "a.npy", np.zeros((100, 10), np.float32))
    result = run("decode", tmp_path / "a.npy", tmp_path / "a.wav", "--source", "hifigan-22khz", code=1)
    assert "takes 80 bands, got 100" in result.output


def test_a_mel_of_another_kind_is_warned_of_once(run, speech_mel, tmp_path) -> None:
    """The warning names the remedy, and the mels are decoded; a mel of the right convention causes none."""
    audio, rate = soundfile.read(CLIPS[0].path, dtype="float64")
    audio = torch.from_numpy(soxr.resample(audio[:rate], rate, 22050)).float()[None]
    for index in range(3):
        mel = MelSpectrogram(mel_conventions()["matcha-tts-ljspeech"])(audio)[0]
        np.save(tmp_path / f"{index}.npy", mel.numpy())
    result = run("decode", tmp_path / "0.npy", tmp_path / "1.npy", tmp_path / "2.npy", tmp_path / "out")
    assert result.stderr.count("warning: ") == 1
    assert "does not look like a vocos-22khz mel" in result.stderr
    assert "matcha-tts-ljspeech" in result.stderr
    assert "vocos doctor --mel" in result.stderr
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert run("decode", tmp_path / "0.npy", tmp_path / "a.wav", "--source", "matcha-tts-ljspeech").stderr.strip() == ""
    np.save(tmp_path / "own.npy", speech_mel["vocos-22khz"])
    assert run("decode", tmp_path / "own.npy", tmp_path / "b.wav").stderr.strip() == ""


def test_a_warning_stands_beside_json(run, speech_mel, tmp_path) -> None:
    """The warning goes to standard error, not into the JSON."""
    np.save(tmp_path / "a.npy", 10 * speech_mel["vocos-22khz"])
    result = run("decode", tmp_path / "a.npy", tmp_path / "a.wav", "--json")
    assert "goes down to" in result.stderr
    assert json.loads(result.stdout)["failed"] == []
