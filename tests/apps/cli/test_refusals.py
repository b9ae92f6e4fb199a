"""What the system refuses ends any command with one line and no traceback, and leaves no half of a file."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import pytest
import yaml


@pytest.fixture
def commands(model, speech, tmp_path) -> dict[str, list[object]]:
    """Every command that writes OUT, without it."""
    np.save(tmp_path / "a.npy", np.full((12, 40), -5, np.float32))
    stored = yaml.safe_load(Path(model, "config.yaml").read_text())
    parts = {key: stored[key] for key in ("features", "backbone", "head")}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump({"data": {"train": [str(speech)]}, "model": parts}))
    return {
        "resynth": ["resynth", speech, "-m", model],
        "resume": ["resynth", speech, "-m", model, "--resume"],
        "decode": ["decode", tmp_path / "a.npy", "-m", model],
        "train": ["train", tmp_path / "train.yaml", "-o"],
        "onnx": ["export", "onnx", "-m", model],
        "openvino": ["export", "openvino", "-m", model],
        "speechbrain": ["export", "speechbrain"],
        "coqui": ["export", "coqui"],
        "eval": ["eval", model, "--data", speech, "--measure", "pesq", "-o"],
        "demo": ["demo", "-m", model],
        "bench": ["bench", "-m", model, "--seconds", "0.1", "--batch", "1", "--threads", "1", "-o"],
        "convert": ["convert", f"{model}/model.safetensors", "-c", f"{model}/config.yaml"],
    }


NAMES = ("resynth", "resume", "decode", "train", "onnx", "openvino", "speechbrain", "coqui", "eval", "demo", "bench")


@pytest.mark.parametrize("name", [*NAMES, "convert"])
def test_out_below_a_file(run, commands, tmp_path, name) -> None:
    """An OUT in a folder that is a file: the error names it."""
    (tmp_path / "file").write_text("x")
    code = 2 if name not in ("resynth", "decode", "bench") else 1
    out = tmp_path / "file" / ("x.onnx" if name == "onnx" else "x")
    result = run(*commands[name], out, code=code)
    lines = [line for line in result.output.splitlines() if line.strip()]
    assert str(tmp_path / "file") in result.output
    assert "Errno" not in result.output
    assert "defect" not in result.output
    assert len(lines) <= 5
    assert (tmp_path / "file").read_text() == "x"


def test_a_disk_that_is_full(run_process, commands, tmp_path) -> None:
    """Files may grow to 1000 bytes: the commands say so, and no partial file remains."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    for name in ("resynth", "openvino"):
        out = tmp_path / f"out-{name}"
        result = run_process(*commands[name], out, code=1 if name == "resynth" else 2, preexec_fn=limit)
        assert "File too large" in result.stderr or "is the disk full?" in result.stderr
        assert not [path for path in out.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "arguments",
    [
        ("doctor", "~nosuch", "vocos-22khz"),
        ("doctor", "vocos-22khz", "~nosuch/model"),
        ("doctor", "--mel", "~nosuch/a.npy"),
        ("export", "coqui", "OUT", "--tts", "~nosuch/config.json"),
        ("export", "onnx", "OUT.onnx", "-m", "~nosuch/model"),
        ("decode", "a.npy", "OUT", "--source", "~nosuch/config.yaml"),
        ("train", "~nosuch/train.yaml"),
    ],
)
def test_a_home_that_is_nobody_s(run, tmp_path, monkeypatch, arguments) -> None:
    """``~nosuch`` is then a name like any other, as it is for a shell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = run(*arguments, code=2)
    assert "~nosuch" in result.output
    assert "home directory" not in result.output


def test_json_reports_the_refusal(run, commands, tmp_path) -> None:
    """With ``--json`` the failure is in the report."""
    (tmp_path / "file").write_text("x")
    result = run(*commands["decode"], tmp_path / "file" / "x", "--json", code=1)
    assert "Not a directory" in json.loads(result.stdout)["failed"][0]["error"]
