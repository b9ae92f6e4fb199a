"""Lists of inputs, resumed runs, and wrong usage of both."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile


@pytest.fixture
def listed(speech):
    """A NeMo manifest of a whole file, of two parts of another, and of one that isn't there."""
    lines = [
        {"audio_filepath": "mono.wav", "duration": 0.6},
        {"audio_filepath": "stereo.flac", "offset": 0.0, "duration": 0.05},
        {"audio_filepath": "stereo.flac", "offset": 0.05, "duration": 0.1},
        {"audio_filepath": "gone.wav", "duration": 1.0},
    ]
    path = speech / "manifest.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_list_is_an_input(run, model, listed, tmp_path) -> None:
    """A list is read next to files; its parts get separate outputs, reported in the order of the inputs."""
    short = listed.parent / "deep" / "short.ogg"
    result = run("resynth", short, listed, tmp_path / "out", "--model", model, "--json", code=1)
    report = json.loads(result.stdout)
    names = ["short.wav", "mono.wav", "stereo-0.000-0.050.wav", "stereo-0.050-0.150.wav"]
    assert [done["output"] for done in report["done"]] == [str(tmp_path / "out" / name) for name in names]
    assert [done["duration_s"] for done in report["done"]] == [0.5, 0.6, 0.05, 0.1]
    assert report["done"][3]["input"] == f"{listed.parent / 'stereo.flac'} from 0.05 s"
    assert [failed["input"] for failed in report["failed"]] == [str(listed.parent / "gone.wav")]


def test_a_resumed_run_does_what_is_left(run, model, listed, tmp_path) -> None:
    """A resumed run reports numbers; failed inputs are tried again."""
    words = ("resynth", listed, tmp_path / "out", "--model", model, "--resume")
    first = run(*words, code=1)
    assert first.stdout.splitlines()[0] == "3 done"
    assert "gone.wav: No such file" in first.output
    assert "1 of 4 inputs failed" in first.output
    soundfile.write(listed.parent / "gone.wav", np.zeros(16000), 16000)
    assert run(*words).stdout.splitlines() == ["1 done, 3 already done"]


def test_a_record_belongs_to_a_model_and_its_mels(run, model, make_model, speech, tmp_path) -> None:
    """Another model is refused; the same model from another path continues."""
    out = tmp_path / "out"
    run("resynth", speech, out, "--model", model, "--resume")
    make_model("mel", "convnext", "istft", "center").save_pretrained(tmp_path / "same")
    make_model("mel", "convnext", "istft", "center", seed=1).save_pretrained(tmp_path / "other")
    assert "0 done, 3 already done" in run("resynth", speech, out, "-m", tmp_path / "same", "--resume").output
    result = run("resynth", speech, out, "-m", tmp_path / "other", "--resume", code=2)
    assert "written with other settings: model" in " ".join(result.output.split())


def test_mels_from_a_list(run, model, noise, tmp_path) -> None:
    """Mels from a list are decoded like single files."""
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", noise(12, 50).numpy() - 4)
    (tmp_path / "mels.txt").write_text("a.npy\nb.npy\n")
    run("decode", tmp_path / "mels.txt", tmp_path / "out", "--model", model, "--resume", "--workers", 1)
    run("decode", tmp_path / "a.npy", tmp_path / "alone.wav", "--model", model)
    assert (tmp_path / "out" / "a.wav").read_bytes() == (tmp_path / "alone.wav").read_bytes()


def test_an_exported_file_can_be_resumed(run, model, noise, tmp_path) -> None:
    """An exported file keeps a record like a checkpoint."""
    pytest.importorskip("onnxruntime")
    np.save(tmp_path / "a.npy", noise(12, 50).numpy() - 4)
    run("export", "onnx", tmp_path / "v.onnx", "--model", model)
    words = ("decode", tmp_path / "a.npy", tmp_path / "out", "--model", tmp_path / "v.onnx", "--resume")
    assert run(*words).stdout.splitlines() == ["1 done"]
    assert run(*words).stdout.splitlines() == ["0 done, 1 already done"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--format", "nemmo"), "unknown --format 'nemmo'; available: auto, files, list, nemo"),
        (("--engine", "spark"), "unknown --engine 'spark'"),
        (("--address", "10.0.0.1:6379"), "add --engine ray"),
        (("--workers", "0"), "--workers"),
    ],
)
def test_wrong_options(run, model, speech, tmp_path, options, expected) -> None:
    """Wrong options are an error, and nothing is written."""
    result = run("resynth", speech, tmp_path / "out", "--model", model, *options, code=2)
    assert expected in " ".join(result.output.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_a_record_needs_a_folder(run, model, speech, tmp_path) -> None:
    """A single output file is refused with --resume."""
    result = run("resynth", speech / "mono.wav", tmp_path / "a.wav", "--model", model, "--resume", code=2)
    assert "a.wav is a file" in " ".join(result.output.split())


def test_ray_decodes_by_checkpoints_only(run, model, noise, tmp_path) -> None:
    """Ray's workers do not load exported files."""
    pytest.importorskip("onnxruntime")
    np.save(tmp_path / "a.npy", noise(12, 50).numpy())
    run("export", "onnx", tmp_path / "v.onnx", "--model", model)
    words = ("decode", tmp_path / "a.npy", tmp_path / "out", "--model", tmp_path / "v.onnx", "--engine", "ray")
    assert "only decodes mels with a checkpoint" in " ".join(run(*words, code=2).output.split())
