"""Which recordings to train on: a folder, a list of files, or a manifest that also says licence and bandwidth."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..storage.audio import INPUT_SUFFIXES

# RAW has no header that would say rate and channels.
AUDIO_SUFFIXES = INPUT_SUFFIXES - {".raw"}


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A file of speech and what is known of it.

    Attributes:
        path: of the file.
        bandwidth_hz: up to where it holds sound; None for half its sample rate. Lossy formats and resampled sources
            end far below that.
        licence, attribution: what a checkpoint's card has to say of it; empty where unknown.
        speaker: who speaks; empty where unknown.
    """

    path: Path
    bandwidth_hz: float | None = None
    licence: str = ""
    attribution: str = ""
    speaker: str = ""


def find_recordings(source: Path, split: str | None = None) -> list[Recording]:
    """Finds recordings, in an order that depends on nothing but the source.

    Args:
        source: a folder, searched with all its subfolders except hidden ones; a manifest (``.csv``) with a column
            ``file`` and, if known, ``split``, ``bandwidth_hz``, ``licence``, ``attribution`` and ``speaker``; or any
            other text file as a list of one path a line. Paths are absolute or relative to the manifest or list.
        split: which rows of a manifest; None for all of them.

    Raises:
        ValueError: nothing is there, a listed file is missing, a number is none, or the split is unknown; the
            message says the file and the line.
    """
    if not source.exists():
        raise ValueError(f"{source}: no such file or folder")
    if source.suffix.lower() == ".csv" and source.is_file():
        return _from_manifest(source, split)
    if split is not None:
        raise ValueError(f"{source}: split {split!r} was asked for; only a manifest (.csv) has splits")
    recordings = _from_folder(source) if source.is_dir() else _from_list(source)
    if not recordings:
        raise ValueError(f"{source}: {'no audio files in this folder' if source.is_dir() else 'the list is empty'}")
    return recordings


def credit_lines(recordings: Sequence[Recording]) -> list[str]:
    """Every attribution once, sorted, with its licence, for the card of a checkpoint that learned from them."""
    owed = {(r.attribution or r.speaker or "unknown", r.licence or "licence unknown") for r in recordings}
    return [f"{attribution} ({licence})" for attribution, licence in sorted(owed)]


def _from_folder(folder: Path) -> list[Recording]:
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in AUDIO_SUFFIXES and not hidden and path.is_file():
            found.append(Recording(path=path))
    return found


def _from_list(listed: Path) -> list[Recording]:
    try:
        lines = listed.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{listed}: not a folder, a manifest (.csv) or a text file that lists recordings") from error
    stripped = ((number, line.strip()) for number, line in enumerate(lines, start=1))
    return [Recording(path=_resolve(line, listed, number)) for number, line in stripped if line]


def _from_manifest(manifest: Path, split: str | None) -> list[Recording]:
    rows = list(_read_rows(manifest))
    if not rows:
        raise ValueError(f"{manifest}: the manifest has no rows")
    if split is not None:
        known = sorted({row["split"] for _, row in rows if row.get("split")})
        if split not in known:
            raise ValueError(f"{manifest}: no split {split!r}; it has {', '.join(known) or 'no column split'}")
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
        reader = csv.DictReader(file, strict=True)
        try:
            if "file" not in (columns := reader.fieldnames or ()):
                raise ValueError(f"{manifest}: a manifest needs a column 'file'; it has {', '.join(columns) or 'none'}")
            for row in reader:
                if None in row:
                    raise ValueError(f"{manifest}, line {reader.line_num}: more values than columns")
                yield reader.line_num, {name: (value or "").strip() for name, value in row.items()}
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{manifest}, line {reader.line_num}: not a CSV row in UTF-8: {error}") from error


def _resolve(text: str, source: Path, line: int) -> Path:
    if not text:
        raise ValueError(f"{source}, line {line}: no file is named")
    path = source.parent / text
    if not path.is_file():
        raise ValueError(f"{source}, line {line}: there is no file {path}")
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
