"""Word error rates of folders, side by side."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

METADATA = "a|one two three four|one two three four\nb|five six|five six\n"


@pytest.fixture
def script(recipe_module, monkeypatch) -> Callable[[dict[str, str]], ModuleType]:
    """The script; what is "read" in a file is given, by the number of times that files were read."""

    def prepare(heard: list[float]) -> ModuleType:
        module = recipe_module("intelligible")
        rates = iter(heard)
        monkeypatch.setattr(module, "is_installed", lambda: True)
        monkeypatch.setattr(module, "read_back", lambda *_: ("...", next(rates)))
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
    """Long sentences count as much as they have words."""
    assert script([0.25, 0.5, 0.5, 1.0]).main(list(map(str, folders))) == 0
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert first == f"| {folders[0]} | 33.3% | 1.00 |"
    assert second == f"| {folders[1]} | 66.7% | 2.00 |"


def test_only_sentences_of_all_folders_count(script, folders, capsys):
    """A sentence whose file is missing is named, and left out of both folders."""
    (folders[1] / "wavs" / "a.wav").unlink()
    assert script([0.5, 1.0]).main(list(map(str, folders))) == 1
    output = capsys.readouterr()
    assert "there is no wavs/a.wav" in output.err
    assert "| 1 sentences of" in output.out
    assert "| 50.0% | 1.00 |" in output.out


def test_a_listed_sentence_has_to_be_everywhere(script, folders, tmp_path, capsys):
    listed = tmp_path / "list.csv"
    listed.write_text("b|five six|five six\nc|seven|seven\n")
    assert script([0.0, 0.0]).main([*map(str, folders), "--list", str(listed)]) == 1
    output = capsys.readouterr()
    assert f"{listed}: c is not in all folders" in output.err
    assert "| 1 sentences of" in output.out


def test_folders_without_a_common_sentence_are_refused(script, folders, capsys):
    (folders[1] / "metadata.csv").write_text("")
    assert script([]).main(list(map(str, folders))) == 1
    assert "no sentence is in all of" in capsys.readouterr().err
