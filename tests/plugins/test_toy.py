"""The documentation's example plugin: installed by pip, it works like our own adapters."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.paths import ROOT

TOY = ROOT / "docs" / "examples" / "vocos-toy"
TOLERANCE = 1e-5  # of the loudest sample: decibels to nepers and back in double precision, decoded in float32
VOCODE = f"""
import math, sys, torch
from vocos_plugins import Vocos, adapt, plugins

adapter = plugins.toolkit_adapters()["toy"]
before = "toytalk" in sys.modules
vocos = Vocos.from_pretrained("vocos-mel-22khz-small")
wrapped = adapt(vocos, "toy", strict=True)
import toytalk
singer = toytalk.Singer(wrapped)
audio = singer.sing("hello")
expected = vocos.decode(singer.frames("hello").T[None] * {math.log(10) / 20})[0]
try:
    adapt(vocos, "toy", source=plugins.mel_conventions()["hifigan-22khz"])
    other = "taken"
    adapt(vocos, "toy", source=plugins.mel_conventions()["espnet-libritts"], strict=True)
except ValueError as error:
    refused = type(error).__name__
error = float((audio - expected).abs().max() / expected.abs().max())
result = [before, type(wrapped).__name__, list(audio.shape), float(audio.abs().max()), error, other, refused]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip installed it, from a copy, so that the build leaves no files in the checkout."""
    folder = tmp_path_factory.mktemp("toy")
    shutil.copytree(TOY, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        *isolation,
    ]
    subprocess.run([*command, "--target", str(folder / "site"), str(folder / "source")], check=True)
    return folder / "site"


@pytest.fixture(scope="module")
def vocos_command(site):
    """Runs the installed command with the toy plugin on the path."""

    def run(*arguments: str) -> str:
        command = Path(sys.executable).parent / "vocos"
        environment = dict(os.environ, PYTHONPATH=str(site), VOCOS_PLUGINS_DISABLE="")
        done = subprocess.run([command, *arguments], env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    return run


def test_it_is_listed(vocos_command) -> None:
    """``vocos plugins`` lists it with its hooks, its distribution and the version."""
    (line,) = [line for line in vocos_command("plugins").splitlines() if line.startswith("toy ")]
    assert re.split(r"  +", line) == [
        "toy",
        "loaded",
        "vocos-toy 0.1.0",
        "vocos_mel_conventions, vocos_toolkit_adapter",
    ]


def test_its_convention_is_listed(vocos_command) -> None:
    """``vocos conventions`` lists it in the table and prints it by name."""
    (line,) = [line for line in vocos_command("conventions").splitlines() if line.startswith("toytalk-22khz ")]
    assert "20 log10(max(x, 1e-05))" in line
    fields = json.loads(vocos_command("conventions", "toytalk-22khz", "--json"))
    assert (fields["plugin"], fields["log_gain"]) == ("toy", 20.0)


def test_it_vocodes(site, run_python) -> None:
    """``adapt`` returns the toolkit's own kind of object, which decodes; strict mode refuses a lossy mel."""
    outcome = run_python(VOCODE, site)
    before, kind, shape, loudest, error, other, refused = outcome["result"]
    assert before is False
    assert kind == "ToyVocoder"
    assert shape == [(5 * 8 - 1) * 256]
    assert loudest > 1e-3
    assert error < TOLERANCE
    assert (other, refused) == ("taken", "MelMismatch")
    assert outcome["warnings"] == []


def test_the_documentation_shows_its_code() -> None:
    """Every piece of code in docs/plugins.md is in the plugin's sources, word by word."""
    document = (ROOT / "docs" / "plugins.md").read_text()
    pieces = re.findall(r"```(?:python|toml)\n(.*?)```", document.split("## Writing one")[1], flags=re.DOTALL)
    sources = [path.read_text() for path in [*TOY.rglob("*.py"), TOY / "pyproject.toml"]]
    assert len(pieces) == 3
    for piece in pieces:
        assert any(piece in source for source in sources), piece


def test_the_documentation_s_example_runs() -> None:
    """The first example runs as a user would type it."""
    document = (ROOT / "docs" / "plugins.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", document.split("## Writing one")[0], flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, "plugins.md", "exec"), names)  # noqa: S102
    assert "vocos" in names
