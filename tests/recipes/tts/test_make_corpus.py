"""The corpus on disk: from a text that a stand-in for a voice speaks, and from recordings of one's own."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

TEXT = """Oh ah, oh.
1234

Ah oh ah.
In 1962 it began.
Ah ah.
Oh oh oh.
"""


@pytest.fixture
def make_corpus(recipe_module, monkeypatch):
    """The script; words are "phonemes" as they stand, in place of espeak-ng, which need not be installed here."""
    module = recipe_module("make_corpus")
    monkeypatch.setattr(recipe_module("phonemes"), "phonemize", lambda text, _: text.lower())
    return module


@pytest.fixture
def speak(make_corpus, stand_in_voice, tmp_path):
    """Runs ``synthesise`` on `TEXT` into ``tmp_path / corpus`` for so many frames."""
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")

    def run(n_frames: int) -> int:
        words = ["synthesise", str(tmp_path / "corpus"), "--voice", str(stand_in_voice)]
        words += ["--text", str(tmp_path / "text.txt"), "--eval-sentences", "1", "--prefix", "x"]
        return make_corpus.main([*words, "--hours", str(n_frames * 256 / 22050 / 3600)])

    return run


def test_bad_lines_are_named_and_the_rest_is_spoken(speak, recipe_module, tmp_path, capsys):
    assert speak(10**6) == 1
    named = capsys.readouterr().err.splitlines()
    assert [line.partition("text.txt:")[2] for line in named] == [
        "2: no known symbol in '1234'",
        "5: write figures and abbreviations as words: 'In 1962 it began.'",
    ]
    layout, corpus = recipe_module("layout"), tmp_path / "corpus"
    rows, problems = layout.read_rows(corpus)
    assert [row.text for row in rows] == ["Oh ah, oh.", "Ah oh ah.", "Ah ah.", "Oh oh oh."]
    assert problems == []
    for row in rows:
        phonemes, durations = layout.read_alignment(corpus, row.id)
        header = soundfile.info(corpus / "wavs" / f"{row.id}.wav")
        assert "".join(phonemes[1:-1]) == row.text.lower()
        assert header.frames == sum(durations) * 256
        assert (header.samplerate, header.subtype, header.channels) == (22050, "PCM_16", 1)
    assert (corpus / "eval.csv").read_text(encoding="utf-8") == f"{rows[0]}\n"
    assert (corpus / "train.csv").read_text(encoding="utf-8") == "".join(f"{row}\n" for row in rows[1:])
    card = (corpus / "README.md").read_text(encoding="utf-8")
    assert "This speech is synthetic." in card
    assert "> A stand-in: silence." in card
    assert not list(corpus.rglob("*.part"))


def test_a_rerun_goes_on_where_it_stopped(speak, recipe_module, tmp_path):
    speak(50)
    corpus = tmp_path / "corpus"
    first = recipe_module("layout").read_rows(corpus)[0]
    times = {path: path.stat().st_mtime_ns for path in (corpus / "wavs").iterdir()}
    assert 0 < len(first) < 4
    speak(10**6)
    rows = recipe_module("layout").read_rows(corpus)[0]
    assert rows[: len(first)] == first
    assert len({row.id for row in rows}) == len(rows) == 4
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_recordings_are_read(make_corpus, recipe_module, write_recordings, tmp_path, capsys):
    metadata = (
        "a|Dr. A.|Doctor A.\nb|Two fields.\n\nc|No file.|No file.\nd|---|---\na|Again.|Again.\ne\n../f|Out.|Out.\n"
    )
    folder = write_recordings(metadata, ("a", "b", "d", "e"), rate=16000)
    assert make_corpus.main(["read", str(folder), str(tmp_path / "corpus"), "--eval-sentences", "1"]) == 1
    named = [line.partition("metadata.csv:")[2] for line in capsys.readouterr().err.splitlines()]
    assert named == [
        "4: there is no wavs/c.wav",
        "5: no known symbol in '---'",
        "6: the id 'a' stands in an earlier line too",
        "7: expected id|text|normalised text, got 1 fields",
        "8: the id '../f' is not a file's name",
    ]
    rows, problems = recipe_module("layout").read_rows(tmp_path / "corpus")
    assert [(row.id, row.normalised) for row in rows] == [("a", "Doctor A."), ("b", "Two fields.")]
    assert problems == []
    audio, rate = soundfile.read(tmp_path / "corpus" / "wavs" / "a.wav")
    assert (rate, len(audio)) == (22050, 22050)
    assert 0.05 < np.abs(audio[1000:-1000]).max() < 0.12


def test_recordings_without_a_bad_line_exit_with_0(make_corpus, write_recordings, tmp_path):
    folder = write_recordings("a|One.|One.\nb|Two.|Two.\n", ("a", "b"))
    assert make_corpus.main(["read", str(folder), str(tmp_path / "corpus"), "--eval-sentences", "1"]) == 0


def test_holding_everything_out_is_refused(make_corpus, write_recordings, tmp_path):
    folder = write_recordings("a|One.|One.\n", ("a",))
    with pytest.raises(ValueError, match="leaves nothing to train on"):
        make_corpus.main(["read", str(folder), str(tmp_path / "corpus"), "--eval-sentences", "1"])
