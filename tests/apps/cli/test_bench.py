"""``vocos bench`` on a tiny model, measured in this process."""

from __future__ import annotations

import json
import pickle

import pytest

from vocos_plugins.apps.bench import report, roofline, timing

QUICK = ("--seconds", 0.1, "--batch", 2, "--threads", 1)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of one call; what would go to another process is pickled all the same."""
    monkeypatch.setattr(timing, "TURN_S", 0.0)
    monkeypatch.setattr(timing, "PROBE_SIZE", 16)
    monkeypatch.setattr(roofline, "SIZE", 64)
    monkeypatch.setattr(roofline, "COPIED_BYTES", 2**20)
    monkeypatch.setattr(
        report,
        "in_fresh_process",
        lambda _, function, *args: function(*pickle.loads(pickle.dumps(args))),  # noqa: S301
    )


def test_tables_of_every_precision_and_the_reference(run, model, tmp_path) -> None:
    """The report is printed and written to the file, with its data next to it."""
    out = tmp_path / "speed.md"
    done = run("bench", "--model", model, *QUICK, "--against", "reference", "--out", out)
    assert "times as fast as vocos 0.1.0" in done.stdout
    assert "| torch float32 |" in done.stdout
    assert out.read_text() in done.stdout
    data = json.loads(out.with_suffix(".json").read_text())
    assert {"vocos 0.1.0", "torch float32"} <= {row["contestant"] for row in data["rows"]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["speed.json", "speed.md"]


def test_json_is_one_object(run, model) -> None:
    """JSON has the requested precision and batch size; progress goes to standard error."""
    done = run("bench", "--model", model, *QUICK, "--precision", "float32", "--json")
    rows = json.loads(done.stdout)["rows"]
    assert [(row["contestant"], row["case"]) for row in rows] == [
        ("torch float32", {"batch": 1, "seconds": 0.1}),
        ("torch float32", {"batch": 2, "seconds": 1.0}),
    ]
    assert "first call" in done.stderr


def test_a_backend_that_is_not_installed_is_told(run, model, monkeypatch) -> None:
    """The others are measured; the exit code is 1 if none is left."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    options = (*QUICK, "--precision", "float32", "--backend", "onnxruntime")
    done = run("bench", "--model", model, *options, "--backend", "torch")
    assert "Not measured: onnxruntime float32: onnxruntime is not installed" in done.stdout
    assert "| torch float32 |" in done.stdout
    assert "Not measured" in run("bench", "--model", model, *options, code=1).stdout


def test_wrong_usage(run, model) -> None:
    """Wrong usage is reported before anything is measured."""
    for options, words in (
        (("--precision", "int4"), "unknown precision 'int4'; available: auto, float32"),
        (("--backend", "tvm"), "unknown backend 'tvm'"),
        (("--against", "hifigan"), "--against takes reference"),
        (("--threads", 0), "--threads must be 1 to"),
        (("--seconds", -1), "must be positive"),
        (("--model", "no-such-model"), "can't load"),
    ):
        assert words in run("bench", "--model", model, *options, code=2).output
