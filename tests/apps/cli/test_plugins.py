"""``vocos plugins``: the installed plugins and their problems."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from vocos_plugins.plugins import plugin_states

GOOD = """
import dataclasses
from vocos_plugins.config import EncodecCodes
from vocos_plugins.mel.known import HIFIGAN_22KHZ
from vocos_plugins.plugins import LazyAdapter, hookimpl

@hookimpl
def vocos_mel_conventions():
    return [dataclasses.replace(HIFIGAN_22KHZ, name="ours", hop_length=HOP)]

@hookimpl
def vocos_toolkit_adapter():
    return LazyAdapter(
        name=__name__, toolkit_module="not_there", distribution="not-there", features=EncodecCodes(), vocoder="nothing"
    )
"""


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Installs plugins from their code; returns the environment of a process that finds them."""

    def write(**plugins: str) -> dict[str, str]:
        for name, code in plugins.items():
            info = tmp_path / f"{name}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(f"[vocos_plugins]\n{name} = {name}_plugin\n")
            (tmp_path / f"{name}_plugin.py").write_text(code)
        return dict(os.environ, PYTHONPATH=str(tmp_path), VOCOS_PLUGINS_DISABLE="")

    return write


def test_a_row_a_plugin(run) -> None:
    """The table has the state, toolkit, version and hooks of each plugin."""
    rows = {line.split()[0]: re.split(r"  +", line) for line in run("plugins").stdout.splitlines()}
    states = plugin_states()
    assert set(rows) == {"plugin", *(state.name for state in states)}
    nemo = next(state for state in states if state.name == "nemo")
    assert rows["nemo"] == ["nemo", "loaded", f"nemo_toolkit {nemo.toolkit_version}", ", ".join(nemo.hooks)]
    assert rows["core"][1:3] == ["loaded", "-"]


def test_json(run) -> None:
    """JSON has the plugins and their problems."""
    found = json.loads(run("plugins", "--json").stdout)
    assert found["problems"] == []
    coqui = next(each for each in found["plugins"] if each["name"] == "coqui")
    assert (coqui["state"], coqui["toolkit_module"], coqui["install"]) == ("loaded", "TTS", None)
    assert coqui["hooks"] == ["vocos_mel_conventions", "vocos_toolkit_adapter"]


def test_how_to_get_a_toolkit(install, run_process) -> None:
    """A missing toolkit does not make its plugin broken."""
    found = run_process("plugins", env=install(fine=GOOD.replace("HOP", "64")))
    assert re.search(r"^fine +loaded +not-there: pip install not-there  ", found.stdout, flags=re.MULTILINE)
    assert found.stderr == ""


def test_a_broken_plugin_is_exit_code_1(install, run_process) -> None:
    """A broken plugin has its reason; the others are listed, and other commands work."""
    environment = install(fine=GOOD.replace("HOP", "64"), bad="raise RuntimeError('on its knees')")
    found = run_process("plugins", env=environment, code=1)
    assert re.search("^bad +broken +-", found.stdout, flags=re.MULTILINE)
    assert re.search("^fine +loaded", found.stdout, flags=re.MULTILINE)
    assert "'bad' (bad_plugin of bad) is skipped: RuntimeError: on its knees" in found.stderr
    assert found.stderr.count("knees") == 1
    others = run_process("conventions", env=environment)
    assert "hifigan-22khz" in others.stdout
    assert "on its knees" in others.stderr


def test_a_contradiction_is_exit_code_1(install, run_process) -> None:
    """Both plugins are named, also by a command that needs the entry on which they contradict each other."""
    environment = install(one=GOOD.replace("HOP", "64"), two=GOOD.replace("HOP", "128"))
    found = run_process("plugins", "--json", env=environment, code=1)
    (problem,) = json.loads(found.stdout)["problems"]
    assert "'one'" in problem
    assert "'two'" in problem
    assert problem in run_process("conventions", env=environment, code=2).stderr
    run_process("conventions", env={**environment, "VOCOS_PLUGINS_DISABLE": "two"})
