"""Reading, computing and writing concurrently: the same results as alone, bounded memory, separate failures."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vocos_plugins.apps.batch import pipeline
from vocos_plugins.apps.batch.jobs import Job, Outcome
from vocos_plugins.apps.batch.work import Decoding, Resynthesis, StreamedTask
from vocos_plugins.inference.windows import Window

PATIENCE_S = 300  # only a failure takes so long
QUANTA = 3 / 2**15  # of 16 bits: rounding of the file, and of pieces that are computed in another order


@pytest.fixture
def two_threads():
    """Two torch threads, which the pipeline uses."""
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def written_audio(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0].T


@pytest.mark.usefixtures("two_threads")
def test_each_recording_equals_its_own_decode(vocos, recordings, find, do) -> None:
    """The audio does not depend on the other recordings."""
    jobs = find(recordings)
    outcomes = do(jobs, Resynthesis(vocos))
    assert len(outcomes) == 24
    torch.set_num_threads(1)  # a busy machine waits long for a second one
    for job in jobs:
        audio = torch.from_numpy(soundfile.read(job.source, dtype="float32")[0])[None]
        expected = vocos(audio, length=audio.shape[1]).clamp(-1, 1).numpy()
        assert np.abs(written_audio(job.target) - expected).max() <= QUANTA
        assert outcomes[job.target.stem].duration_s == audio.shape[1] / 16000


def test_a_gpu_s_batches_give_the_same(vocos, recordings, find, do, tmp_path) -> None:
    """Groups of windows, sorted, padded and put into order again."""
    jobs = find(recordings)
    do(jobs, Resynthesis(vocos))
    alone = [written_audio(job.target) for job in jobs]
    work = Resynthesis(vocos)
    work.group_frames = 700
    do(jobs, work)
    for job, expected in zip(jobs, alone, strict=True):
        assert np.array_equal(written_audio(job.target), expected)


def test_long_recordings_are_computed_in_windows(vocos, tmp_path, do, monkeypatch) -> None:
    """Windows of long two-channel recordings, among short ones, make the audio of the whole, on a CPU or a device."""
    monkeypatch.setattr("vocos_plugins.apps.batch.work.WINDOW_FRAMES", 50)
    noise = 0.1 * np.random.default_rng(0).standard_normal((5000, 2))
    jobs = []
    for number, n_samples in enumerate((100, 5000, 4000, 10)):
        soundfile.write(tmp_path / f"{number}.wav", noise[:n_samples], 16000)
        jobs.append(Job(source=tmp_path / f"{number}.wav", target=tmp_path / "out" / f"{number}.wav"))
    for group_frames in (None, 333):
        work = Resynthesis(vocos)
        work.group_frames = group_frames
        do(jobs, work)
        for job in jobs:
            audio = torch.from_numpy(soundfile.read(job.source, dtype="float32")[0].T)
            expected = vocos(audio, length=audio.shape[1]).clamp(-1, 1).numpy()
            assert np.abs(written_audio(job.target) - expected).max() <= QUANTA


@pytest.mark.parametrize("group_frames", [None, 64])
def test_mels_of_another_convention(vocos, make_config, noise, do, tmp_path, group_frames, monkeypatch) -> None:
    """They are aligned, and windows of the aligned mel are cut where `Vocos.decode` cuts the whole."""
    monkeypatch.setattr("vocos_plugins.apps.batch.work.WINDOW_FRAMES", 20)
    source = make_config("mel", "convnext", "istft", "same").features
    jobs = []
    for n_frames in (1, 2, 40, 90):
        np.save(tmp_path / f"{n_frames}.npy", noise(12, n_frames).numpy() - 4)
        jobs.append(Job(source=tmp_path / f"{n_frames}.npy", target=tmp_path / f"{n_frames}.wav"))
    work = Decoding(vocos, source)
    work.group_frames = group_frames
    do(jobs, work)
    for job in jobs:
        mel = torch.from_numpy(np.load(job.source))[None]
        expected = vocos.decode(mel, source=source).clamp(-1, 1).numpy()
        assert written_audio(job.target).shape == expected.shape
        assert np.abs(written_audio(job.target) - expected).max() <= QUANTA


@pytest.mark.parametrize("group_frames", [None, 10**6])
def test_bad_files_fail_alone(vocos, recordings, find, do, group_frames) -> None:
    """Garbage, a missing file, a part that isn't there, and a job that can't be tried; the others are written."""
    good = find(recordings)
    (recordings / "bad.wav").write_bytes(b"garbage")
    out = good[0].target.parent
    bad = [
        Job(source=recordings / "bad.wav", target=out / "bad.wav"),
        Job(source=recordings / "no.wav", target=out / "no.wav"),
        Job(source=good[0].source, target=out / "late.wav", start_s=100.0),
        Job(source=good[0].source, target=out / "never.wav", error="line 3: what is this?"),
    ]
    work = Resynthesis(vocos)
    work.group_frames = group_frames
    outcomes = do([*good[:5], *bad, *good[5:]], work)
    failures = {name: outcome.error for name, outcome in outcomes.items() if outcome.error is not None}
    assert failures.keys() == {"bad", "no", "late", "never"}
    assert "not audio" in failures["bad"]
    assert "No such file" in failures["no"]
    assert "starts at 100 s" in failures["late"]
    assert failures["never"] == "line 3: what is this?"
    assert sum(job.target.exists() for job in good) == 24
    assert not any(job.target.exists() for job in bad)


class Refusing(Resynthesis):
    """Refuses to compute the recording of one length."""

    def compute(self, windows):
        if any(window.inputs.shape[1] == 77 for window in windows):
            raise ValueError("77 samples")
        return super().compute(windows)


def test_one_bad_window_does_not_spoil_its_batch(vocos, recordings, find, do) -> None:
    """Only the bad window fails where many are computed in one batch."""
    soundfile.write(recordings / "refused.wav", np.zeros(77), 16000)
    work = Refusing(vocos)
    work.group_frames = 10**6
    outcomes = do(find(recordings), work)
    assert {name for name, outcome in outcomes.items() if outcome.error is not None} == {"refused"}


class Defective(Resynthesis):
    """Has a defect that one recording shows, or is asked to stop by it."""

    error: type[BaseException] = ZeroDivisionError

    def compute(self, windows):
        if any(window.inputs.shape[1] == 77 for window in windows):
            raise self.error("seventy-seven")
        return super().compute(windows)


@pytest.mark.parametrize("group_frames", [None, 10**6])
def test_a_defect_fails_alone_and_asks_for_a_report(vocos, recordings, find, do, group_frames) -> None:
    """The item's error names the exception and its place; the other files are written."""
    soundfile.write(recordings / "a.wav", np.zeros(77), 16000)
    work = Defective(vocos)
    work.group_frames = group_frames
    outcomes = do(find(recordings), work)
    (failed,) = (outcome for outcome in outcomes.values() if outcome.error is not None)
    assert failed.job.source.name == "a.wav"
    assert failed.error.startswith("unexpected ZeroDivisionError (test_pipeline.py, line ")
    assert failed.error.endswith("seventy-seven. This is a defect in vocos-plugins: please report it with the input")
    assert sum(outcome.job.target.exists() for outcome in outcomes.values()) == 24


