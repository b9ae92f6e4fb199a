"""Lists of every format: detected from the content, with their parts and names, and bad lines as failures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vocos_plugins.apps.batch.find import reject_clashes
from vocos_plugins.apps.batch.formats import READERS
from vocos_plugins.apps.batch.jobs import Job
from vocos_plugins.apps.batch.naming import FORMATS
from vocos_plugins.apps.batch.work import read_job_audio, read_job_mel

RATE = 16000


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with ``wavs/a.wav``, two channels of two seconds, and ``wavs/b.wav``, one of one."""
    folder = tmp_path / "corpus"
    (folder / "wavs").mkdir(parents=True)
    noise = 0.1 * np.random.default_rng(0).standard_normal((2 * RATE, 2))
    soundfile.write(folder / "wavs" / "a.wav", noise, RATE, "FLOAT")
    soundfile.write(folder / "wavs" / "b.wav", noise[:RATE, 0], RATE, "FLOAT")
    return folder


@pytest.fixture
def write(corpus):
    """Writes a file of the corpus."""

    def to(name: str, text: str) -> Path:
        (corpus / name).write_text(text)
        return corpus / name

    return to


def audio(job) -> np.ndarray:
    """Reads the recording of a job, ``(N, channels)``."""
    return torch.cat(list(read_job_audio(job, RATE)), dim=1).T.numpy()


def stored(corpus: Path, name: str) -> np.ndarray:
    return soundfile.read(corpus / "wavs" / name, dtype="float32", always_2d=True)[0]


def targets(jobs, tmp_path: Path) -> list[str]:
    return [job.target.relative_to(tmp_path / "out").as_posix() for job in jobs]


def test_every_format_has_a_reader() -> None:
    """Every reader is also a format in the help."""
    assert ("auto", "files", *READERS) == FORMATS


def test_a_list_of_paths(write, corpus, find, tmp_path) -> None:
    """Paths are relative to the list, or absolute; outputs are named by the paths."""
    (tmp_path / "other.wav").touch()
    jobs = find(write("files.txt", f"wavs/a.wav\n\n{tmp_path / 'other.wav'}\n"))
    assert [job.source for job in jobs] == [corpus / "wavs" / "a.wav", tmp_path / "other.wav"]
    elsewhere = (tmp_path / "other.wav").relative_to("/").as_posix()
    assert targets(jobs, tmp_path) == ["wavs/a.wav", elsewhere]


def test_a_list_with_a_root(corpus, find, tmp_path) -> None:
    """Paths are relative to the root, wherever the list is."""
    (tmp_path / "files.lst").write_text("a.wav\nb.wav\n")
    jobs = find(tmp_path / "files.lst", root=corpus / "wavs")
    assert [job.source.exists() for job in jobs] == [True, True]
    assert targets(jobs, tmp_path) == ["a.wav", "b.wav"]


def test_nemo(write, corpus, find, tmp_path) -> None:
    """Offsets and durations in seconds; one that is only rounded is the whole file; a bad line is a failure."""
    lines = [
        {"audio_filepath": "wavs/a.wav", "duration": 2.0004, "text": "A text."},
        {"audio_filepath": "wavs/a.wav", "offset": 0.5, "duration": 0.25},
        {"audio_filepath": "wavs/b.wav", "duration": 0.5},
        {"text": "no file"},
    ]
    jobs = find(write("manifest.json", "".join(json.dumps(line) + "\n" for line in lines) + "{not JSON\n"))
    assert targets(jobs[:3], tmp_path) == ["wavs/a.wav", "wavs/a-0.500-0.750.wav", "wavs/b.wav"]
    expected = [stored(corpus, "a.wav"), stored(corpus, "a.wav")[8000:12000], stored(corpus, "b.wav")[:8000]]
    for job, samples in zip(jobs, expected, strict=False):
        assert np.array_equal(audio(job), samples)
    assert "line 4: no path under 'audio_filepath'" in jobs[3].error
    assert "line 5: " in jobs[4].error


def test_nemo_s_mels(write, find, tmp_path) -> None:
    """A manifest of predicted mels also names the recordings; offsets apply only to those."""
    np.save(tmp_path / "corpus" / "m.npy", np.zeros((12, 5), np.float32))
    line = json.dumps({"audio_filepath": "wavs/a.wav", "offset": 1.0, "mel_filepath": "m.npy"})
    (job,) = find(write("manifest.jsonl", line), kind="mel")
    assert targets([job], tmp_path) == ["m.wav"]
    assert read_job_mel(job).shape == (1, 12, 5)


