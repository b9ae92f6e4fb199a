"""Lines of lists as editors and corpora write them, and bad ones, of which each fails alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vocos_plugins.apps.batch.find import reject_clashes
from vocos_plugins.apps.batch.jobs import printable

RATE = 16000


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with ``wavs/1.wav`` and ``wavs/2.wav``."""
    folder = tmp_path / "corpus"
    (folder / "wavs").mkdir(parents=True)
    for number in (1, 2):
        soundfile.write(folder / "wavs" / f"{number}.wav", np.zeros(100), RATE)
    return folder


def names(jobs) -> list[str]:
    """The files of jobs without an error, below their folder."""
    return [f"{job.source.parent.name}/{job.source.name}" for job in jobs if job.error is None]


BOTH = ["wavs/1.wav", "wavs/2.wav"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "wavs/0.wav\nwavs/1.wav\nwavs/2.wav\n", ["wavs/0.wav", *BOTH]),
        ("a.txt", "wavs/8.wav\nwavs/9.wav\n", ["wavs/8.wav", "wavs/9.wav"]),
        ("a.txt", "# two files\n\n# and no more\nwavs/1.wav\nwavs/2.wav\n", BOTH),
        ("a.txt", "./wavs/1.wav\n./wavs/../wavs/2.wav\n", BOTH),
        ("a.txt", "wavs/1.wav|0|Hello.\nwavs/2.wav|0|There.\n", BOTH),
        ("a.csv", "./wavs/1.wav|speaker|Hello.\n# x\n./wavs/2.wav|speaker|There.\n", BOTH),
        ("a.txt", "wavs/0.wav|0|Hello.\nwavs/1.wav|0|There.\n", ["wavs/0.wav", "wavs/1.wav"]),
        ("a.csv", "1|Hello.|Hello.\n2|There.|There.\n", BOTH),
        ("a.csv", "1.wav|Hello.\n2.wav|There.\n", BOTH),
        ("a.lst", "wavs/1.wav|0|Hello.\nwavs/2.wav|0|There.\n", BOTH),
        ("a.tsv", "wavs/1.wav\tHello.\nwavs/2.wav\tThere.\n", BOTH),
        ("a.txt", "wavs\\1.wav\r\nwavs\\2.wav\r\n", BOTH),
        ("a.txt", ".\\wavs\\1.wav|0|Hello.\r\nwavs\\2.wav|0|x\r\n", BOTH),
        ("a.jsonl", '{"audio_filepath": "wavs\\\\1.wav"}\n{"audio_filepath": "./wavs/2.wav"}\n', BOTH),
        ("a.txt", "x" * 300 + "\nwavs/1.wav\n", ["wavs/1.wav"]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_lists_are_recognised(corpus, find, name, text, expected, encoding) -> None:
    """Whatever the first line is, and however the text is encoded."""
    (corpus / name).write_bytes(text.encode(encoding))
    jobs = [job for job in find(corpus / name) if len(job.source.name) < 300]
    assert names(jobs) == expected
    assert all(job.target.parts[-1].removesuffix(".wav") == job.source.stem for job in jobs if job.error is None)


def test_a_missing_file_is_named_as_the_list_names_it(corpus, find) -> None:
    (corpus / "a.txt").write_text("wavs/0.wav|0|Hello.\nwavs/1.wav|0|There.\n")
    assert find(corpus / "a.txt")[0].source == corpus / "wavs" / "0.wav"


def test_mels_with_columns(corpus, find) -> None:
    """A list of mels may have columns, too."""
    np.save(corpus / "m.npy", np.zeros((12, 5), np.float32))
    (corpus / "a.txt").write_text("m.npy|0|Hello.\n")
    assert [job.source for job in find(corpus / "a.txt", kind="mel")] == [corpus / "m.npy"]


DEEP = "[" * 100_000
# Each is a line that no reader can use.
BAD_LINES = [
    '{"audio_filepath": "wavs/1.wav", "duration": Infinity}',
    '{"audio_filepath": "wavs/1.wav", "offset": NaN}',
    '{"audio_filepath": "wavs/1.wav", "offset": 1' + "0" * 400 + "}",
    '{"audio_filepath": "wavs/1.wav", "offset": 1' + "0" * 5000 + "}",
    '{"audio_filepath": "wavs/1.wav", "offset": [1]}',
    '{"audio_filepath": "a\\u0000.wav"}',
    '{"audio_filepath": "a\\ud800.wav"}',
    '{"audio_filepath": "~nosuchuser/a.wav"}',
    '{"audio_filepath": 1}',
    '{"audio_filepath": "wavs/1.wav"',
    "[1]",
    "null",
    DEEP,
]


@pytest.mark.parametrize("bad", BAD_LINES, ids=lambda line: line[:50])
@pytest.mark.parametrize("first", [False, True])
def test_a_bad_line_of_nemo_fails_alone(corpus, find, bad, first) -> None:
    """It has an error in words, and the others are found, whether or not it is the first."""
    good = [json.dumps({"audio_filepath": name}) for name in BOTH]
    (corpus / "a.json").write_text("\n".join([bad, *good] if first else [*good, bad]))
    jobs = list(reject_clashes(find(corpus / "a.json", **({"format": "nemo"} if first else {}))))
    assert names(jobs) == BOTH
    (failed,) = (job for job in jobs if job.error is not None)
    assert failed.error.startswith(f"line {1 if first else 3}: ")
    assert "defect" not in failed.error
    assert len(failed.error) < 600


@pytest.mark.parametrize("bad", [1, None, [], {"wav": 1}, {"wav": "a\0.wav"}, {"wav": {"file": "x.wav", "start": "y"}}])
def test_a_bad_utterance_fails_alone(corpus, find, bad) -> None:
    """SpeechBrain's JSON: the error names the utterance."""
    (corpus / "a.json").write_text(json.dumps({"a": {"wav": BOTH[0]}, "b": bad, "c": {"wav": BOTH[1]}}))
    jobs = find(corpus / "a.json", format="speechbrain")
    assert names(jobs) == BOTH
    assert [job.error.startswith("'b': ") for job in jobs if job.error is not None] == [True]


def cut(name: str, **changes: object) -> dict[str, object]:
    """A recording as Lhotse writes it."""
    source = {"type": "file", "channels": [0], "source": f"wavs/{name}.wav"}
    return {"id": name, "sources": [source], "sampling_rate": RATE, "num_samples": 100, "duration": 0.00625} | changes


@pytest.mark.parametrize(
    "bad",
    [
        1,
        {},
        {"type": "MonoCut"},
        {"type": "Nonsense", "id": "x"},
        cut("x", sources=[]),
        cut("x", sources=[{"type": "file"}]),
        cut("a\0"),
        {"id": "x", "type": "MonoCut", "start": 0, "duration": 1, "channel": 0, "recording": cut("1", sampling_rate=0)},
    ],
)
@pytest.mark.parametrize("suffix", ["jsonl", "json", "yaml"])
def test_a_bad_item_of_lhotse_fails_alone(corpus, find, bad, suffix) -> None:
    """Lhotse's own readers would end there."""
    items = [cut("1"), bad, cut("2")]
    lines = "".join(json.dumps(item) + "\n" for item in items)
    (corpus / f"a.{suffix}").write_text(lines if suffix == "jsonl" else json.dumps(items))
    jobs = find(corpus / f"a.{suffix}", format="lhotse")
    assert names(jobs) == BOTH
    (failed,) = (job for job in jobs if job.error is not None)
    assert "defect" not in failed.error


def test_a_line_of_garbage_in_lhotse_s_manifest(corpus, find) -> None:
    """A line that is no JSON, or nested without end."""
    (corpus / "a.jsonl").write_text("\n".join([json.dumps(cut("1")), "{garbage", DEEP, json.dumps(cut("2"))]))
    jobs = find(corpus / "a.jsonl")
    assert names(jobs) == BOTH
    assert [job.error.split(":")[0] for job in jobs if job.error is not None] == ["line 2", "line 3"]


def test_a_yaml_bomb_is_refused(corpus, find) -> None:
    """A manifest in YAML goes through the bounded reader."""
    lines = ["a0: &a0 {" + ", ".join(f"k{number}: 0" for number in range(200)) + "}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 90)}]}}" for n in range(1, 9)]
    (corpus / "a.yaml").write_text("\n".join(lines))
    (job,) = find(corpus / "a.yaml", format="lhotse")
    assert job.error.startswith("cannot be read as lhotse: ")


def test_inputs_that_no_file_can_have(corpus, find) -> None:
    """Each fails in words, and the next input is found."""
    jobs = find("a\0b.wav", "a\ud800.wav", "x" * 300 + ".wav", corpus / "wavs")
    assert names(jobs) == BOTH
    assert len([job for job in jobs if job.error is not None]) == 3


def test_names_that_are_not_utf_8(tmp_path, find) -> None:
    """They are found and named, and a report can be printed anywhere."""
    folder = tmp_path / "odd"
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9.wav")
    soundfile.write(tmp_path / "a.wav", np.zeros(100), RATE)
    (tmp_path / "a.wav").rename(folder / name)
    (job,) = find(folder)
    assert job.source.name == name
    assert job.target.name == name
    assert printable(job.label).endswith(r"caf\xe9.wav")
    printable(job.label).encode("ascii")
    printable("lone \ud800").encode("ascii")
