"""What a recipe leaves is heard in the other toolkits, each in a process of its own."""

from __future__ import annotations

import importlib
import os
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
TIMEOUT_S = 300  # of both: a quarter of a minute on an idle machine
# Float32 in two orders of operations; of full scale.
ROUNDING = 1e-5


@pytest.fixture
def assert_same_elsewhere(tmp_path) -> Callable[[Path, Path, Sequence[str]], None]:
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
            processes[toolkit] = subprocess.Popen(
                [sys.executable, str(SCRIPT), toolkit, str(model), str(tmp_path / toolkit)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        for toolkit, process in processes.items():
            output = process.communicate(timeout=TIMEOUT_S)[0]
            assert process.returncode == 0, output[-4000:]
            found = torch.from_numpy(np.load(tmp_path / f"{toolkit}-audio.npy"))
            torch.testing.assert_close(found, expected[toolkit], rtol=0, atol=ROUNDING)

    return check
