"""Quality tables state the weights and the number of passes that they were measured with.

Speed tables depend on the machine, so only their rows are checked.
"""

from __future__ import annotations

import importlib
import re
from types import ModuleType
from typing import get_args

import pytest

from helpers.paths import ROOT
from vocos_plugins import Vocos
from vocos_plugins.apps.bench.contestants import list_contestants
from vocos_plugins.inference.backend import BackendName
from vocos_plugins.inference.certificate import fingerprint

BUNDLED = "vocos-mel-22khz-small"
MARK = re.compile(r"^<!-- measured with (\S+) (\w+), (\d+) passes -->$", re.MULTILINE)
MEASURED = {f"docs/{page}.md": [BUNDLED] for page in ("alignment", "checkpoints", "export", "performance", "streaming")}
MEASURED["docs/recipes.md"] = [BUNDLED, BUNDLED]
MEASURED["README.md"] = [BUNDLED, "vocos-mel-16khz-small"]


@pytest.mark.parametrize(("page", "names"), MEASURED.items())
def test_measured_with_what_ships(page, names) -> None:
    """If the weights or the number of passes change, the command next to each table has to be run again."""
    assert MARK.findall((ROOT / page).read_text()) == [as_it_ships(name) for name in names]


def as_it_ships(name: str) -> tuple[str, str, str]:
    vocos = Vocos.from_pretrained(name)
    return name, fingerprint(vocos)[:12], str(vocos.config.head.refinement_steps)


@pytest.fixture
def toolkits(monkeypatch) -> ModuleType:
    """The benchmark of the toolkits' pipelines."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("toolkits")


def test_speeds_in_the_toolkits_are_of_those_that_the_script_measures(toolkits) -> None:
    """The table has the benchmark's rows, in its order; the times depend on the machine."""
    expected = [(rival, ours) for rivals in toolkits.RIVALS.values() for rival in rivals for ours in toolkits.OURS]
    rows = re.findall(r"^\| (\S+ HiFi-GAN v\d) \| ([^|]+?) \|", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert rows == expected


def test_the_headline_quotes_the_table() -> None:
    """The README's first screen states the range of the bundled model's ratios to HiFi-GAN v1."""
    text = (ROOT / "README.md").read_text()
    rows = re.findall(r"^\| \S+ HiFi-GAN v1 \| vocos small, [^|]+\|((?: [\d.]+ \|)+)", text, flags=re.MULTILINE)
    ratios = [float(ratio) for row in rows for ratio in re.findall(r"[\d.]+", row)]
    assert len(ratios) == 15
    assert f"{min(ratios):.0f} to {max(ratios):.0f} times as fast" in text


def test_real_time_factors_are_of_those_that_can_be_measured() -> None:
    """The tables have every backend in every precision, for both sizes; without refinement, only ours."""
    text = (ROOT / "docs" / "performance-tables.md").read_text()
    tables = re.findall(r"^\| vocos 0\.1\.0 \| [\d.]+ \(1\.00\).*\n((?:\|.*\n)+)", text, flags=re.MULTILINE)
    contestants = [each.name for each in list_contestants(get_args(BackendName))]
    measured = [re.findall(r"^\| (\S+ \S+) \|", table, flags=re.MULTILINE) for table in tables]
    assert measured == [contestants, contestants, [name for name in contestants if name.startswith("torch")]]
