"""Texts of recordings, as LJSpeech and others write them."""

from __future__ import annotations

import codecs

import pytest

from vocos_plugins.storage.texts import Transcript, find_text, read_metadata

METADATA = "a|Dr. A.|Doctor A.\n\nb | Two fields. \nonly-an-id\nc|Kept.|\na|Again.|Again.\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_metadata_is_read_with_its_lines(tmp_path, encoding, end):
    """The last field and the last line of an id count; the lines are those of an editor."""
    (tmp_path / "metadata.csv").write_bytes(METADATA.replace("\n", end).encode(encoding))
    assert read_metadata(tmp_path) == {
        "a": Transcript("Again.", 6),
        "b": Transcript("Two fields.", 3),
        "c": Transcript("", 5),
    }


def test_separators_of_unicode_end_no_line(tmp_path):
    (tmp_path / "metadata.csv").write_text("a|One\u2028two.\nb|\x85Three.\n", encoding="utf-8")
    assert read_metadata(tmp_path) == {"a": Transcript("One\u2028two.", 1), "b": Transcript("Three.", 2)}


def test_a_folder_without_metadata_has_no_texts(tmp_path):
    assert read_metadata(tmp_path) == {}
    assert find_text(tmp_path / "a", {}) == ""


def test_metadata_comes_before_files_and_normalized_ones_first(tmp_path):
    """A recording's name may have dots; an empty text is none."""
    for suffix in (".lab", ".txt", ".normalized.txt"):
        (tmp_path / f"a.1{suffix}").write_bytes(codecs.BOM_UTF8 + f" {suffix[1:]}\n".encode())
        assert find_text(tmp_path / "a.1", {"a": Transcript("Another's.", 1)}) == suffix[1:]
    assert find_text(tmp_path / "a.1", {"a.1": Transcript("", 1)}) == "normalized.txt"
    assert find_text(tmp_path / "a.1", {"a.1": Transcript("Listed.", 1)}) == "Listed."


def test_bytes_that_are_no_utf_8_can_be_written(tmp_path):
    """Pages are: a surrogate would end them. What is not UTF-8 is marked as that."""
    (tmp_path / "metadata.csv").write_bytes(b"a|Caf\xe9.\n")
    (tmp_path / "b.txt").write_bytes(b"Caf\xe9.\n")
    metadata = read_metadata(tmp_path)
    assert [find_text(tmp_path / name, metadata) for name in "ab"] == ["Caf\ufffd."] * 2
