"""``vocos conventions``: the table, one by name, and both for scripts."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from vocos_plugins import MelConvention, plugins
from vocos_plugins.mel.known import KNOWN


@pytest.fixture
def rows(run) -> dict[str, list[str]]:
    """The cells of the table."""
    lines = [re.split(r"  +", line) for line in run("conventions").stdout.splitlines()]
    return {line[0]: line for line in lines}


def test_the_table_lists_all(rows) -> None:
    """Each convention has one row, with its plugin and all columns."""
    assert set(rows) == {"name", *plugins.mel_conventions()}
    assert {len(row) for row in rows.values()} == {len(rows["name"])}
    assert {name: row[1] for name, row in rows.items() if name != "name"} == plugins.convention_plugins()


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("hifigan-22khz", "22050|1024/1024/256|80|0-8000|slaney/slaney|ln(max(x, 1e-05))|same|-"),
        ("vocos-24khz", "24000|1024/1024/256|100|0-12000|htk/-|ln(max(x, 1e-07))|center|-"),
        ("parallel-wavegan-libritts", "24000|2048/1200/300|80|80-7600|slaney/slaney|log10(max(x, 1e-10))|center|-"),
        (
            "matcha-tts-ljspeech",
            "22050|1024/1024/256|80|0-8000|slaney/slaney|ln(max(x, 1e-05))|same|-5.53662, 2.1161",
        ),
    ],
)
def test_a_row_says_what_matters(rows, name, cells) -> None:
    """The row has the rate, grid, bands, logarithm with its guard, framing and normalization."""
    assert rows[name][2:] == cells.split("|")


def test_other_kinds_of_level(run_process, tmp_path) -> None:
    """The table shows decibels mapped to a range, a linear mel, an added guard, and statistics per band."""
    info = tmp_path / "kinds-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kinds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vocos_plugins]\nkinds = kinds_plugin\n")
    (tmp_path / "kinds_plugin.py").write_text(
        """
from dataclasses import replace
from vocos_plugins.mel.known import HIFIGAN_22KHZ
from vocos_plugins.mel import LevelNormalization, MeanStdNormalization
from vocos_plugins.plugins import hookimpl

LEVEL = LevelNormalization(ref_level=20.0, min_level=-100.0, max_norm=4.0, symmetric=True, clip=True)

@hookimpl
def vocos_mel_conventions():
    yield replace(HIFIGAN_22KHZ, name="level", log="log10", log_gain=20.0, normalization=LEVEL)
    yield replace(HIFIGAN_22KHZ, name="linear", log=None)
    yield replace(HIFIGAN_22KHZ, name="added", guard="add", guard_value=1.0)
    yield replace(HIFIGAN_22KHZ, name="bands", normalization=MeanStdNormalization(mean=(0.0,) * 80, std=(1.0,) * 80))
"""
    )
    lines = run_process("conventions", env={"PYTHONPATH": str(tmp_path)}).stdout.splitlines()
    rows = {line.split()[0]: re.split(r"  +", line) for line in lines}
    assert rows["level"][7:] == ["20 log10(max(x, 1e-05))", "same", "-80..20 to -4..4, clipped"]
    assert rows["linear"][7] == "x"
    assert rows["added"][7] == "ln(x + 1)"
    assert rows["bands"][9] == "mean, std per band"


def test_one_field_by_field(run) -> None:
    """One convention shows every field of the dataclass, and its source in the core."""
    lines = run("conventions", "hifigan-22khz").stdout.splitlines()
    shown = {line.split()[0]: line.split(maxsplit=1)[1].strip() for line in lines}
    assert {field.name for field in dataclasses.fields(MelConvention)} <= set(shown)
    assert (shown["magnitude_eps"], shown["framing"], shown["pad_value"]) == ("1e-09", "same", "-")
    assert "meldataset.py" in shown["source"]
    assert shown["plugin"] == "core"


def test_json_has_every_field(run) -> None:
    """A script can rebuild the convention from the JSON of one or of all."""
    listed = json.loads(run("conventions", "--json").stdout)["conventions"]
    assert [each["name"] for each in listed] == list(plugins.mel_conventions())
    fields = {field.name for field in dataclasses.fields(MelConvention)}
    assert all(fields <= set(each) for each in listed)
    one = json.loads(run("conventions", "matcha-tts-vctk", "--json").stdout)
    assert one in listed
    assert one["normalization"] == {"kind": "mean-std", "mean": -6.630575, "std": 2.482914}
    assert one["source"] == next(known.source for known in KNOWN if known.mel.name == one["name"])


def test_an_unknown_name_is_wrong_usage(run) -> None:
    """The nearest is suggested."""
    assert "did you mean 'hifigan-22khz'?" in run("conventions", "hifigan-22kHz", code=2).output
