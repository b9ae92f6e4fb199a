"""``vocos resynth`` on files, folders and patterns, good and bad."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vocos_plugins import Vocos


def outputs(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_one_file_to_one_file(run, model, speech, tmp_path) -> None:
    """The suffix determines the format, the model the sample rate, and the input the duration."""
    run("resynth", speech / "stereo.flac", tmp_path / "out.flac", "--model", model)
    info = soundfile.info(tmp_path / "out.flac")
    assert (info.format, info.samplerate, info.channels) == ("FLAC", 16000, 2)
    assert info.frames == 9600 * 16000 // 48000


def test_the_audio_is_the_model_s(run, model, speech, tmp_path) -> None:
    """The file equals the library's result, to 16 bits."""
    run("resynth", speech / "mono.wav", tmp_path / "out.wav", "--model", model)
    import torch

    audio = torch.from_numpy(soundfile.read(speech / "mono.wav", dtype="float32")[0])[None]
    expected = Vocos.from_pretrained(model)(audio).clamp(-1, 1)[0].numpy()
    assert np.abs(soundfile.read(tmp_path / "out.wav", dtype="float32")[0] - expected).max() < 1e-4  # 3 quanta


def test_folders_keep_their_structure(run, model, speech, tmp_path) -> None:
    """Files in a folder that are not audio are skipped."""
    result = run("resynth", speech, tmp_path / "out", "--model", model)
    assert outputs(tmp_path / "out") == ["deep/short.wav", "mono.wav", "stereo.wav"]
    assert result.output.count("->") == 3


def test_patterns_are_expanded(run, model, speech, tmp_path) -> None:
    """Patterns that the shell did not expand are expanded."""
    run("resynth", speech / "**" / "*.ogg", tmp_path / "out", "--model", model)
    assert outputs(tmp_path / "out") == ["short.wav"]


def test_a_bad_file_doesn_t_end_the_batch(run, model, speech, tmp_path) -> None:
    """The others are written, the bad ones listed with their reasons, and the exit code is 1."""
    (speech / "bad.wav").write_bytes(b"garbage, and not a little of it")
    (speech / "empty.flac").touch()
    result = run("resynth", speech, tmp_path / "no.wav", tmp_path / "out", "--model", model, code=1)
    assert outputs(tmp_path / "out") == ["deep/short.wav", "mono.wav", "stereo.wav"]
    assert "bad.wav: not audio" in result.output
    assert "empty.flac: the file is empty" in result.output
    assert "no.wav: no such file" in result.output
    assert "3 of 6 inputs failed" in result.output


def test_json_says_the_same(run, model, speech, tmp_path) -> None:
    """JSON is one object with the finished files and the failures."""
    (speech / "bad.wav").write_bytes(b"garbage")
    result = run("resynth", speech, tmp_path / "out", "--model", model, "--json", code=1)
    report = json.loads(result.stdout)
    assert [Path(done["output"]).name for done in report["done"]] == ["short.wav", "mono.wav", "stereo.wav"]
    assert report["done"][1]["duration_s"] == pytest.approx(0.6)
    assert [Path(failed["input"]).name for failed in report["failed"]] == ["bad.wav"]


@pytest.mark.parametrize("n_samples", [1, 5, 32, 33, 100])
def test_short_files_keep_their_length(run, model, tmp_path, n_samples) -> None:
    """Recordings shorter than a frame are padded for the model, and the output is cut to their length."""
    soundfile.write(tmp_path / "a.wav", np.full(n_samples, 0.1), 16000)
    run("resynth", tmp_path / "a.wav", tmp_path / "b.wav", "--model", model)
    assert soundfile.info(tmp_path / "b.wav").frames == n_samples


def test_wrong_usage_does_nothing(run, model, speech, tmp_path) -> None:
    """Wrong usage has exit code 2, before anything is written."""
    for arguments, expected in [
        ((speech, tmp_path / "one.wav", "--model", model), "3 inputs cannot be written to the single file"),
        ((speech / "mono.wav", speech / "mono.wav", "--model", model), "would overwrite the input"),
        ((speech / "mono.wav", speech / "notes.txt", "--model", model), "is a file"),
        ((speech / "mono.wav", tmp_path / "o", "--model", "vocos-mel-22khz-smal"), "'vocos-mel-22khz-small'"),
        ((speech / "mono.wav", tmp_path / "o", "--model", model, "--device", "abacus"), "device 'abacus'"),
        ((speech / "mono.wav",), "Missing argument"),
    ]:
        assert expected in " ".join(run("resynth", *arguments, code=2).output.replace("│", " ").split())
    assert outputs(tmp_path) == outputs(tmp_path.parent / tmp_path.name)
    assert not (tmp_path / "o").exists()


def test_two_inputs_of_one_name_are_refused(run, model, speech, tmp_path) -> None:
    """Neither is lost by the other's output."""
    (speech / "deep" / "mono.wav").write_bytes((speech / "mono.wav").read_bytes())
    result = run("resynth", speech / "mono.wav", speech / "deep" / "mono.wav", tmp_path / "o", "-m", model, code=2)
    assert "would both be written to" in " ".join(result.output.split())


def test_an_encodec_model_is_refused(run, make_model, speech, tmp_path) -> None:
    """It takes codes, which a recording isn't."""
    make_model("encodec", "adanorm", "istft", "same").save_pretrained(tmp_path / "codes")
    result = run("resynth", speech, tmp_path / "o", "--model", tmp_path / "codes", code=2)
    assert "EnCodec codes" in " ".join(result.output.split())


def test_a_directory_without_permission(run_process, model, speech, tmp_path) -> None:
    """In a fresh process that heeds permissions: listed, exit code 1, no traceback."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    done = run_process("resynth", speech / "mono.wav", locked, "--model", model, code=1, obey=True)
    assert "Permission denied" in done.stderr
    assert list(locked.iterdir()) == []


def test_a_checkpoint_that_is_damaged(run_process, model, speech, tmp_path) -> None:
    """Exit code 2 with the file's name; nothing is vocoded with random weights."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.yaml").write_bytes(Path(model, "config.yaml").read_bytes())
    (broken / "model.safetensors").write_bytes(Path(model, "model.safetensors").read_bytes()[:500])
    done = run_process("resynth", speech, tmp_path / "o", "--model", broken, code=2)
    assert "model.safetensors" in done.stderr
    assert not (tmp_path / "o").exists()


def test_the_bundled_default_needs_no_option(run_process, tmp_path) -> None:
    """A stranger's first command, in a fresh process without a network."""
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(np.arange(22050) / 20), 22050)
    run_process("resynth", tmp_path / "a.wav", tmp_path / "b.wav")
    assert soundfile.info(tmp_path / "b.wav").samplerate == 22050


def test_memory_is_bounded(run_process, tmp_path) -> None:
    """Twenty minutes take less than 80 MB more than ten seconds; as float32 the audio alone would be 106 MB."""
    code = """
import resource, sys
from vocos_plugins.apps.cli import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    raise
"""
    import subprocess
    import sys

    peaks = []
    for seconds in (10, 1200):
        soundfile.write(tmp_path / "a.flac", np.zeros(16000 * seconds), 16000)
        command = [sys.executable, "-c", code, "resynth", str(tmp_path / "a.flac"), str(tmp_path / "b.wav")]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 80, peaks
