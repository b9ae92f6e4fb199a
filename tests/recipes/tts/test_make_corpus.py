"""The corpus on disk: from a text that a stand-in for a voice speaks, and from recordings of one's own."""

from __future__ import annotations

from types import SimpleNamespace

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
    """Runs ``synthesise`` on a text into ``tmp_path / corpus`` for so many frames; None is the sources' text."""

    def run(n_frames: int, text: str | None = TEXT) -> int:
        words = ["synthesise", str(tmp_path / "corpus"), "--voice", str(stand_in_voice)]
        words += ["--eval-sentences", "1", "--prefix", "x", "--hours", str(n_frames * 256 / 22050 / 3600)]
        if text is not None:
            (tmp_path / "text.txt").write_text(text, encoding="utf-8")
            words += ["--text", str(tmp_path / "text.txt")]
        return make_corpus.main(words)

    return run


@pytest.fixture
def sources(make_corpus, monkeypatch, tmp_path):
    """Two sentences of Moby-Dick that the voice can say, and one before them that it can't."""
    sentences = [("moby", "An ox."), ("moby", "Oh ah."), ("moby", "Ah oh.")]
    (tmp_path / "LICENSE").write_text("Free.", encoding="utf-8")
    monkeypatch.setattr(make_corpus, "read_sources", lambda *_: sentences)
    monkeypatch.setattr(make_corpus, "download", lambda *_: tmp_path)
    source = SimpleNamespace(name="moby", package="moby@1", content="Moby-Dick", licence="free")
    monkeypatch.setattr(make_corpus, "SOURCES", (source,))


def read_texts(recipe_module, tmp_path):
    return [row.text for row in recipe_module("layout").read_rows(tmp_path / "corpus")[0]]


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


def test_a_phoneme_that_the_voice_lacks_is_named_with_its_line(speak, recipe_module, tmp_path, capsys):
    """The rest of one's own text is spoken, the exit code is 1."""
    assert speak(10**6, "Oh ah.\n\nOh, the ox.\nAh oh ah.\n") == 1
    reason = "the voice has no symbol for 'e', 't', 'x' of 'Oh, the ox.'; left out"
    assert capsys.readouterr().err == f"{tmp_path / 'text.txt'}:3: {reason}\n"
    assert read_texts(recipe_module, tmp_path) == ["Oh ah.", "Ah oh ah."]


def test_a_sentence_that_lasts_too_long_is_named(speak, recipe_module, tmp_path, capsys):
    """With their blanks, "^", "." and "$" last 6 frames in all, a word 8 and a space 2."""
    assert speak(10**6, f"Ah ah.\nAh{' ah' * 149}.\nOh oh.\n") == 1
    seconds = (6 + 150 * 8 + 149 * 2) * 256 / 22050
    named = capsys.readouterr().err
    assert named.startswith(f"{tmp_path / 'text.txt'}:2: 'Ah ah ah")
    assert named.endswith(f" lasts {seconds:.1f} s, at most 15 s are used; left out\n")
    assert read_texts(recipe_module, tmp_path) == ["Ah ah.", "Oh oh."]


def test_faults_are_named_even_where_nothing_is_left(speak, tmp_path, capsys):
    with pytest.raises(ValueError, match="leaves nothing to train on"):
        speak(10**6, "Oh, the ox.\nOxen.\n")
    assert [line.partition(": ")[0] for line in capsys.readouterr().err.splitlines()] == [
        f"{tmp_path / 'text.txt'}:1",
        f"{tmp_path / 'text.txt'}:2",
    ]


def test_the_next_sentence_of_the_sources_takes_the_place(sources, speak, recipe_module, tmp_path, capsys):
    """It is as much speech as was asked for: the sentence is named, the exit code is 0."""
    assert speak(30, None) == 0
    assert capsys.readouterr().err == "moby: the voice has no symbol for 'n', 'x' of 'An ox.'; left out\n"
    assert read_texts(recipe_module, tmp_path) == ["Oh ah.", "Ah oh."]


def test_too_few_sentences_in_the_sources_are_told(sources, speak, recipe_module, tmp_path, capsys):
    assert speak(10**6, None) == 1
    assert "the sources have no more sentences after 0.00 of 3.22 h; ask for fewer --hours" in capsys.readouterr().err
    assert read_texts(recipe_module, tmp_path) == ["Oh ah.", "Ah oh."]


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
