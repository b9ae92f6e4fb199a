"""A whole benchmark of a tiny model, its tables, and contestants that aren't available."""

from __future__ import annotations

import dataclasses
import json
import sys

import pytest

from vocos_plugins.apps.bench.contestants import REFERENCE, Contestant, auto_choice
from vocos_plugins.apps.bench.grid import Case, Measurement, measure_grid
from vocos_plugins.apps.bench.report import Plan, Report, as_data, bench
from vocos_plugins.apps.bench.roofline import Limits, Roofline, Stage
from vocos_plugins.apps.bench.tables import LOADED, markdown, ratio, speed_tables, stage_table
from vocos_plugins.apps.bench.timing import Timing
from vocos_plugins.inference.fast.onednn import has_onednn

CASES = (Case(1, 0.1), Case(1, 0.5), Case(3, 0.1))
OURS = Contestant("torch", "float32")


@pytest.fixture(scope="module")
def report(short, make_config) -> Report:
    """A report with every part; the reference isn't available for a ResNet."""
    both = [Contestant(REFERENCE), OURS]
    source = make_config(backbone="resnet")
    plan = Plan(source=source, contestants=both, cases=CASES, n_threads=[1], first_calls=both)
    return bench(plan, lambda _: None)


def test_a_report_holds_every_part(report) -> None:
    """It has the speed of each case, the stages of each precision, and first calls of a short and a longer item."""
    assert [(row.contestant, row.case) for row in report.rows] == [(OURS.name, case) for case in CASES]
    assert [roofline.precision for roofline in report.rooflines] == ["float32"]
    assert [call.audio_seconds for call in report.first_calls] == [0.1, 0.5]
    assert "ConvNeXt" in report.absent["vocos 0.1.0"]
    assert report.parameters > 1000
    assert min(report.limits.bandwidth, *report.limits.peaks.values()) > 1e6


def test_a_report_is_written_as_markdown_and_as_data(report) -> None:
    """Every contestant and case is in the tables; the data survive JSON."""
    text, data = markdown(report), json.loads(json.dumps(as_data(report)))
    for word in ("random weights", "1 x 0.5 s", "3 x 0.1 s", OURS.name, "Not measured: vocos 0.1.0", "GFLOP/s"):
        assert word in text
    assert data["rows"][0]["timing"]["seconds"] == report.rows[0].timing.seconds
    assert data["machine"]["torch"]


def test_the_precision_auto_is_said_with_its_times(report, make_config, monkeypatch) -> None:
    """For a model that the fast kernels compute; a ResNet's modules run it."""
    assert report.choice == auto_choice(make_config(backbone="resnet")) == ""
    monkeypatch.delenv("VOCOS_PLUGINS_PRECISION", raising=False)
    if has_onednn():
        choice = auto_choice(make_config())
        assert choice.partition("; ")[0] in ("float32", "bfloat16")
        assert f"The precision `auto` is {choice}." in markdown(dataclasses.replace(report, choice=choice))


def test_precisions_that_a_machine_lacks_are_reported(short, make_config, monkeypatch) -> None:
    """The other precisions are measured."""
    monkeypatch.setattr("vocos_plugins.inference.backend.has_bfloat16", lambda: False)
    rows, absent = measure_grid([OURS, Contestant("torch", "bfloat16")], make_config(), CASES[:1], 1)
    assert [row.contestant for row in rows] == [OURS.name]
    assert "bfloat16" in absent["torch bfloat16"]


def test_a_package_that_is_missing_is_reported(short, make_config, monkeypatch) -> None:
    """The reason is Python's own import error."""
    monkeypatch.setitem(sys.modules, "vocos", None)
    monkeypatch.delitem(sys.modules, "vocos_plugins.apps.bench.reference", raising=False)
    rows, absent = measure_grid([Contestant(REFERENCE), OURS], make_config(), CASES[:1], 1)
    assert [row.contestant for row in rows] == [OURS.name]
    assert "vocos" in absent["vocos 0.1.0"]


