"""The formats of lists that corpora come with, and their detection from the content."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .hf_datasets import is_dataset, read_dataset
from .jobs import Job
from .lhotse_cuts import read_lhotse
from .lists import read_list, read_ljspeech, read_nemo, read_speechbrain
from .naming import Search

READERS: dict[str, Callable[[Path, Search], Iterator[Job]]] = {
    "list": read_list,
    "nemo": read_nemo,
    "speechbrain": read_speechbrain,
    "ljspeech": read_ljspeech,
    "lhotse": read_lhotse,
    "datasets": read_dataset,
}
HEAD_BYTES = 2**20
BAR_SUFFIXES = {".csv", ".txt"}


def detect(path: Path, search: Search) -> str | None:
    """Returns the name of a list's format; None for a folder of files, or a file that is not a list."""
    if search.format != "auto":
        return None if search.format == "files" else search.format
    if path.is_dir():
        return "datasets" if is_dataset(path) else None
    return None if path.suffix.lower() in search.read else _by_content(path, search)


def _by_content(path: Path, search: Search) -> str | None:
    # Of these formats, only Lhotse's manifests are compressed.
    if path.suffix.lower() == ".gz":
        return "lhotse"
    first = _first_line(path)
    if first[:1] in ("{", "["):
        return _by_json(first)
    if "|" in first and path.suffix.lower() in BAR_SUFFIXES:
        return "ljspeech"
    return "list" if first and search.resolve(first, path).is_file() else None


def _first_line(path: Path) -> str:
    """Returns the first line that isn't empty, cut at one mebibyte; an empty string for a file that isn't text."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    line = next((line for line in head.splitlines() if line.strip()), b"")
    try:
        # Some editors, above all on Windows, begin a file with a byte order mark.
        return line.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return ""


def _by_json(first: str) -> str | None:
    try:
        content: Any = json.loads(first)
    except json.JSONDecodeError:  # the value continues on the next line
        return "lhotse" if first[0] == "[" else "speechbrain"
    if isinstance(content, list):
        return "lhotse"
    if {"audio_filepath", "mel_filepath"} & content.keys():
        return "nemo"
    # A recording has sources; cuts are of type MonoCut, MultiCut, MixedCut and so on.
    if "sources" in content or str(content.get("type", "")).endswith("Cut"):
        return "lhotse"
    return "speechbrain" if all(isinstance(value, dict) for value in content.values()) else None
