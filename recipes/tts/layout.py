"""A corpus in the layout of LJSpeech, read and written.

    metadata.csv        id|text|normalised text
    wavs/ID.wav         22050 Hz, 16 bit, mono
    alignments/ID.json  {"phonemes": [...], "durations": [...]}: frames of 256 samples; only of synthetic speech
    train.csv, eval.csv rows of metadata.csv: what is trained on, and what is held out
    README.md           where it comes from

Audio and alignment of a row are there before the row is. Every file is written under a temporary name and renamed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

SAMPLE_RATE = 22050


@dataclass(frozen=True)
class Row:
    """A line of ``metadata.csv``."""

    id: str
    text: str
    normalised: str

    def __str__(self) -> str:
        return f"{self.id}|{self.text}|{self.normalised}"


@dataclass(frozen=True)
class Problem:
    """A line that can't be used, and why."""

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


def read_rows(folder: Path) -> tuple[list[Row], list[Problem]]:
    """Rows of ``metadata.csv`` that have a file and a text; and the others' problems.

    Two fields are read as well: LJSpeech's third is the text in words, which is then taken to be the second.

    Raises:
        FileNotFoundError: there is no ``metadata.csv``.
    """
    path = folder / "metadata.csv"
    rows: dict[str, Row] = {}
    problems = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("|")]
        reason = _find_fault(fields, folder, rows)
        if reason is None:
            rows[fields[0]] = Row(fields[0], fields[1], fields[-1])
        else:
            problems.append(Problem(path, number, reason))
    return list(rows.values()), problems


def _find_fault(fields: list[str], folder: Path, rows: dict[str, Row]) -> str | None:
    if len(fields) not in {2, 3}:
        return f"expected id|text|normalised text, got {len(fields)} fields"
    if Path(fields[0]).name != fields[0] or fields[0] in {"", ".", ".."}:
        return f"the id {fields[0]!r} is not a file's name"
    if fields[0] in rows:
        return f"the id {fields[0]!r} stands in an earlier line too"
    if not any(map(str.isalpha, fields[-1])):
        return f"no known symbol in {fields[-1]!r}"
    if not (folder / "wavs" / f"{fields[0]}.wav").is_file():
        return f"there is no wavs/{fields[0]}.wav"
    return None


def read_list(path: Path) -> list[Row]:
    """Rows of ``train.csv`` or ``eval.csv``."""
    return [Row(*line.split("|")) for line in path.read_text(encoding="utf-8").splitlines()]


def write_text(path: Path, text: str) -> None:
    """Writes a file under a temporary name and renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Writes a list of rows."""
    write_text(path, "".join(f"{row}\n" for row in rows))


def append_row(path: Path, row: Row) -> None:
    """Adds a row to a list in one write."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{row}\n")
        file.flush()
        os.fsync(file.fileno())


def write_audio(path: Path, audio: NDArray[np.float32], sample_rate: int = SAMPLE_RATE) -> None:
    """Writes audio ``(N,)`` with 16 bits; what is beyond full scale is clipped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    soundfile.write(partial, audio.clip(-1, 1), sample_rate, subtype="PCM_16", format="WAV")
    partial.replace(path)


def write_alignment(folder: Path, row_id: str, phonemes: list[str], durations: list[int]) -> None:
    """Writes the durations of a row's phonemes."""
    content = json.dumps({"phonemes": phonemes, "durations": durations}, ensure_ascii=False)
    write_text(folder / "alignments" / f"{row_id}.json", content)


def read_alignment(folder: Path, row_id: str) -> tuple[list[str], list[int]]:
    """Phonemes of a row and their durations in frames.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file isn't such JSON, or doesn't hold as many durations as phonemes.
    """
    path = folder / "alignments" / f"{row_id}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        phonemes, durations = list(content["phonemes"]), list(content["durations"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path}: expected {{"phonemes": [...], "durations": [...]}}') from error
    if len(phonemes) != len(durations):
        raise ValueError(f"{path} holds {len(phonemes)} phonemes and {len(durations)} durations")
    return phonemes, durations


def divide(rows: list[Row], n_eval: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows held out: the first `n_eval`, so that a corpus can grow and keeps them.

    Raises:
        ValueError: nothing would be left to train on.
    """
    if len(rows) <= n_eval:
        raise ValueError(f"{len(rows)} rows: holding out {n_eval} leaves nothing to train on; see --eval-sentences")
    return rows[n_eval:], rows[:n_eval]