def test_a_request_to_stop_ends_the_run(vocos, recordings, find, do) -> None:
    """It leaves the pipeline, and so do the threads."""
    soundfile.write(recordings / "a.wav", np.zeros(77), 16000)
    work = Defective(vocos)
    work.error = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        do(find(recordings), work)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("read", "write", "device"))]


def test_little_is_held_at_a_time(tmp_path, do) -> None:
    """However many jobs there are, few are read and not yet written, and the list is read as it is needed."""
    held, most = 0, 0
    lock = threading.Lock()

    def count(change: int) -> None:
        nonlocal held, most
        with lock:
            held += change
            most = max(most, held)

    def vocode(_: Job):
        count(1)
        yield torch.zeros(1, 8)

    jobs = (Job(source=Path("none"), target=tmp_path / f"{number}.wav") for number in range(200))
    outcomes = do(jobs, StreamedTask(8000, vocode, dict), done=lambda _: count(-1))
    assert len(outcomes) == 200
    assert most <= 40  # eight are being read, as many written, and a few computed


@pytest.mark.usefixtures("two_threads")
def test_stages_overlap(tmp_path, do) -> None:
    """The first file is being written while the fourth is computed and the sixth is read: they wait for each other."""
    together = threading.Barrier(3, timeout=PATIENCE_S)

    class Meeting(StreamedTask):
        def windows(self, job):
            if job.start_s == 5:
                together.wait()
            yield Window(inputs=torch.zeros(1, 8), first=int(job.start_s), n_samples=8)

        def compute(self, windows):
            if windows[0].first == 3:
                together.wait()
            return super().compute(windows)

    def written(outcome: Outcome) -> None:
        if outcome.job.start_s == 0:
            together.wait()

    jobs = [Job(source=Path("none"), target=tmp_path / f"{number}.wav", start_s=number) for number in range(12)]
    outcomes = do(jobs, Meeting(8000, iter, dict), done=written)
    assert [outcome.error for outcome in outcomes.values()] == [None] * 12
    assert not together.broken


def test_in_order_keeps_the_order_and_the_limit() -> None:
    """Results come as the items did; not more than the limit are begun."""
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.002 * (number % 3))
        return number

    with ThreadPoolExecutor(4) as pool:
        results = pipeline.in_order(pool, work, iter(range(50)), 5)
        assert next(results) == 0
        time.sleep(0.05)
        assert len(begun) == 5
        assert list(results) == list(range(1, 50))
