"""Sources of recordings: a folder, a list of files, or a manifest with licences and bandwidths."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..storage.audio import INPUT_SUFFIXES
from ..storage.folders import walk
from ..storage.listed import find_listed, is_comment, lines_of

# RAW has no header with sample rate and channels.
AUDIO_SUFFIXES = INPUT_SUFFIXES - {".raw"}


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A file of speech and its metadata.

    Attributes:
        path: path of the file.
        bandwidth_hz: highest frequency with sound; None for half its sample rate. Lossy formats and resampled sources
            end far below that.
        licence, attribution: for a checkpoint's card; empty if unknown.
        speaker: name of the speaker; empty if unknown.
    """

    path: Path
    bandwidth_hz: float | None = None
    licence: str = ""
    attribution: str = ""
    speaker: str = ""


def find_recordings(source: Path, split: str | None = None) -> list[Recording]:
    """Finds recordings, in an order that depends only on the source.

    Args:
        source: a folder, searched with all its subfolders except hidden ones; a manifest (``.csv``) with a column
            ``file`` and, if known, ``split``, ``bandwidth_hz``, ``licence``, ``attribution`` and ``speaker``; or any
            other text file, read as a list with one path per line. Paths are absolute or relative to the manifest or
            list.
        split: rows of a manifest to use; None for all of them.

    Raises:
        ValueError: the source is missing or empty, a listed file is missing, a number is invalid, or the split is
            unknown; the message names the file and the line.
    """
    if not source.exists():
        raise ValueError(f"{source}: no such file or folder")
    if source.suffix.lower() == ".csv" and source.is_file():
        return _from_manifest(source, split)
    if split is not None:
        raise ValueError(f"{source}: it has no split {split!r}; only a manifest (.csv) has splits")
    recordings = _from_folder(source) if source.is_dir() else _from_list(source)
    if not recordings:
        raise ValueError(f"{source}: {'no audio files in this folder' if source.is_dir() else 'the list is empty'}")
    return recordings


def _from_folder(folder: Path) -> list[Recording]:
    # Sorted by `walk`, since the order decides which crops a seed draws, and file systems list in any order.
    return [
        Recording(path=path)
        for path in walk(folder, _refuse_folder, skip=_is_hidden)
        if path.suffix.lower() in AUDIO_SUFFIXES and not _is_hidden(path)
    ]


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _refuse_folder(folder: Path, error: OSError) -> None:
    raise ValueError(f"{folder}: can't be read: {error.strerror}") from error


def _from_list(listed: Path) -> list[Recording]:
    recordings = []
    for number, line in lines_of(listed):
        if "\0" in line:
            raise ValueError(f"{listed}: not a folder, a manifest (.csv) or a text file that lists recordings")
        if not is_comment(line, listed.parent):
            path = find_listed(line, listed.parent, AUDIO_SUFFIXES) or listed.parent / line
            recordings.append(Recording(path=_existing(path, listed, number)))
    return recordings


def _from_manifest(manifest: Path, split: str | None) -> list[Recording]:
    rows = list(_read_rows(manifest))
    if not rows:
        raise ValueError(f"{manifest}: the manifest has no rows")
    if split is not None:
        known = sorted({row["split"] for _, row in rows if row.get("split")})
        if split not in known:
            available = ", ".join(known) or "no column 'split'"
            raise ValueError(f"{manifest}: no split {split!r}; it has {available}")
        rows = [(line, row) for line, row in rows if row["split"] == split]
    return [
        Recording(
            path=_resolve(row["file"], manifest, line),
            bandwidth_hz=_read_bandwidth(row.get("bandwidth_hz", ""), f"{manifest}, line {line}"),
            licence=row.get("licence", ""),
            attribution=row.get("attribution", ""),
            speaker=row.get("speaker", ""),
        )
        for line, row in rows
    ]


def _read_rows(manifest: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with manifest.open(encoding="utf-8-sig", newline="") as file:
        # strict: a quote that is never closed would otherwise swallow the rest of the file.
        reader = csv.DictReader(file, strict=True)
        try:
            if "file" not in (columns := reader.fieldnames or ()):
                raise ValueError(f"{manifest}: a manifest needs a column 'file'; it has {', '.join(columns) or 'none'}")
            for row in reader:
                # csv collects a row's surplus values under the key None.
                if None in row:
                    raise ValueError(f"{manifest}, line {reader.line_num}: more values than columns")
                yield reader.line_num, {name: (value or "").strip() for name, value in row.items()}
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{manifest}, line {reader.line_num}: not a CSV row in UTF-8: {error}") from error


def _resolve(text: str, source: Path, line: int) -> Path:
    if not text:
        raise ValueError(f"{source}, line {line}: the file name is empty")
    return _existing(source.parent / text, source, line)


def _existing(path: Path, source: Path, line: int) -> Path:
    if not os.path.isfile(path):
        raise ValueError(f"{source}, line {line}: no such file: {path}")
    return path


def _read_bandwidth(text: str, where: str) -> float | None:
    if not text:
        return None
    try:
        bandwidth_hz = float(text)
    except ValueError as error:
        raise ValueError(f"{where}: bandwidth_hz must be a number of Hz, got {text!r}") from error
    if not (math.isfinite(bandwidth_hz) and bandwidth_hz > 0):
        raise ValueError(f"{where}: bandwidth_hz must be positive and finite, got {text!r}")
    return bandwidth_hz
