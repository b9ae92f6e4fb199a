"""Recipes' scripts in processes of their own; and what they leave, heard in the other toolkits."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.frames import decode_frames

SCRIPT = Path(__file__).parent / "export_and_speak.py"
TIMEOUT_S = 300  # of a process: twenty seconds at most on an idle machine
# Float32 in two orders of operations; of full scale.
ROUNDING = 1e-5


@pytest.fixture(scope="session")
def start_process() -> Callable[..., subprocess.Popen[str]]:
    """Starts Python on some arguments, of one thread and without the network; its group's number is its own."""

    def start(*arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )

    return start


@pytest.fixture(scope="session")
def finish_process() -> Callable[..., str]:
    """Waits for the end of a process, which must be a good one; gives what it printed. One that hangs is killed."""

    def finish(process: subprocess.Popen[str], *, fails: bool = False) -> str:
        try:
            output = process.communicate(timeout=TIMEOUT_S)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert (process.returncode != 0) is fails, output[-8000:]
        return output

    return finish


@pytest.fixture
def assert_same_elsewhere(tmp_path, start_process, finish_process) -> Callable[[Path, Path, Sequence[str]], None]:
    """Exports a model to toolkits by the command; each must make the same audio of its own mel as the model itself."""

    def check(model: Path, recording: Path, toolkits: Sequence[str]) -> None:
        samples, rate = soundfile.read(recording, dtype="float32")
        vocos, expected, processes = Vocos.from_pretrained(model), {}, {}
        for toolkit in toolkits:
            convention = importlib.import_module(f"vocos_{toolkit}.mel").DEFAULT
            assert convention.sample_rate == rate
            mel = MelSpectrogram(convention)(torch.from_numpy(samples)[None])
            np.save(tmp_path / f"{toolkit}.npy", mel.numpy())
            expected[toolkit] = decode_frames(vocos, mel, source=convention)
            processes[toolkit] = start_process(SCRIPT, toolkit, model, tmp_path / toolkit)
        for toolkit, process in processes.items():
            finish_process(process)
            found = torch.from_numpy(np.load(tmp_path / f"{toolkit}-audio.npy"))
            torch.testing.assert_close(found, expected[toolkit], rtol=0, atol=ROUNDING)

    return check
