"""Word error rates of folders, side by side: of texts that a stand-in for the recogniser reads."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

METADATA = "a|Mr. A has 21.|Mister A has twenty-one.\nb|Don't go.|Don't go.\n"


@pytest.fixture
def script(recipe_module, monkeypatch) -> Callable[..., ModuleType]:
    """The script; what is read in each file is given, in the order in which files are read."""

    def prepare(*heard: str) -> ModuleType:
        texts = iter(heard)
        monkeypatch.setattr(recipe_module("reading"), "transcribe", lambda *_: next(texts))
        module = recipe_module("intelligible")
        monkeypatch.setattr(module, "is_installed", lambda: True)
        return module

    return prepare


@pytest.fixture
def folders(write_recordings) -> tuple[Path, Path]:
    """Two folders with two sentences each."""
    first = write_recordings(METADATA, ("a", "b"))
    second = first.with_name("second")
    shutil.copytree(first, second)
    return first, second


def test_rates_are_of_all_words(script, folders, capsys):
    """Words count, not sentences: "don't" is two of them, and a figure is the word that it stands for."""
    heard = ("mr a had twenty one", "do not go", "mister a has 20", "")
    assert script(*heard).main([*map(str, folders), "--show"]) == 0
    *shown, _, _, first, second = capsys.readouterr().out.splitlines()
    assert first == f"| {folders[0]} | 14.3% | 1.00 |"  # 1 word of 7
    assert second == f"| {folders[1]} | 57.1% | 4.00 |"  # 1 of 4 words and all 3
    assert shown[0] == "recordings a 0.25: Mister A has twenty-one. | mr a had twenty one"
    assert shown[3] == "second b 1.00: Don't go. | "


def test_words_that_nobody_said_count(script, folders, capsys):
    heard = ("mister a has 21", "do not go", "mister a has 21 of the lambs", "do not go now")
    assert script(*heard).main(list(map(str, folders))) == 0
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert first == f"| {folders[0]} | 0.0% | nan |"
    assert second == f"| {folders[1]} | 57.1% | nan |"  # 4 words too many, of 7


def test_only_sentences_of_all_folders_count(script, folders, capsys):
    """A sentence whose file is missing is named, and left out of both folders."""
    (folders[1] / "wavs" / "a.wav").unlink()
    assert script("do not know", "do").main(list(map(str, folders))) == 1
    output = capsys.readouterr()
    assert "there is no wavs/a.wav" in output.err
    assert "| 1 sentences of" in output.out
    assert f"| {folders[0]} | 33.3% | 1.00 |" in output.out
    assert f"| {folders[1]} | 66.7% | 2.00 |" in output.out


def test_a_listed_sentence_has_to_be_everywhere(script, folders, tmp_path, capsys):
    listed = tmp_path / "list.csv"
    listed.write_text("b|Don't go.|Don't go.\nc|Seven.|Seven.\n")
    assert script("do not go", "do not go").main([*map(str, folders), "--list", str(listed)]) == 1
    output = capsys.readouterr()
    assert f"{listed}: c is not in all folders" in output.err
    assert "| 1 sentences of" in output.out


def test_folders_without_a_common_sentence_are_refused(script, folders, capsys):
    (folders[1] / "metadata.csv").write_text("")
    assert script().main(list(map(str, folders))) == 1
    assert "no sentence is in all of" in capsys.readouterr().err
