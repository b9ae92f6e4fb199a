"""The scripts in ``benchmarks/`` behind the documentation's figures: how they evaluate measurements."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest
import torch

from helpers.paths import ROOT
from vocos_plugins.apps.bench.grid import Case, FirstCall, LongItem, Measurement
from vocos_plugins.apps.bench.report import Report
from vocos_plugins.apps.bench.roofline import Limits
from vocos_plugins.apps.bench.timing import Timing

FOLDER = ROOT / "benchmarks"
CASES = (Case(1, 1), Case(1, 10))


@pytest.fixture
def script(monkeypatch):
    """Imports a script, whose own imports of its neighbours work too."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def load(name: str) -> ModuleType:
        for module in ("speed", "gpu", "side_by_side", "toolkits"):
            monkeypatch.delitem(sys.modules, module, raising=False)
        return importlib.import_module(name)

    return load


def timing(seconds: float, *, disturbed: bool = False) -> Timing:
    return Timing(seconds, seconds, seconds, 1, disturbed)


def make_report(first: float = 2.0, **speeds: float) -> Report:
    """Makes a report of contestants that take fixed seconds whatever the length; the package takes 6."""
    names = {"vocos 0.1.0": 6.0} | {f"torch {precision}": seconds for precision, seconds in speeds.items()}
    return Report(
        model="m",
        parameters=1,
        machine={},
        rows=[Measurement(2, name, case, timing(seconds)) for name, seconds in names.items() for case in CASES],
        absent={},
        limits=Limits({}, 1.0),
        rooflines=[],
        first_calls=[FirstCall("torch auto", 1.0, first, 1.0, False), FirstCall("vocos 0.1.0", 1.0, 9.0, 1.0, False)],
    )


def make_items(seconds: float, peak: float) -> list[LongItem]:
    """Makes items of a minute, which takes a second, and of an hour."""
    return [
        LongItem("torch auto", 60, 1.0, 1e8, 2e8, False),
        LongItem("torch auto", 3600, seconds, 1e8, peak, False),
        LongItem("vocos 0.1.0", 600, 99.0, 1e8, 9e9, False),
    ]


def test_speed_judges_what_was_aimed_at(script) -> None:
    """The worst figure decides each aim; the package's own first call and memory don't count."""
    aims = script("speed").aims
    good = aims({"paper": make_report(float32=4, bfloat16=3, int8=1.5)}, {"small": make_items(60, 5e8)}, {})
    assert [line[1:] for line in good] == [
        ("at least 1.2", "1.5 / 1.5", "yes"),
        ("at least 1.9", "2 / 2", "yes"),
        ("at least 3", "4 / 4", "yes"),
        ("at most 3", "2", "yes"),
        ("at most 1000", "500", "yes"),
        ("at most 1.2", "1", "yes"),
    ]
    bad = aims({"paper": make_report(first=5, float32=6, bfloat16=6)}, {"small": make_items(120, 2e9)}, {})
    assert [line[3] for line in bad] == 6 * ["no"]
    assert bad[2][2] == "not measured"


def test_speed_judges_the_toolkits(script) -> None:
    """Each HiFi-GAN is compared with the model of the aim, disturbed or not."""
    rivals = {"Coqui's HiFi-GAN v1": timing(60, disturbed=True), "Coqui's HiFi-GAN v2": timing(7)}
    times = {"coqui": {CASES[0]: rivals | {"vocos, 13.5 M": timing(2), "vocos small, 3.6 M": timing(1)}}}
    lines = {line[0]: line[1:] for line in script("speed").aims({"paper": make_report()}, {}, times)}
    assert lines["vocos, 13.5 M: times as fast as Coqui's HiFi-GAN v1"] == ("at least 25", "30?", "yes")
    assert lines["vocos small, 3.6 M: times as fast as Coqui's HiFi-GAN v1"] == ("at least 60", "60?", "yes")
    assert lines["vocos small, 3.6 M: times as fast as Coqui's HiFi-GAN v2"] == ("at least 8", "7", "no")


def test_side_by_side_times_and_weighs(script, monkeypatch) -> None:
    """A contestant that does nine times the work takes about nine times as long; a checkpoint has its size."""
    side_by_side = script("side_by_side")
    matrix = torch.ones(300, 300)

    def build(name):
        return (lambda count: [matrix @ matrix for _ in range(count * int(name))]), torch.nn.Linear(500, 500)

    times = side_by_side.time_all(build, ["1", "9"], lambda batch, seconds: round(batch * seconds), [Case(10, 1)], 1)
    (ratio,) = side_by_side.ratios(times, "9", "1")
    assert 4 < float(ratio.rstrip("?")) < 20
    memory, size = side_by_side.weigh(build, "1", lambda *_: 1, 1)
    assert memory >= 0
    assert size == pytest.approx(4 * 500 * 501 / 1e6, rel=0.02)


def test_side_by_side_reports_what_is_not_installed(script, monkeypatch) -> None:
    """The reason replaces the table."""
    side_by_side = script("side_by_side")

    def absent(*_args):
        raise ModuleNotFoundError("No module named 'TTS'")

    monkeypatch.setattr(side_by_side, "in_fresh_process", absent)
    options = type("Options", (), {"threads": 1, "cases": CASES})
    lines = list(side_by_side.compare(None, None, ["Coqui's HiFi-GAN v1"], ["vocos"], options))
    assert lines == ["Not measured: Coqui's HiFi-GAN v1: No module named 'TTS'."]


def test_gpu_runs_on_a_cpu(script, monkeypatch, capsys, tmp_path) -> None:
    """With a tiny model all contestants are measured, and bfloat16 is close to float32."""
    gpu = script("gpu")
    monkeypatch.setattr("vocos_plugins.apps.bench.timing.TURN_S", 0.0)
    options = ["--device", "cpu", "--dim", "16", "--layers", "1", "--seconds", "0.1", "--batch", "2"]
    monkeypatch.setattr(sys, "argv", ["gpu.py", *options, "--out", str(tmp_path / "gpu.md")])
    precision = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        gpu.main()
    finally:
        torch.set_float32_matmul_precision(precision[0])
        torch.backends.cudnn.allow_tf32 = precision[1]
    text = capsys.readouterr().out
    for name in ("vocos 0.1.0, float32", "HiFi-GAN v1, TF32", "ours, bfloat16"):
        assert f"| {name} |" in text
    error = float(next(line for line in text.splitlines() if "ours, bfloat16" in line).split("|")[-2])
    assert 20 < error < 100
    assert (tmp_path / "gpu.md").read_text().strip() == text.strip()
    assert (tmp_path / "gpu.json").exists()
