"""A run of a few thousand parameters on two short clips, and the command that trains it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

RATE = 16000


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two clips of two seconds: harmonic tones that glide, over a little noise."""
    folder = tmp_path_factory.mktemp("clips")
    time = np.arange(2 * RATE) / RATE
    for number, pitch in enumerate((110.0, 170.0)):
        phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.2 * np.sin(3 * time))) / RATE
        voice = sum(np.sin(k * phase) / k for k in range(1, 12))
        noise = np.random.default_rng(number).standard_normal(len(time))
        soundfile.write(folder / f"{number}.wav", 0.2 * voice * (1 + np.sin(5 * time)) / 2 + 0.01 * noise, RATE)
    return folder


@pytest.fixture(scope="session")
def make_mapping(clips: Path) -> Callable[..., dict[str, Any]]:
    """Makes a training configuration of plain values; keyword arguments change some, as in ``run__max_steps=5``."""

    def make(**changes: Any) -> dict[str, Any]:
        mapping: dict[str, Any] = {
            "model": {
                "features": {
                    "kind": "mel",
                    "sample_rate": RATE,
                    "n_fft": 512,
                    "win_length": 512,
                    "hop_length": 128,
                    "n_mels": 40,
                },
                "backbone": {"kind": "convnext", "dim": 24, "intermediate_dim": 48, "num_layers": 2},
                "head": {"kind": "istft", "n_fft": 512, "hop_length": 128},
            },
            "data": {"train": [str(clips)], "num_samples": 4096, "batch_size": 4, "num_workers": 0},
            "discriminators": {
                "periods": [2, 3],
                "period_channels": [4, 8],
                "n_ffts": [256],
                "resolution_channels": 4,
            },
            "losses": {"mel_resolutions": [[512, 128, 40]]},
            "optimization": {"learning_rate": 2e-3},
            "run": {"max_steps": 8, "accelerator": "cpu", "devices": 1, "log_every": 1},
        }
        for path, value in changes.items():
            *sections, key = path.split("__")
            part = mapping
            for section in sections:
                part = part[section]
            part[key] = value
        return mapping

    return make


@pytest.fixture(scope="session")
def start_training() -> Callable[..., subprocess.Popen[str]]:
    """Starts ``vocos train`` in its own process."""
    command = shutil.which("vocos", path=str(Path(sys.executable).parent))
    assert command is not None

    def start(mapping: dict[str, Any], out: Path) -> subprocess.Popen[str]:
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.yaml").write_text(yaml.safe_dump(mapping, sort_keys=False))
        return subprocess.Popen(
            [command, "train", str(out / "config.yaml"), "--out", str(out)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )

    return start


@pytest.fixture(scope="session")
def stop_training() -> Callable[[subprocess.Popen[str], Path], str]:
    """Ends a training and its loaders with SIGTERM, as schedulers do, once a file is saved; returns its output."""

    def stop(process: subprocess.Popen[str], saved: Path) -> str:
        deadline = time.monotonic() + 120
        while not saved.exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGTERM)
        output: str = process.communicate(timeout=60)[0]
        assert process.returncode == 0, output
        return output

    return stop


@pytest.fixture(scope="session")
def run_training(start_training) -> Callable[[dict[str, Any], Path], None]:
    """Trains to the end in its own process."""

    def run(mapping: dict[str, Any], out: Path) -> None:
        process = start_training(mapping, out)
        output = process.communicate(timeout=300)[0]
        assert process.returncode == 0, output

    return run
