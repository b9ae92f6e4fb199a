"""Words and their phonemes for NeMo, taken from sentences; espeak-ng, which need not be installed here, is replaced."""

from __future__ import annotations

import json

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


def test_rows_that_cannot_be_used_are_named_with_their_lines(prepare, recipe_module, tmp_path, monkeypatch, capsys):
    layout = recipe_module("layout")
    for folder, suffix in (("wavs", "wav"), ("pitch", "npy")):
        (tmp_path / folder).mkdir()
        for name in "ab":
            (tmp_path / folder / f"{name}.{suffix}").touch()
    soundfile.write(tmp_path / "wavs" / "a.wav", np.zeros(512), 22050)
    np.save(tmp_path / "pitch" / "a.npy", np.zeros(3))
    layout.write_alignment(tmp_path, "a", ["^", *"oʊ.", "$"], [1] * 5)
    layout.write_rows(
        tmp_path / "train.csv", [layout.Row(name, text, text) for name, text in (("a", "Oh."), ("b", "12"))]
    )
    layout.write_rows(tmp_path / "eval.csv", [layout.Row("c", "Oh.", "Oh.")])
    layout.write_text(tmp_path / "pitch.json", '{"mean": 100, "deviation": 20}')
    monkeypatch.setattr(prepare, "pronounce", lambda words: dict.fromkeys(words, "oʊ"))
    monkeypatch.setattr("sys.argv", ["prepare.py", str(tmp_path)])
    assert prepare.main() == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path / 'train.csv'}:2: no known symbol in '12'",
        f"{tmp_path / 'eval.csv'}:1: there is no wavs/c.wav nor pitch/c.npy",
    ]
    assert len((tmp_path / "nemo" / "train.json").read_text(encoding="utf-8").splitlines()) == 1
