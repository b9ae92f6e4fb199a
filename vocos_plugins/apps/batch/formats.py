"""The formats of lists that corpora come with, and their detection from the content."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...storage.listed import find_listed, is_comment, open_text
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
N_LINES = 100  # of a list whose first files may be missing
BAR_SUFFIXES = {".csv", ".txt"}


def detect(path: Path, search: Search) -> str | None:
    """Returns the name of a list's format; None for a folder of files, or a file that is not a list."""
    if search.format != "auto":
        return None if search.format == "files" else search.format
    if path.is_dir():
        return "datasets" if is_dataset(path) else None
    # Reading a pipe could wait for ever, and would leave nothing for its reader.
    if path.suffix.lower() in search.read or not path.is_file():
        return None
    return _by_content(path, search)


def _by_content(path: Path, search: Search) -> str | None:
    # Of these formats, only Lhotse's manifests are compressed.
    if path.suffix.lower() == ".gz":
        return "lhotse"
    lines = _first_lines(path)
    if not lines:
        return None
    if lines[0][:1] in ("{", "["):
        return _by_json(lines[0])
    folder = search.folder_of(path)
    lines = [line for line in lines if not is_comment(line, folder)]
    if _has_columns(path, lines, folder):
        return "list" if search.kind == "mel" else "ljspeech"
    return "list" if _is_list(lines, folder, search.read) else None


def _has_columns(path: Path, lines: list[str], folder: Path) -> bool:
    """Returns whether the first line has columns, and isn't the name of a file with a bar in it."""
    if not lines or "|" not in lines[0] or path.suffix.lower() not in BAR_SUFFIXES:
        return False
    return not os.path.isfile(folder / lines[0])


def _is_list(lines: list[str], folder: Path, read: frozenset[str]) -> bool:
    """Returns whether a line names a file that exists, or all of them end as such a file does."""
    found = []
    for line in lines:
        try:
            found.append(find_listed(line, folder, read))
        except ValueError:  # reported with the line's number, if the others make it a list
            found.append(None)
    return any(path is not None and os.path.isfile(path) for path in found) or (bool(found) and None not in found)


def _first_lines(path: Path) -> list[str]:
    """Returns the first lines that aren't empty, within one mebibyte; nothing for a file that isn't text."""
    with open_text(path) as file:
        head = file.read(HEAD_BYTES)
    # Audio has NULs, or bytes that no encoding of text has; a path may have some of those, but few.
    if "\0" in head or 20 * sum("\udc80" <= character <= "\udcff" for character in head[:1000]) > len(head[:1000]):
        return []
    return list(itertools.islice(filter(None, map(str.strip, head.splitlines())), N_LINES))


def _by_json(first: str) -> str | None:
    try:
        content: Any = json.loads(first)
    except (ValueError, RecursionError):  # most often the value continues on the next line
        return "lhotse" if first[0] == "[" else "speechbrain"
    if isinstance(content, list):
        return "lhotse"
    if not isinstance(content, dict):
        return None
    if {"audio_filepath", "mel_filepath"} & content.keys():
        return "nemo"
    # A recording has sources; cuts are of type MonoCut, MultiCut, MixedCut and so on.
    if "sources" in content or str(content.get("type", "")).endswith("Cut"):
        return "lhotse"
    return "speechbrain" if all(isinstance(value, dict) for value in content.values()) else None