def test_speechbrain(write, corpus, find, tmp_path) -> None:
    """Outputs are named by ids; ``wav`` is a path, or a dictionary with samples, without the last one."""
    utterances = {
        "one": {"wav": "{data_root}/wavs/a.wav", "length": 2.0},
        "two": {"wav": {"file": "wavs/a.wav", "start": 100, "stop": 16101}},
        "three": {"wav": "wavs/b.wav", "start": 7, "stop": 7},
        "four": {"words": "no file"},
    }
    jobs = find(write("train.json", json.dumps(utterances, indent=2)))
    assert targets(jobs[:3], tmp_path) == ["one.wav", "two.wav", "three.wav"]
    expected = [stored(corpus, "a.wav"), stored(corpus, "a.wav")[100:16101], stored(corpus, "b.wav")[7:]]
    for job, samples in zip(jobs, expected, strict=False):
        assert np.array_equal(audio(job), samples)
    assert "'four': no path under 'wav'" in jobs[3].error


def test_speechbrain_on_one_line(write, find) -> None:
    """JSON on one line is not taken for a NeMo manifest."""
    assert [job.error for job in find(write("a.json", json.dumps({"one": {"wav": "wavs/a.wav"}})))] == [None]


def test_ljspeech(write, corpus, find, tmp_path) -> None:
    """Recordings are ``wavs/ID.wav``, with or without the suffix in the list."""
    jobs = find(write("metadata.csv", "a|A text.|A text.\nb.wav|Another.|Another.\n"))
    assert [job.source for job in jobs] == [corpus / "wavs" / "a.wav", corpus / "wavs" / "b.wav"]
    assert targets(jobs, tmp_path) == ["a.wav", "b.wav"]


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "json"])
def test_lhotse(corpus, find, tmp_path, suffix) -> None:
    """The audio of cuts equals what Lhotse loads; a mixed cut, which has no single recording, fails."""
    from lhotse import CutSet, MonoCut, MultiCut, Recording

    two, one = (Recording.from_file(corpus / "wavs" / f"{name}.wav") for name in "ab")
    cuts = [
        one.to_cut(),
        MonoCut("right", start=0.5, duration=0.75, channel=1, recording=two),
        MultiCut("both", start=0, duration=1.5, channel=[0, 1], recording=two),
        two.perturb_speed(1.1).to_cut().with_id("fast"),
        one.to_cut().mix(one.to_cut()).with_id("mixed"),
    ]
    CutSet.from_cuts(cuts).to_file(corpus / f"cuts.{suffix}")
    jobs = find(corpus / f"cuts.{suffix}")
    for job, cut in zip(jobs[:3], cuts, strict=False):
        assert np.array_equal(audio(job).T, cut.load_audio())
        assert job.target == tmp_path / "out" / f"{cut.id}.wav"
    assert "has transforms" in jobs[3].error
    assert "MixedCut" in jobs[4].error


def test_lhotse_s_features(corpus, find, tmp_path) -> None:
    """Stored mels, whole or in part, in files or an archive, equal what Lhotse loads."""
    from lhotse import CutSet, Features, LilcomChunkyWriter, MonoCut, NumpyFilesWriter

    mel = np.random.default_rng(0).standard_normal((100, 12)).astype(np.float32)
    stored = {
        "duration": 1.0,
        "num_frames": 100,
        "num_features": 12,
        "frame_shift": 0.01,
        "sampling_rate": RATE,
        "type": "mel",
        "recording_id": "a",
        "channels": 0,
    }
    cuts = []
    for writer in (NumpyFilesWriter(corpus / "mels"), LilcomChunkyWriter(corpus / "mels")):
        with writer:
            key = writer.write("one", mel)
            place = str(Path(writer.storage_path).relative_to(corpus))
            features = Features(start=2.0, storage_type=writer.name, storage_path=place, storage_key=key, **stored)
        cuts += [
            MonoCut(f"{writer.name} whole", start=2.0, duration=1.0, channel=0, features=features),
            MonoCut(f"{writer.name} part", start=2.25, duration=0.5, channel=0, features=features),
        ]
    CutSet.from_cuts(cuts).to_file(corpus / "cuts.jsonl.gz")
    jobs = find(corpus / "cuts.jsonl.gz", kind="mel")
    assert targets(jobs, tmp_path) == [f"{cut.id}.wav" for cut in cuts]
    assert [job.source for job in jobs] == 2 * [corpus / "mels" / cuts[0].features.storage_key] + 2 * [
        corpus / "mels.lca"
    ]
    for job, cut in zip(jobs, cuts, strict=True):
        expected = cut.with_features_path_prefix(corpus).load_features()
        assert np.array_equal(read_job_mel(Job.from_json(job.to_json()))[0].numpy().T, expected)
    assert [read_job_mel(job).shape[2] for job in jobs] == [100, 50, 100, 50]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("memory_raw", "stored as memory_raw"),  # a pickle
        ("kaldiio", "stored as kaldiio"),  # may be a command
        ("lilcom_url", "stored as lilcom_url"),  # a server's
        (None, "MonoCut has no features"),
    ],
)
def test_lhotse_s_features_that_are_not_read(write, find, kind, expected) -> None:
    """The error names the reason; nothing is opened."""
    cut = {"id": "a", "start": 0, "duration": 1.0, "channel": 0, "type": "MonoCut", "supervisions": []}
    shape = {"num_frames": 100, "num_features": 12, "frame_shift": 0.01, "sampling_rate": 16000, "type": "mel"}
    where = {"storage_type": kind, "storage_path": "x", "storage_key": "y", "start": 0, "duration": 1.0}
    features = {} if kind is None else {"features": {**shape, **where, "recording_id": "a", "channels": 0}}
    (job,) = find(write("cuts.jsonl", json.dumps({**cut, **features})), kind="mel")
    assert expected in job.error


