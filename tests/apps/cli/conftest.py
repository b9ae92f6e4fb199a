"""A small model on disk, speech-like files, and two ways to run the command: in this process, and as a user does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from vocos_plugins.apps.cli import app

# prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE): the superuser then obeys permissions as everybody does.
DROP_CAPABILITY, DAC_OVERRIDE = 24, 1


@pytest.fixture(scope="session")
def model(make_model, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a checkpoint of a few thousand parameters at 16 kHz, 12 bands."""
    directory = tmp_path_factory.mktemp("model")
    make_model("mel", "convnext", "istft", "center").save_pretrained(directory)
    return str(directory)


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """A folder of three readable files: mono, stereo at another rate, and one below a folder of its own."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    noise = 0.1 * np.random.default_rng(0).standard_normal((9600, 2))
    soundfile.write(folder / "mono.wav", noise[:, 0], 16000)
    soundfile.write(folder / "stereo.flac", noise, 48000)
    soundfile.write(folder / "deep" / "short.ogg", noise[:4000, 0], 8000)
    (folder / "notes.txt").write_text("not audio, and not asked for")
    return folder


@pytest.fixture(scope="session")
def run() -> Callable[..., Result]:
    """Runs the command in this process; an exception that escapes it fails the test."""

    def invoke(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture(scope="session")
def run_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the installed command in a fresh process; ``obey`` makes it heed file permissions even as root."""
    command = shutil.which("vocos", path=str(Path(sys.executable).parent))
    assert command is not None

    def start(*arguments: object, code: int = 0, obey: bool = False, **options: object):
        words = [command, *map(str, arguments)]
        if obey and os.geteuid() == 0:
            drop = f"import ctypes, os; ctypes.CDLL(None).prctl({DROP_CAPABILITY}, {DAC_OVERRIDE})"
            words = [sys.executable, "-c", f"{drop}; os.execv({command!r}, {words!r})"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return start
