"""The command as a whole: help, version, demo and convert."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import vocos_plugins
from vocos_plugins.apps.cli.app import show_warning


def test_version(run) -> None:
    """``--version`` prints the package's version."""
    assert vocos_plugins.__version__ in run("--version").output


@pytest.mark.parametrize("command", ["demo", "resynth", "decode", "convert", "eval", "train", "conventions", "plugins"])
def test_every_command_has_help(run, command) -> None:
    """Every command has help, and the overview lists it."""
    assert command in run("--help").output
    assert "Usage" in run(command, "--help").output


def test_python_m_runs_the_command() -> None:
    """``python -m vocos_plugins`` runs in a fresh process and calls itself ``vocos``."""
    code = [sys.executable, "-m", "vocos_plugins"]
    done = subprocess.run([*code, "--help"], capture_output=True, text=True, check=True)
    assert "Usage: vocos [OPTIONS] COMMAND" in done.stdout
    done = subprocess.run([*code, "sing"], capture_output=True, text=True, check=False)
    assert (done.returncode, "No such command" in done.stderr) == (2, True)


def test_unknown_command(run) -> None:
    """An unknown command is wrong usage."""
    assert "No such command" in run("sing", code=2).output


def test_help_loads_only_what_it_needs() -> None:
    """Readers of audio and the Hugging Face hub's client are imported by the commands that use them."""
    code = "import sys, vocos_plugins.apps.cli; print('soundfile' in sys.modules, 'huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_demo_writes_its_page(run_process, tmp_path) -> None:
    """The page has the shipped clips, vocoded with the bundled model in a fresh process."""
    done = run_process("demo", tmp_path / "demo")
    assert "report.html" in done.stdout
    assert "<audio" in (tmp_path / "demo" / "report.html").read_text()


def test_demo_into_a_file_is_wrong_usage(run, model, tmp_path) -> None:
    """A file in place of the output folder is not overwritten."""
    (tmp_path / "demo").write_text("mine")
    assert "can't write the report" in run("demo", tmp_path / "demo", "--model", model, code=2).output
    assert (tmp_path / "demo").read_text() == "mine"


def test_convert_names_what_is_wrong(run, tmp_path) -> None:
    """A checkpoint without a generator is an error, not a silent vocoder."""
    torch.save({"state_dict": {"multiperioddisc.weight": torch.zeros(1)}}, tmp_path / "a.ckpt")
    (tmp_path / "a.yaml").write_text("model: {}")
    result = run("convert", tmp_path / "a.ckpt", tmp_path / "out", "--config", tmp_path / "a.yaml", code=2)
    assert "a.yaml" in result.output or "a.ckpt" in result.output
    assert not (tmp_path / "out").exists()


def test_warnings_are_sentences(run_process, tmp_path) -> None:
    """A user sees what a warning says, not the line of this package that it comes from."""
    arguments = ("export", "speechbrain", tmp_path / "out", "--tts", "vocos-24khz")
    lines = run_process(*arguments).stderr.splitlines()
    assert [line for line in lines if line.startswith("warning: lossy mel conversion from vocos-24khz to vocos-22khz")]
    assert not [line for line in lines if ".py:" in line or "adapter.export" in line]


def test_other_packages_warnings_have_their_line(capsys) -> None:
    """They are written for programmers, as Python shows them."""
    show_warning(DeprecationWarning("gone"), DeprecationWarning, "/lib/other.py", 3)
    show_warning(UserWarning("note"), UserWarning, "/lib/vocos_plugins/training/run.py", 3)
    assert capsys.readouterr().err.splitlines() == ["/lib/other.py:3: DeprecationWarning: gone", "warning: note"]
