"""The documentation's third party: installed by pip, it works like our own adapters."""

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

ROOT = Path(__file__).parents[2]
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
    """A folder into which pip has installed it, from a copy so that building leaves no trace in the checkout."""
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
    """Runs the installed command where the toy is installed too."""

    def run(*arguments: str) -> str:
        command = Path(sys.executable).parent / "vocos"
        environment = dict(os.environ, PYTHONPATH=str(site), VOCOS_PLUGINS_DISABLE="")
        done = subprocess.run([command, *arguments], env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    return run


def test_it_is_listed(vocos_command) -> None:
    """By ``vocos plugins``, with what it offers, its toolkit and the version."""
    (line,) = [line for line in vocos_command("plugins").splitlines() if line.startswith("toy ")]
    assert re.split(r"  +", line) == [
        "toy",
        "loaded",
        "vocos-toy 0.1.0",
        "vocos_mel_conventions, vocos_toolkit_adapter",
    ]


def test_its_convention_is_listed(vocos_command) -> None:
    """By ``vocos conventions``, in the table and by name."""
    (line,) = [line for line in vocos_command("conventions").splitlines() if line.startswith("toytalk-22khz ")]
    assert "20 log10(max(x, 1e-05))" in line
    fields = json.loads(vocos_command("conventions", "toytalk-22khz", "--json"))
    assert (fields["plugin"], fields["log_gain"]) == ("toy", 20.0)


def test_it_vocodes(site, run_python) -> None:
    """``adapt`` gives the toolkit's own kind of object; it sings, and refuses a mel as it is asked to."""
    found = run_python(VOCODE, site)
    before, kind, shape, loudest, error, other, refused = found["result"]
    assert before is False
    assert kind == "ToyVocoder"
    assert shape == [(5 * 8 - 1) * 256]
    assert loudest > 1e-3
    assert error < TOLERANCE
    assert (other, refused) == ("taken", "MelMismatch")
    assert found["warnings"] == []


def test_the_documentation_shows_its_code() -> None:
    """Every piece that docs/plugins.md quotes stands in it like that."""
    document = (ROOT / "docs" / "plugins.md").read_text()
    pieces = re.findall(r"```(?:python|toml)\n(.*?)```", document.split("## Writing one")[1], flags=re.DOTALL)
    sources = [path.read_text() for path in [*TOY.rglob("*.py"), TOY / "pyproject.toml"]]
    assert len(pieces) == 3
    for piece in pieces:
        assert any(piece in source for source in sources), piece


def test_the_documentation_s_example_runs() -> None:
    """The first one, as a user would type it."""
    document = (ROOT / "docs" / "plugins.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", document.split("## Writing one")[0], flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, "plugins.md", "exec"), names)  # noqa: S102
    assert "vocos" in names
