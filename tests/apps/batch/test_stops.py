"""A run that is killed at any moment can continue: no output is partial, done twice or missing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vocos_plugins.apps.batch.record import DONE, LOCK

N_FILES = 120
N_STOPS = 4
PATIENCE_S = 600  # of a busy machine


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A hundred and twenty recordings of up to two seconds."""
    folder = tmp_path_factory.mktemp("many")
    generator = np.random.default_rng(0)
    for number, n_samples in enumerate(generator.integers(100, 32000, N_FILES)):
        soundfile.write(folder / f"{number:03d}.flac", 0.1 * generator.standard_normal(n_samples), 16000)
    return folder


@pytest.fixture
def command(model, folder) -> list[str]:
    """The command without its output folder."""
    vocos = shutil.which("vocos", path=str(Path(sys.executable).parent))
    assert vocos is not None
    return [vocos, "resynth", str(folder), "--model", model, "--resume", "--json"]


def n_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_when(process: subprocess.Popen, record: Path, wanted: int, delay_s: float) -> None:
    """Ends a process by SIGKILL a moment after its record has ``wanted`` lines."""
    started = time.monotonic()
    while n_lines(record) < wanted:
        assert process.poll() is None, "it ended before it was to be killed"
        assert time.monotonic() - started < PATIENCE_S
        time.sleep(0.002)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_killed_runs_go_on(command, folder, tmp_path) -> None:
    """After kills at random moments, every file equals that of an uninterrupted run, and is recorded once."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    chance = np.random.default_rng(0)
    out = tmp_path / "killed"
    for stop in range(N_STOPS):
        wanted = 2 + stop * N_FILES // N_STOPS // 2 + int(chance.integers(N_FILES // N_STOPS // 2))
        process = subprocess.Popen([*command, str(out)], env=environment, stdout=subprocess.DEVNULL)
        kill_when(process, out / DONE, wanted, chance.random() * 0.02)
        for path in out.glob("*.wav"):  # a file with its final name is complete
            assert soundfile.info(path).frames == soundfile.info(folder / f"{path.stem}.flac").frames
    last = subprocess.run([*command, str(out)], env=environment, check=True, capture_output=True)
    numbers = json.loads(last.stdout)
    assert numbers["n_done_before"] > N_FILES // 4
    assert numbers["n_done"] == N_FILES - numbers["n_done_before"] > 0
    whole = tmp_path / "whole"
    subprocess.run([*command, str(whole)], env=environment, check=True, capture_output=True)
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in whole.iterdir())
    for path in whole.glob("*.wav"):
        assert (out / path.name).read_bytes() == path.read_bytes()
    outputs = [json.loads(line)["output"] for line in (out / DONE).read_text().splitlines()[1:]]
    assert sorted(outputs) == sorted(path.name for path in whole.glob("*.wav"))
    assert {path.name for path in out.iterdir() if path.suffix != ".wav"} == {DONE, LOCK}
