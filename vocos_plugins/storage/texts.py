"""Texts of recordings: LJSpeech's ``metadata.csv``, and files beside the recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .listed import lines_of, open_text

METADATA = "metadata.csv"
TEXT_SUFFIXES = (".normalized.txt", ".txt", ".lab")


@dataclass(frozen=True)
class Transcript:
    """The text of a recording, and the line of ``metadata.csv`` that has it, from 1."""

    text: str
    line: int


def read_metadata(folder: Path) -> dict[str, Transcript]:
    """Returns the texts of LJSpeech's ``id|text|normalized text`` by id; none if there is no ``metadata.csv``.

    The last of two or more fields counts, and of lines with one id the last. Lines of one field are passed over.
    """
    file = folder / METADATA
    rows = ((number, line.split("|")) for number, line in (lines_of(file) if file.is_file() else ()))
    return {row[0].strip(): Transcript(_readable(row[-1]), number) for number, row in rows if len(row) > 1}


def find_text(stem: Path, metadata: Mapping[str, Transcript]) -> str:
    """Returns the text of a recording, from its folder's metadata or a file beside it; empty if there is none.

    Args:
        stem: the recording's path without suffix, to which those of `TEXT_SUFFIXES` are added.
        metadata: what `read_metadata` returns.
    """
    if stem.name in metadata and metadata[stem.name].text:
        return metadata[stem.name].text
    for suffix in TEXT_SUFFIXES:
        if (file := Path(f"{stem}{suffix}")).is_file():
            with open_text(file) as content:
                return _readable(content.read())
    return ""


def _readable(text: str) -> str:
    """The text without surrounding space; bytes that are no UTF-8 become marks of that, which can be written."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