def test_lhotse_s_commands_are_not_run(write, find, tmp_path) -> None:
    """A recording that a shell command makes is a failure."""
    source = {"type": "command", "channels": [0], "source": f"touch {tmp_path}/ran"}
    recording = {"id": "a", "sources": [source], "sampling_rate": 16000, "num_samples": 16000, "duration": 1.0}
    (job,) = find(write("recordings.jsonl", json.dumps(recording)))
    assert "one local file, got command" in job.error
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("embedded", [False, True], ids=["paths", "bytes"])
def test_datasets(corpus, find, tmp_path, embedded) -> None:
    """Outputs are named by rows, in a folder for each split; recordings are files, or bytes in the data set."""
    from datasets import Audio, Dataset, DatasetDict

    paths = [corpus / "wavs" / f"{name}.wav" for name in "ab"]
    values = [{"bytes": path.read_bytes(), "path": None} if embedded else str(path) for path in paths]
    rows = Dataset.from_dict({"speech": values}).cast_column("speech", Audio(decode=False))
    DatasetDict({"train": rows, "test": rows.select([1])}).save_to_disk(str(tmp_path / "saved"))
    jobs = find(tmp_path / "saved")
    assert targets(jobs, tmp_path) == ["test/00000000.wav", "train/00000000.wav", "train/00000001.wav"]
    for job, name in zip(jobs, ("b", "a", "b"), strict=True):
        assert np.array_equal(audio(job), stored(corpus, f"{name}.wav"))


def test_datasets_of_mels(find, tmp_path) -> None:
    """Mels are read from the column ``mel``."""
    from datasets import Dataset

    mel = np.random.default_rng(0).standard_normal((12, 7)).astype(np.float32)
    Dataset.from_dict({"mel": [mel.tolist()]}).save_to_disk(str(tmp_path / "saved"))
    (job,) = find(tmp_path / "saved", kind="mel")
    assert np.array_equal(read_job_mel(job)[0].numpy(), mel)
    (job,) = find(tmp_path / "saved")
    assert "no column 'audio'; the data set has mel" in job.error


@pytest.mark.parametrize(
    ("name", "text"), [("notes.txt", "not a list at all"), ("a.csv", "1,2,3"), ("b.bin", "\0\1"), ("empty.txt", "")]
)
def test_what_is_no_list_is_a_file(write, find, name, text) -> None:
    """It fails like any other file that isn't audio."""
    path = write(name, text)
    assert [(job.source, job.error) for job in find(path)] == [(path, None)]


def test_a_format_that_is_named_is_read_as_such(write, find) -> None:
    """A named format is used even if it would not be detected; ``files`` reads no lists."""
    path = write("missing.txt", "nowhere.wav\n")
    assert [job.source.name for job in find(path, format="list")] == ["nowhere.wav"]
    assert [job.source for job in find(write("real.txt", "wavs/a.wav"), format="files")] == [path.with_name("real.txt")]
    (job,) = find(write("broken.json", "{"), format="speechbrain")
    assert "cannot be read as speechbrain" in job.error


@pytest.mark.parametrize("name", ["../up", "/top", ""])
def test_no_output_lies_elsewhere(write, find, name) -> None:
    """An id can't put an output outside of the output folder."""
    (job,) = find(write("a.json", json.dumps({name: {"wav": "wavs/a.wav"}})), format="speechbrain")
    assert "is not a valid output name" in job.error


def test_two_jobs_of_one_output(write, find) -> None:
    """The second job fails, and its error names the output."""
    jobs = list(reject_clashes(find(write("files.txt", "wavs/a.wav\nwavs/a.flac\n"))))
    assert jobs[0].error is None
    assert "another input is also written to" in jobs[1].error
