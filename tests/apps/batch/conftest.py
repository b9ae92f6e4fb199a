"""A small model, recordings of several lengths, and functions to find and run jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vocos_plugins import Vocos
from vocos_plugins.apps.batch.find import find_jobs
from vocos_plugins.apps.batch.jobs import Job, Outcome
from vocos_plugins.apps.batch.naming import Search
from vocos_plugins.apps.batch.pipeline import run
from vocos_plugins.apps.batch.work import Task

RATE = 16000


@pytest.fixture(scope="session")
def model(make_model, tmp_path_factory) -> str:
    """Path of a checkpoint of a few thousand parameters at 16 kHz, 12 bands, hop 16."""
    directory = tmp_path_factory.mktemp("model")
    make_model("mel", "convnext", "istft", "center").save_pretrained(directory)
    return str(directory)


@pytest.fixture(scope="session")
def vocos(model) -> Vocos:
    """That model."""
    return Vocos.from_pretrained(model)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder of 24 recordings of 1 to 1000 ms, every third one in a folder below."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number, n_samples in enumerate(generator.integers(16, RATE, 24)):
        below = folder / "deep" if number % 3 == 0 else folder
        soundfile.write(below / f"{number:02d}.wav", 0.1 * generator.standard_normal(n_samples), RATE)
    return folder


@pytest.fixture
def find(tmp_path: Path) -> Callable[..., list[Job]]:
    """Finds the jobs of inputs; their outputs go to the folder ``out``."""

    def jobs_of(*inputs: object, kind: str = "audio", **options: object) -> list[Job]:
        read = frozenset({".wav", ".flac"} if kind == "audio" else {".npy"})
        search = Search(out=tmp_path / "out", read=read, suffix=".wav", kind=kind, **options)
        return list(find_jobs([str(each) for each in inputs], search))

    return jobs_of


@pytest.fixture(scope="session")
def do() -> Callable[..., dict[str, Outcome]]:
    """Runs the pipeline; returns the outcomes by the names of the outputs."""

    def all_of(jobs: Iterable[Job], task: Task, **options: object) -> dict[str, Outcome]:
        return {outcome.job.target.stem: outcome for outcome in run(jobs, task, **options)}

    return all_of
