"""Lists of files in plain text, as editors and programs on any system write them."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

COMMENT = "#"
COLUMNS = re.compile(r"[|\t]")  # VITS and its kin: path|speaker|text
BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def open_text(path: Path) -> IO[str]:
    """Opens a text file in UTF-8 or UTF-16; bytes of paths that are not UTF-8 are kept as surrogates."""
    head = b""
    if path.is_file():  # what is read from a pipe is gone
        with path.open("rb") as file:
            head = file.read(2)
    if head in BYTE_ORDER_MARKS:
        return path.open(encoding="utf-16", errors="replace")
    # A list begins with an ASCII character, even where the byte order mark is missing.
    if len(head) == 2 and 0 in head and any(head):
        return path.open(encoding="utf-16-le" if head[1] == 0 else "utf-16-be", errors="replace")
    # utf-8-sig skips a byte order mark.
    return path.open(encoding="utf-8-sig", errors="surrogateescape")


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the lines of a text file that are not empty, stripped, with their numbers from 1."""
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if stripped := line.strip():
                yield number, stripped


def resolve_path(text: str, folder: Path) -> Path:
    r"""Returns the absolute path of a file that a list names, relative to a folder.

    Where there is no file of that name, ``\`` separates folders, as on Windows.

    Raises:
        ValueError: no file can have this name.
    """
    if "\0" in text:
        raise ValueError(f"a path can't hold a NUL character: {text[:100]!r}")
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{text!r}: there is no such user") from error
    absolute = Path(os.path.abspath(folder / path))
    os.fsencode(absolute)  # a UnicodeEncodeError, which is a ValueError, for what no name can hold
    if "\\" in text and not os.path.exists(absolute):
        return resolve_path(text.replace("\\", "/"), folder)
    return absolute


def find_listed(line: str, folder: Path, read: frozenset[str]) -> Path | None:
    """Returns the file of a line: all of it is a path, or its first column; None for a line that looks like neither.

    Args:
        line: stripped.
        folder: what relative paths start from.
        read: suffixes of the files that the list could name; others must exist.
    """
    candidates = [
        resolve_path(each.strip(), folder) for each in dict.fromkeys((line, COLUMNS.split(line, maxsplit=1)[0]))
    ]
    for path in candidates:
        if os.path.isfile(path):
            return path
    return next((path for path in reversed(candidates) if path.suffix.lower() in read), None)


def is_comment(line: str, folder: Path) -> bool:
    """Returns whether a line is a comment, and not a file whose name begins with ``#``."""
    return line.startswith(COMMENT) and not os.path.isfile(folder / line)