def row(contestant: str, seconds: float, *, n_threads: int = 1, disturbed: bool = False) -> Measurement:
    return Measurement(n_threads, contestant, Case(2, 5), Timing(seconds, seconds, seconds, 1, disturbed))


def test_factors_and_ratios() -> None:
    """A factor is seconds over seconds of audio of all items; a ratio is the speed relative to the first contestant."""
    rows = [row("a", 2), row("b", 0.5)]
    assert rows[0].real_time_factor == 0.2
    assert ratio(rows, "b", "a", Case(2, 5)) == (4, False)
    text = speed_tables([*rows, row("a", 1, n_threads=2), row("b", 0.5, n_threads=2)])
    assert "| b | 0.0500 (4.00) |" in text.split("2 threads")[0]
    assert "| b | 0.0500 (2.00) |" in text.split("2 threads")[1]


def test_what_was_disturbed_is_marked(report) -> None:
    """The mark is in its cell, in the ratios to it, and explained at the top."""
    rows = [row("a", 2, disturbed=True), row("b", 0.5)]
    calm = [dataclasses.replace(call, disturbed=False) for call in report.first_calls]
    report = dataclasses.replace(report, first_calls=calm, rooflines=[])
    text = markdown(dataclasses.replace(report, rows=rows))
    assert "0.2000 (1.00)?" in text
    assert "0.0500 (4.00)?" in text
    assert LOADED in text
    report = dataclasses.replace(report, rows=[row("a", 2)])
    assert LOADED not in markdown(report)
    calls = [dataclasses.replace(calm[0], first=0.06, steady=0.02, disturbed=True)]
    text = markdown(dataclasses.replace(report, first_calls=calls))
    assert LOADED in text
    assert "| 60.0? | 20.0? | 3.0? |" in text


def test_the_share_of_the_peak() -> None:
    """By hand: one second of products took two; a stage without products has no share but counts in the total."""
    stages = {
        "blocks": Stage(seconds=2.0, flops=10**9, bytes=10**6, product_seconds=1.0, limit=1.0),
        "inverse STFT": Stage(seconds=2.0, flops=0, bytes=10**9, product_seconds=0.0, limit=0.5),
    }
    roofline = Roofline("float32", 10.0, stages, {}, False)
    assert (roofline.seconds, roofline.peak_share, roofline.limit_share) == (4.0, 0.25, 0.375)
    lines = stage_table([roofline]).splitlines()
    assert lines[2].endswith("| 50% |")
    assert lines[3].endswith("|  |")
    assert lines[4].endswith("| 25% |")
    disturbed = dataclasses.replace(roofline, disturbed=True)
    assert stage_table([disturbed]).splitlines()[4].endswith("| 25%? |")


def test_limits_are_the_machines(short, make_config, monkeypatch) -> None:
    """A limit is the products at their peak, or the memory if that takes longer; a slow moment doesn't count."""
    from vocos_plugins.apps.bench import roofline

    def with_bandwidth(bytes_per_second: float) -> dict[str, Stage]:
        fast = Limits({"float32": 1e9, "bfloat16": 2e9, "int8": 4e9}, bytes_per_second)
        moments = [Limits(dict.fromkeys(fast.peaks, 1.0), 0.1), fast]
        monkeypatch.setattr(roofline, "measure_limits", lambda: moments.pop(0))
        limits, (result,) = roofline.rooflines(make_config(), 0.5, 1, ("float32",))
        assert limits == fast
        return result.stages

    stages, starved = with_bandwidth(1e12), with_bandwidth(1.0)
    for name, stage in stages.items():
        assert stage.product_seconds == pytest.approx(stage.flops / 1e9)
        assert stage.limit == max(stage.product_seconds, stage.bytes / 1e12)
        assert starved[name].limit == stage.bytes
