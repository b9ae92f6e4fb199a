"""The README's examples run, and the commands that it names exist."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.paths import ROOT

README = (ROOT / "README.md").read_text()
ADAPTERS = ROOT / "adapters"
TOOLKITS = README[README.index("## Use it in your toolkit") : README.index("## Mels from other programs")]
PYTHON = re.findall(r"(?<!-->\n)```python\n(.*?)```", README.replace(TOOLKITS, ""), flags=re.DOTALL)


def test_there_are_examples() -> None:
    """The pattern above finds the examples."""
    assert len(PYTHON) >= 2


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the only file that the examples read."""
    soundfile.write(tmp_path / "speech.wav", 0.1 * np.sin(np.arange(22050) / 20), 22050)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python_examples_run(workplace: Path) -> None:
    """The examples run in order, as one session."""
    names: dict[str, object] = {}
    for example in PYTHON:
        exec(compile(example, "README.md", "exec"), names)  # noqa: S102


def test_commands_exist() -> None:
    """Every ``vocos`` subcommand and make target that the README names exists."""
    import typer.main

    from vocos_plugins.apps.cli import app

    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"^(?:    )?vocos ([a-z]+)", README, flags=re.MULTILINE))
    assert named
    assert named <= known
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", README)) <= targets


@pytest.mark.parametrize("toolkit", ["speechbrain", "nemo", "coqui", "bark"])
def test_toolkits_examples_are_the_adapters_own(toolkit: str) -> None:
    """Each example is also in the adapter's README, whose examples tests/adapters run with the toolkit."""
    adapter = (ADAPTERS / f"vocos_{toolkit}" / "README.md").read_text()
    examples = re.findall(r"```(?:python|sh)\n(.*?)```", TOOLKITS, flags=re.DOTALL)
    assert len(examples) == 4
    assert sum(example in adapter for example in examples) == 1
