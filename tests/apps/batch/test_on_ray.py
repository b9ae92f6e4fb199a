"""A real Ray cluster of three workers on this machine, one of which is killed while it works."""

from __future__ import annotations

import dataclasses
import functools
import gc
import json
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vocos_plugins.apps.batch.jobs import Job, Outcome
from vocos_plugins.apps.batch.remote import resynthesis
from vocos_plugins.apps.batch.work import Resynthesis
from vocos_plugins.apps.cli import app

pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),  # Ray Data's context warns of its own defaults
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),  # Ray's own, when it lets go
]
ray = pytest.importorskip("ray")
N_WORKERS = 3


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Three cores, as Ray counts them, whatever the machine has."""
    import vocos_plugins.apps.batch.on_ray  # noqa: F401  switches Ray's statistics off

    ray.init(num_cpus=N_WORKERS, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
    gc.collect()  # what Ray lets go of warns here, and not in another test


@pytest.fixture
def on_ray(cluster) -> Callable[..., list[Outcome]]:
    """Runs jobs in blocks of two."""
    from vocos_plugins.apps.batch.on_ray import run_on_ray

    def do(jobs: list[Job], build, each=lambda _: None, n_workers: int = N_WORKERS) -> list[Outcome]:
        seen: list[Outcome] = []
        outcomes = []
        for outcome in run_on_ray(iter(jobs), build, seen.append, n_workers=n_workers, block=2):
            outcomes.append(outcome)
            each(outcome)
        assert seen == outcomes
        return outcomes

    return do


@pytest.fixture
def alone(vocos, do, tmp_path) -> Callable[[list[Job]], dict[str, bytes]]:
    """Returns the files that this process writes for jobs, by the outputs' names."""

    def contents(jobs: list[Job]) -> dict[str, bytes]:
        here = [dataclasses.replace(job, target=tmp_path / "alone" / job.target.name) for job in jobs]
        do(here, Resynthesis(vocos))
        return {job.target.name: job.target.read_bytes() for job in here}

    return contents


def watched(model: str, folder: Path) -> Callable[[str], Resynthesis]:
    """Builds a slow task whose process writes down its id; sent to workers by value."""

    def build(device: str) -> Resynthesis:
        (folder / str(os.getpid())).touch()
        task = resynthesis(model, device)
        read = task.windows

        def slowly(job):
            time.sleep(0.05)
            return read(job)

        task.windows = slowly
        return task

    return build


def test_a_killed_worker_loses_nothing(on_ray, alone, model, recordings, find, tmp_path) -> None:
    """Three workers run and one is killed; every output exists and equals that of a single process to the bit."""
    workers = tmp_path / "workers"
    workers.mkdir()
    jobs, killed = find(recordings), []

    def kill(_: Outcome) -> None:
        if not killed:
            killed.append(int(next(workers.iterdir()).name))
            os.kill(killed[0], signal.SIGKILL)

    outcomes = on_ray(jobs, watched(model, workers), kill)
    assert [outcome.error for outcome in outcomes] == [None] * len(jobs)
    assert {outcome.job for outcome in outcomes} == set(jobs)
    assert len(list(workers.iterdir())) == N_WORKERS + 1  # one was started in its place
    assert {job.target.name: job.target.read_bytes() for job in jobs} == alone(jobs)


def test_failures_are_reported(on_ray, model, recordings, find, monkeypatch) -> None:
    """A bad file fails, and so does the block of a job that kills its workers; all other jobs are done."""
    monkeypatch.setattr("vocos_plugins.apps.batch.on_ray.RETRIES", 1)  # a worker takes seconds to start
    jobs = find(recordings)[:6]
    bad = jobs[1].source
    bad.write_bytes(b"garbage")
    deadly = jobs[4].source

    def build(device: str) -> Resynthesis:
        task = resynthesis(model, device)
        read = task.windows

        def deadly_for_one(job):
            if job.source == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            return read(job)

        task.windows = deadly_for_one
        return task

    outcomes = {outcome.job: outcome for outcome in on_ray(jobs, build, n_workers=1)}
    errors = [outcomes[job].error for job in jobs]
    assert "not audio" in errors[1]
    assert [error is None for error in errors] == [True, False, True, True, False, False]
    assert all("its worker died 2 times" in error for error in errors[4:])


def test_the_command(cluster, model, recordings, tmp_path) -> None:
    """``vocos resynth --engine ray`` keeps a record, so a second run has nothing left to do."""
    options = ["--model", model, "--engine", "ray", "--workers", "1", "--json"]
    words = ["resynth", str(recordings), str(tmp_path / "out"), *options]
    first, second = (json.loads(CliRunner().invoke(app, words).stdout) for _ in range(2))
    assert (first["n_done"], first["n_failed"]) == (24, 0)
    assert (second["n_done"], second["n_done_before"]) == (0, 24)


def test_usage_statistics_are_off(cluster) -> None:
    """Ray's usage statistics are off in all of its processes."""
    setting = ray.remote(lambda: os.environ["RAY_USAGE_STATS_ENABLED"])
    assert ray.get(setting.remote()) == "0"


def test_builders_can_be_sent(model) -> None:
    """The command sends a function of the package with strings, which can be pickled."""
    build = functools.partial(resynthesis, model)
    assert pickle.loads(pickle.dumps(build)).args == (model,)  # noqa: S301
