"""Data sets of Hugging Face ``datasets`` on this machine. The library itself reads them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .jobs import Job
from .naming import Search

DATASET_FILE, DATASETS_FILE = "state.json", "dataset_dict.json"  # what `save_to_disk` writes


def is_dataset(folder: Path) -> bool:
    """Returns whether ``datasets`` saved this folder."""
    return (folder / DATASET_FILE).is_file() or (folder / DATASETS_FILE).is_file()


def read_dataset(path: Path, search: Search) -> Iterator[Job]:
    """Yields a job for each row that `save_to_disk` wrote, named by its number; below its split for a `DatasetDict`."""
    splits = sorted(folder for folder in path.iterdir() if is_dataset(folder)) if path.is_dir() else []
    folders = [path] if (path / DATASET_FILE).is_file() else splits
    if not folders:
        raise ValueError("expected a folder written by save_to_disk")
    for folder in folders:
        rows = _open_dataset(folder)
        _column(rows, search.kind or "audio")
        for row in range(len(rows)):
            name = f"{row:08d}" if folder == path else f"{folder.name}/{row:08d}"
            yield Job(source=folder.absolute(), target=search.output_path(name), row=row)


def row_audio(folder: Path, row: int) -> Path | bytes:
    """Returns the recording of a row: the path of its file, or the file's bytes."""
    rows = _open_dataset(folder)
    value = rows[row][_column(rows, "audio")]
    if isinstance(value, str):
        return Path(value)
    # datasets stores a recording's bytes, or only its path if it was added as a file.
    content: bytes | None = value["bytes"]
    return Path(value["path"]) if content is None else content


def row_mel(folder: Path, row: int) -> Tensor:
    """Returns the mel of a row, ``(1, n_mels, T)``."""
    rows = _open_dataset(folder)
    mel = torch.from_numpy(np.asarray(rows[row][_column(rows, "mel")], dtype=np.float32))
    if mel.dim() not in (2, 3) or (mel.dim() == 3 and len(mel) != 1):
        raise ValueError(f"expected a mel (bands, frames) or (1, bands, frames), got shape {tuple(mel.shape)}")
    return mel if mel.dim() == 3 else mel[None]


@functools.lru_cache(maxsize=8)
def _open_dataset(folder: Path) -> Any:
    """Opens a data set, memory-mapped; recordings stay encoded."""
    try:
        # Only these lists need datasets, so it is no dependency.
        from datasets import Audio, load_from_disk
    except ImportError as error:
        raise ValueError(f"{error}: pip install datasets") from error
    rows = load_from_disk(str(folder))
    for name, feature in rows.features.items():
        if isinstance(feature, Audio):
            rows = rows.cast_column(name, Audio(decode=False))
    return rows


def _column(rows: Any, kind: str) -> str:
    """Returns the column named ``audio`` or ``mel``; without one, the first with recordings."""
    from datasets import Audio

    of_audio = (name for name, feature in rows.features.items() if kind == "audio" and isinstance(feature, Audio))
    column = kind if kind in rows.features else next(itertools.islice(of_audio, 1), None)
    if column is None:
        raise ValueError(f"no column {kind!r}; the data set has {', '.join(rows.features)}")
    return column
