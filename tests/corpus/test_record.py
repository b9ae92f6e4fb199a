"""The record of what is done: what it believes, what it doesn't, and who may write it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from vocos_plugins.corpus.jobs import Outcome
from vocos_plugins.corpus.record import DONE, FAILED, Record, RecordError

SETTINGS = {"model": "m"}


@pytest.fixture
def jobs(recordings, find):
    return find(recordings)


def write_all(record: Record, jobs) -> int:
    """Does what remains, in no time."""
    before = record.n_done
    for job in record.remaining(jobs):
        job.target.parent.mkdir(parents=True, exist_ok=True)
        job.target.write_text("audio")
        record.add(Outcome(job=job, duration_s=1.0))
    return record.n_done - before


@pytest.fixture
def out(jobs, tmp_path) -> Path:
    """A folder in which all is done."""
    with Record(tmp_path / "out", SETTINGS) as record:
        assert write_all(record, jobs) == 24
    return tmp_path / "out"


def test_what_is_done_is_not_done_again(out, jobs) -> None:
    """A second run has nothing to do, and says how much was done."""
    with Record(out, SETTINGS) as record:
        assert list(record.remaining(jobs)) == []
        assert (record.n_done, record.n_done_before) == (0, 24)


def test_changes_are_noticed(out, jobs) -> None:
    """An output that was removed, an input that was written anew, and one that changed its size."""
    jobs[0].target.unlink()
    os.utime(jobs[1].source, ns=(0, 0))
    with jobs[2].source.open("ab") as file:
        file.write(b"more")
    with Record(out, SETTINGS) as record:
        assert list(record.remaining(jobs)) == jobs[:3]
        assert write_all(record, jobs) == 3
    with Record(out, SETTINGS) as record:
        assert write_all(record, jobs) == 0


def test_a_line_that_was_being_written_does_not_count(out, jobs) -> None:
    """Cut anywhere, the record is whole again after the next run."""
    text = (out / DONE).read_bytes()
    last = text.rindex(b"\n", 0, -1) + 1
    for end in (last, last + 1, len(text) - 1):
        (out / DONE).write_bytes(text[:end])
        with Record(out, SETTINGS) as record:
            assert write_all(record, jobs) == 1
        assert (out / DONE).read_bytes() == text
    (out / DONE).write_bytes(text[:5])
    with Record(out, SETTINGS) as record:
        assert write_all(record, jobs) == 24


def test_the_record_is_on_the_disk_at_once(jobs, tmp_path) -> None:
    """Before the next output is begun."""
    with Record(tmp_path / "out", SETTINGS) as record:
        job = next(record.remaining(jobs))
        record.add(Outcome(job=job, duration_s=1.5))
        line = json.loads((tmp_path / "out" / DONE).read_text().splitlines()[1])
        assert line["duration_s"] == 1.5
        assert line["input"] == str(job.source)


def test_another_model_is_refused(out) -> None:
    """With what differs and what to do; nothing is touched."""
    before = (out / DONE).read_bytes()
    with pytest.raises(RecordError, match=r"model was m, is n.*another folder"), Record(out, {"model": "n"}):
        pass
    assert (out / DONE).read_bytes() == before


def test_two_runs_at_once_are_refused(out) -> None:
    """Until the first one has ended."""
    with Record(out, SETTINGS), pytest.raises(RecordError, match="another run"), Record(out, SETTINGS):
        pass
    with Record(out, SETTINGS):
        pass


def test_leftovers_are_removed(out) -> None:
    """What a killed process was writing; nothing else that is hidden."""
    (out / "deep" / ".a.wav.123.part").touch()
    (out / ".keep.part").touch()
    with Record(out, SETTINGS):
        assert not (out / "deep" / ".a.wav.123.part").exists()
    assert (out / ".keep.part").exists()


def test_failures_are_listed_in_a_file(out, jobs) -> None:
    """All of them, of this run only; they are tried again."""
    jobs[0].target.unlink()
    with Record(out, SETTINGS) as record:
        (job,) = record.remaining(jobs)
        record.add(Outcome(job=job, error="bad"))
    assert json.loads((out / FAILED).read_text()) == {"input": str(job.source), "error": "bad"}
    with Record(out, SETTINGS) as record:
        assert write_all(record, jobs) == 1
    assert not (out / FAILED).exists()
