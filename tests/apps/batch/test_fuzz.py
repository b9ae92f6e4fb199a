"""Mutated lists and records: a bad line fails alone, in words; a damaged record is a reason to compute again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.mutations import attack
from vocos_plugins.apps.batch.jobs import Job, Outcome
from vocos_plugins.apps.batch.record import DONE, Record

SECONDS = 3.0
RATE = 16000


def cut(number: int) -> str:
    """A line of Lhotse's cuts."""
    recording = {
        "id": f"r{number}",
        "sources": [{"type": "file", "channels": [0], "source": f"wavs/{number}.wav"}],
        "sampling_rate": RATE,
        "num_samples": 4000,
        "duration": 0.25,
    }
    item = {"id": f"c{number}", "start": 0, "duration": 0.1, "channel": 0, "type": "MonoCut", "recording": recording}
    return json.dumps(item) + "\n"


LISTS = {
    "nemo.jsonl": '{"audio_filepath": "wavs/1.wav", "offset": 0.01}\n{"audio_filepath": "wavs/2.wav"}\n',
    "speechbrain.csv": "ID,duration,wav,start,stop\n1,0.25,wavs/1.wav,0,100\n2,0.25,$data_root/wavs/2.wav,,\n",
    "speechbrain.json": '{"1": {"wav": "wavs/1.wav"}, "2": {"wav": {"file": "wavs/2.wav", "start": 0, "stop": 100}}}',
    "metadata.csv": "1|Hello.|Hello.\n2|There.|There.\n",
    "plain.txt": "wavs/1.wav|0|Hello.\nwavs/2.wav|1|There.\n",
    "cuts.jsonl": cut(1) + cut(2),
}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with two recordings."""
    (tmp_path / "wavs").mkdir()
    for number in (1, 2):
        soundfile.write(tmp_path / "wavs" / f"{number}.wav", np.zeros(4000), RATE)
    return tmp_path


def test_lists(corpus, find) -> None:
    """Of each format that is read."""
    whole: dict[Path, list[Path]] = {}

    def read(path: Path) -> None:
        jobs = find(path)
        errors = [job.error for job in jobs if job.error is not None]
        assert not any("defect" in error for error in errors), errors
        if errors:
            raise ValueError(errors[0])
        # Nearly any text is a plain list, of files that may be missing. The first list of a name is the whole one.
        sources = [job.source for job in jobs]
        if sources != whole.setdefault(path, sources):
            raise ValueError("a list of other files")

    for name, text in LISTS.items():
        (corpus / name).write_text(text)
    attack([corpus / name for name in LISTS], read, 2 * SECONDS)


def test_a_record(corpus) -> None:
    """Whatever is in it, the outputs that it doesn't prove are written again."""
    out = corpus / "out"
    jobs = [Job(source=corpus / "wavs" / f"{number}.wav", target=out / f"{number}.wav") for number in (1, 2)]
    with Record(out, {"model": "a"}) as record:
        for job in record.remaining(jobs):
            soundfile.write(job.target, np.zeros(10), RATE)
            record.add(Outcome(job=job))

    def read(_: Path) -> None:
        with Record(out, {"model": "a"}) as record:
            list(record.remaining(jobs))

    attack([out / DONE], read, SECONDS)
