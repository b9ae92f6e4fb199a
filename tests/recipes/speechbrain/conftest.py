"""A few clips, and the recipe's scripts in their own processes."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from helpers.paths import ROOT

RECIPE = ROOT / "recipes" / "speechbrain"
RATE = 22050
TINY = {
    "device": "cpu",
    "dim": "24",
    "intermediate_dim": "48",
    "num_layers": "2",
    "discriminators": (
        "{periods: '(2, 3)', period_channels: '(4, 8)', n_ffts: '(256, 512)', resolution_channels: 4,"
        " frequency_strides: '(1, 2, 2, 2, 1)', hop_factor: 0.25}"
    ),
    "batch_size": "1",
    "num_workers": "0",
    "segment_size": "4096",
    "learning_rate": "0.002",
    "use_tensorboard": "False",
    "measures": "[]",
    "train_dataloader_opts": "{num_workers: 0}",
    "valid_dataloader_opts": "{num_workers: 0}",
    "test_dataloader_opts": "{num_workers: 0}",
}


@pytest.fixture(scope="session")
def recipe() -> Path:
    """The recipe's folder."""
    return RECIPE


@pytest.fixture
def recipe_module(monkeypatch) -> Iterator[Callable[[str], ModuleType]]:
    """Imports a module of the recipe by its name, and forgets it afterwards: other recipes have the same names."""
    monkeypatch.syspath_prepend(str(RECIPE))
    names = [path.stem for path in RECIPE.glob("*.py")]
    others = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(others)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory) -> Path:
    """Six clips of 1.5 seconds in LJSpeech's layout: harmonic tones that glide, over a little noise."""
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "wavs").mkdir()
    time = np.arange(int(1.5 * RATE)) / RATE
    for number in range(6):
        phase = 2 * np.pi * np.cumsum((110 + 20 * number) * (1 + 0.2 * np.sin(3 * time))) / RATE
        voice = sum(np.sin(k * phase) / k for k in range(1, 12))
        noise = np.random.default_rng(number).standard_normal(len(time))
        audio = 0.2 * voice * (1 + np.sin(5 * time)) / 2 + 0.01 * noise
        soundfile.write(folder / "wavs" / f"LJ00{number}.wav", audio, RATE)
    lines = [f"LJ00{number}|Lamb {number}.|Mary had a little lamb." for number in range(6)]
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="session")
def start(data_folder, start_process) -> Callable[..., subprocess.Popen[str]]:
    """Starts train.py on a configuration; keyword arguments are overrides, None drops one of the tiny model's."""

    def begin(
        out: Path, config: str = "vocos.yaml", launcher: Sequence[str] = (), **overrides: object
    ) -> subprocess.Popen[str]:
        given = {"data_folder": data_folder, "output_folder": out, **TINY, **overrides}
        options = [word for name, value in given.items() if value is not None for word in (f"--{name}", value)]
        return start_process(*launcher, RECIPE / "train.py", RECIPE / "hparams" / config, *options)

    return begin


@pytest.fixture(scope="session")
def train(start, finish_process) -> Callable[..., str]:
    """Trains to the end; returns the output."""
    return lambda *args, **overrides: finish_process(start(*args, **overrides))


@pytest.fixture(scope="session")
def refuse(start, finish_process) -> Callable[..., str]:
    """Expects that a training fails; returns the output."""
    return lambda *args, **overrides: finish_process(start(*args, **overrides), fails=True)


@pytest.fixture(scope="session")
def losses() -> Callable[[Path], list[float]]:
    """Reads the mel distances of a run's validations, in order."""

    def read(out: Path) -> list[float]:
        log = out / "train_log.txt"
        lines = log.read_text().splitlines() if log.exists() else []
        return [float(line.split("valid mel_distance: ")[1].split(",")[0]) for line in lines if "valid mel" in line]

    return read


@pytest.fixture(scope="session")
def trained(train, tmp_path_factory) -> Path:
    """An uninterrupted run of 24 steps, six epochs, with TensorBoard; tests must not write to it."""
    out = tmp_path_factory.mktemp("trained") / "run"
    train(out, max_steps=24, use_tensorboard=True, measures="[stoi]")
    return out
