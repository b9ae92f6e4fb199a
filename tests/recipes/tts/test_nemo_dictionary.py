"""Words and their phonemes for NeMo, taken from sentences; espeak-ng, which need not be installed here, is replaced."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import soundfile


@pytest.fixture
def prepare(recipe_module):
    return recipe_module("prepare")


def test_the_commonest_pronunciation_in_sentences_is_taken(prepare):
    rows = [
        ("A cat's here.", list("ɐ kæts hiɹ.")),
        ("A cat's, a dog.", list("ɐ kæts, ei dɔg.")),
        ("Of the cat.", list("ʌvðə kæt.")),
    ]
    assert prepare.count_pronunciations(rows) == {"A": "ɐ", "CAT'S": "kæts", "HERE": "hiɹ", "DOG": "dɔg"}


def test_words_with_phonemes_of_no_sentence_are_left_out(prepare, recipe_module, tmp_path, monkeypatch):
    layout = recipe_module("layout")
    rows = [layout.Row("a", "Oh, no.", "Oh, no.")]
    layout.write_alignment(tmp_path, "a", ["^", *"oʊ, noʊ.", "$"], [1] * 10)
    said = {"SOON": "sʌun", "ON": "ɔn", "OWN": "oʊn"}
    monkeypatch.setattr(prepare, "pronounce", lambda words: {word: said[word] for word in words})
    assert prepare.make_dictionary(tmp_path, rows, ["soon", "on", "own", "oh"]) == {
        "NO": "noʊ",
        "OH": "oʊ",
        "OWN": "oʊn",
    }


def test_manifests_are_written(prepare, recipe_module, tmp_path):
    (tmp_path / "wavs").mkdir()
    soundfile.write(tmp_path / "wavs" / "a.wav", np.zeros(11025), 22050)
    prepare.write_manifest(tmp_path / "m.json", tmp_path, [recipe_module("layout").Row("a", "Dr. A.", "Doctor A.")])
    entry = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    wav = str(tmp_path / "wavs" / "a.wav")
    assert entry == {"audio_filepath": wav, "text": "Dr. A.", "normalized_text": "Doctor A.", "duration": 0.5}


@pytest.fixture
def corpus(recipe_module, tmp_path):
    """Rows to train on, "a" and "b", and "c", held out; each says "oʊ" in its five frames."""
    layout = recipe_module("layout")
    for folder in ("wavs", "pitch"):
        (tmp_path / folder).mkdir()
    for name in "abc":
        soundfile.write(tmp_path / "wavs" / f"{name}.wav", np.zeros(1280), 22050)
        np.save(tmp_path / "pitch" / f"{name}.npy", np.full(6, 100))
        layout.write_alignment(tmp_path, name, ["^", *"oʊ.", "$"], [1] * 5)
    layout.write_rows(tmp_path / "train.csv", [layout.Row(name, "Oh.", "Oh.") for name in "ab"])
    layout.write_rows(tmp_path / "eval.csv", [layout.Row("c", "Oh.", "Oh.")])
    layout.write_text(tmp_path / "pitch.json", '{"mean": 100, "deviation": 20}')
    return tmp_path


@pytest.fixture
def run(prepare, corpus, monkeypatch):
    """Runs the script on the corpus; alone, "oh" is said "əʊ", and any other word "oʊ"."""

    def run(*options: str) -> int:
        monkeypatch.setattr("sys.argv", ["prepare.py", str(corpus), *options])
        return prepare.main()

    monkeypatch.setattr(prepare, "pronounce", lambda words: {word: "əʊ" if word == "OH" else "oʊ" for word in words})
    return run


def read_ids(corpus, name):
    lines = (corpus / "nemo" / f"{name}.json").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["audio_filepath"].rpartition("/")[2] for line in lines]


def test_rows_that_cannot_be_used_are_named_with_their_lines(run, corpus, recipe_module, capsys):
    layout = recipe_module("layout")
    rows = [
        layout.Row(name, text, text) for name, text in zip("abdef", ["Oh.", "12", "Oh.", "Oh.", "Oh."], strict=True)
    ]
    layout.write_rows(corpus / "train.csv", rows)
    for name in "def":
        for folder, suffix in (("wavs", "wav"), ("pitch", "npy"), ("alignments", "json")):
            (corpus / folder / f"{name}.{suffix}").write_bytes((corpus / folder / f"a.{suffix}").read_bytes())
    (corpus / "wavs" / "d.wav").unlink()
    (corpus / "pitch" / "d.npy").unlink()
    (corpus / "alignments" / "e.json").unlink()
    (corpus / "alignments" / "f.json").write_text("[]")
    assert run() == 1
    path = corpus / "train.csv"
    assert capsys.readouterr().err.splitlines() == [
        f"{path}:2: no known symbol in '12'",
        f"{path}:3: there is no wavs/d.wav nor pitch/d.npy",
        f"{path}:4: there is no alignments/e.json",
        f'{path}:5: {corpus / "alignments" / "f.json"}: expected {{"phonemes": [...], "durations": [...]}}',
    ]
    assert read_ids(corpus, "train") == ["a.wav"]
    assert read_ids(corpus, "eval") == ["c.wav"]
    assert (corpus / "nemo" / "dictionary.txt").read_text(encoding="utf-8") == "OH  oʊ\n"


def test_a_corpus_without_alignments_is_refused(run, corpus, capsys):
    """One message for all rows names the folder and both ways out; nothing is written."""
    shutil.rmtree(corpus / "alignments")
    for _ in range(2):
        assert run() == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"there is no {corpus / 'alignments'}; make_corpus.py synthesise writes them.")
        assert "nemo/prepare.py --learn-durations, then nemo/train.py known_durations=false" in line
        assert not (corpus / "nemo").exists()
        (corpus / "alignments").mkdir(exist_ok=True)  # an empty folder is none


def test_durations_can_be_learned(run, corpus):
    """Without alignments words are said alone, and their phonemes are all that the model gets to know."""
    shutil.rmtree(corpus / "alignments")
    (corpus / "words.txt").write_text("oh no", encoding="utf-8")
    assert run("--learn-durations", "--words", str(corpus / "words.txt")) == 0
    assert read_ids(corpus, "train") == ["a.wav", "b.wav"]
    assert (corpus / "nemo" / "dictionary.txt").read_text(encoding="utf-8") == "OH  əʊ\n"


def test_a_list_without_a_row_that_can_be_used_is_refused(run, corpus, capsys):
    (corpus / "alignments" / "c.json").unlink()
    assert run() == 2
    assert capsys.readouterr().err.splitlines() == [
        f"{corpus / 'eval.csv'}:1: there is no alignments/c.json",
        f"{corpus / 'eval.csv'} has no row that can be used",
    ]
    assert not (corpus / "nemo").exists()


def test_pitch_and_lists_are_asked_for(run, corpus, capsys):
    (corpus / "pitch.json").unlink()
    (corpus / "train.csv").unlink()
    assert run() == 2
    assert capsys.readouterr().err.splitlines() == [
        f"there is no {corpus / 'train.csv'}; make_corpus.py writes it",
        f"there is no {corpus / 'pitch.json'}; pitch.py writes it",
    ]
