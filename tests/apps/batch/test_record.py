"""The record of finished outputs: which lines count, which changes are noticed, and who may write it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from vocos_plugins.apps.batch.jobs import Outcome
from vocos_plugins.apps.batch.record import DONE, FAILED, Record, RecordError

SETTINGS = {"model": "m"}


@pytest.fixture
def jobs(recordings, find):
    return find(recordings)


def write_all(record: Record, jobs) -> int:
    """Runs the remaining jobs at once, and returns their number."""
    before = record.n_done
    for job in record.remaining(jobs):
        job.target.parent.mkdir(parents=True, exist_ok=True)
        job.target.write_text("audio")
        record.add(Outcome(job=job, duration_s=1.0))
    return record.n_done - before


@pytest.fixture
def out(jobs, tmp_path) -> Path:
    """A folder in which all jobs are done."""
    with Record(tmp_path / "out", SETTINGS) as record:
        assert write_all(record, jobs) == 24
    return tmp_path / "out"


def test_what_is_done_is_not_done_again(out, jobs) -> None:
    """A second run has nothing to do, and reports how many jobs were done."""
    with Record(out, SETTINGS) as record:
        assert list(record.remaining(jobs)) == []
        assert (record.n_done, record.n_done_before) == (0, 24)


def test_changes_are_noticed(out, jobs) -> None:
    """An output was removed, an input was rewritten, and another one changed its size."""
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
    """The record is complete again after the next run, wherever it was cut."""
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


def test_damage_in_the_middle_costs_only_its_outputs(out, jobs) -> None:
    """Garbage, zeros and lines without fields are passed over; their outputs are written again."""
    lines = (out / DONE).read_bytes().splitlines(keepends=True)
    damaged = [b"{}\n", b"\0\0\0\n", b"\xff\xfe garbage\n", b"[1]\n", b"[" * 100_000 + b"\n", b'{"output": 1}\n']
    lines[3:9] = damaged
    (out / DONE).write_bytes(b"".join(lines))
    with Record(out, SETTINGS) as record:
        assert write_all(record, jobs) == 6
    with Record(out, SETTINGS) as record:
        assert write_all(record, jobs) == 0


@pytest.mark.parametrize("first", [b"{}", b"\0\0", b"[]", b'{"settings": 1}'])
def test_a_damaged_first_line_is_refused_in_words(out, first) -> None:
    """Without the settings nothing says which model wrote the outputs."""
    lines = (out / DONE).read_bytes().split(b"\n")
    (out / DONE).write_bytes(b"\n".join([first, *lines[1:]]))
    with pytest.raises(RecordError, match="delete the file to start over"), Record(out, SETTINGS):
        pass


def test_the_record_is_on_the_disk_at_once(jobs, tmp_path) -> None:
    """The line is written before the next output is started."""
    with Record(tmp_path / "out", SETTINGS) as record:
        job = next(record.remaining(jobs))
        record.add(Outcome(job=job, duration_s=1.5))
        line = json.loads((tmp_path / "out" / DONE).read_text().splitlines()[1])
        assert line["duration_s"] == 1.5
        assert line["input"] == str(job.source)


def test_another_model_is_refused(out) -> None:
    """The error names the difference and what to do; nothing is changed."""
    before = (out / DONE).read_bytes()
    with (
        pytest.raises(RecordError, match=r"other settings: model m, now n.*another folder"),
        Record(out, {"model": "n"}),
    ):
        pass
    assert (out / DONE).read_bytes() == before


def test_two_runs_at_once_are_refused(out) -> None:
    """The second run is refused until the first one has ended."""
    with Record(out, SETTINGS), pytest.raises(RecordError, match="another run"), Record(out, SETTINGS):
        pass
    with Record(out, SETTINGS):
        pass


def test_leftovers_are_removed(out) -> None:
    """Partial files of a killed process are removed, but no other hidden files."""
    (out / "deep" / ".a.wav.123.part").touch()
    (out / ".keep.part").touch()
    with Record(out, SETTINGS):
        assert not (out / "deep" / ".a.wav.123.part").exists()
    assert (out / ".keep.part").exists()


def test_failures_are_listed_in_a_file(out, jobs) -> None:
    """All failures of the last run are listed, and tried again."""
    jobs[0].target.unlink()
    with Record(out, SETTINGS) as record:
        (job,) = record.remaining(jobs)
        record.add(Outcome(job=job, error="bad"))
    assert json.loads((out / FAILED).read_text()) == {"input": str(job.source), "error": "bad"}
    with Record(out, SETTINGS) as record:
        assert write_all(record, jobs) == 1
    assert not (out / FAILED).exists()
