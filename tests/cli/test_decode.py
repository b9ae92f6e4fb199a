"""``vocos decode``: mels from files to audio."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.torch
import soundfile
import torch

from vocos_plugins import Vocos


@pytest.fixture
def mel(noise) -> torch.Tensor:
    """Twelve bands, 50 frames, in the range of a log mel."""
    return noise(12, 50) - 4


def test_every_format_gives_the_model_s_audio(run, model, mel, tmp_path) -> None:
    """Three formats, one waveform: `Vocos.decode`'s."""
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
    """Exit code 1, the reason in words, and no file where there is nothing to hear."""
    np.save(tmp_path / "good.npy", mel.numpy())
    np.save(tmp_path / "bad.npy", array)
    result = run("decode", tmp_path / "bad.npy", tmp_path / "good.npy", tmp_path / "out", "--model", model, code=1)
    assert expected in result.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.wav"]


def test_a_file_of_another_kind_is_listed(run, model, tmp_path) -> None:
    """With the kinds that are known."""
    (tmp_path / "a.csv").write_text("1,2,3")
    assert (
        "mels are read from .npy, .pt, .safetensors"
        in run("decode", tmp_path / "a.csv", tmp_path / "out", "--model", model, code=1).output
    )


def test_an_unsafe_pickle_is_refused_in_a_fresh_process(run_process, model, tmp_path) -> None:
    """It names a function to call; it is listed as failed, and the function has not been called."""
    (tmp_path / "a.pt").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    done = run_process("decode", "a.pt", "out", "--model", model, code=1, cwd=tmp_path)
    assert "refused" in done.stderr
    assert not (tmp_path / "ran").exists()
