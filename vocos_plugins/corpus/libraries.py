"""Lists that a library reads: cut sets of Lhotse, and data sets of Hugging Face ``datasets`` on this machine."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .jobs import FAILURES, Job, describe
from .search import Search

DATASET_FILE, DATASETS_FILE = "state.json", "dataset_dict.json"  # what `save_to_disk` writes


def read_lhotse(path: Path, search: Search) -> Iterator[Job]:
    """Cuts, or recordings, each by its id; recordings in local files only, nothing is run or downloaded."""
    if search.kind == "mel":
        raise ValueError("of Lhotse's manifests, recordings are read and not features")
    for item in _lhotse_items(path):
        try:
            yield _of_cut(item, path, search)
        except FAILURES as error:
            yield Job(source=path, target=search.out, error=f"{item.id!r}: {describe(error)}")


def _lhotse_items(path: Path) -> Iterator[Any]:
    try:
        from lhotse.serialization import NotALhotseManifest, load_manifest_lazy_or_eager
    except ImportError as error:
        raise ValueError(f"{error}: pip install lhotse") from error
    try:
        items = load_manifest_lazy_or_eager(path)  # None if there are none; a lazy set may call itself empty
        yield from () if items is None else items
    except (NotALhotseManifest, KeyError) as error:
        raise ValueError(f"no cuts or recordings: {error}") from error


def _of_cut(cut: Any, path: Path, search: Search) -> Job:
    recording = cut if hasattr(cut, "sources") else getattr(cut, "recording", None)
    if recording is None:
        raise ValueError(f"a {type(cut).__name__} is no part of one recording; save the mixed audio first")
    kinds = [source.type for source in recording.sources]
    if kinds != ["file"]:
        raise ValueError(f"its recording must be one local file, it is {', '.join(kinds) or 'none'}")
    if recording.transforms:
        raise ValueError("its recording is to be transformed when it is loaded; save the transformed audio first")
    file = search.resolve(recording.sources[0].source, path)
    target = search.place(cut.id)
    if recording is cut:
        return Job(source=file, target=target)
    wanted = [cut.channel] if isinstance(cut.channel, int) else list(cut.channel)
    present = recording.sources[0].channels
    channels = None if wanted == present else tuple(present.index(channel) for channel in wanted)
    whole = cut.start == 0 and abs(cut.duration - recording.duration) < 1 / recording.sampling_rate
    duration_s = None if whole else cut.duration
    return Job(source=file, target=target, start_s=cut.start, duration_s=duration_s, channels=channels)


def is_dataset(folder: Path) -> bool:
    """Whether ``datasets`` saved it."""
    return (folder / DATASET_FILE).is_file() or (folder / DATASETS_FILE).is_file()


def read_dataset(path: Path, search: Search) -> Iterator[Job]:
    """The rows of what `save_to_disk` wrote, by their numbers; a folder for each split of a `DatasetDict`."""
    splits = sorted(folder for folder in path.iterdir() if is_dataset(folder)) if path.is_dir() else []
    folders = [path] if (path / DATASET_FILE).is_file() else splits
    if not folders:
        raise ValueError("no folder that save_to_disk wrote")
    for folder in folders:
        rows = _open_dataset(folder)
        _column(rows, search.kind or "audio")
        for row in range(len(rows)):
            name = f"{row:08d}" if folder == path else f"{folder.name}/{row:08d}"
            yield Job(source=folder.absolute(), target=search.place(name), row=row)


def row_audio(folder: Path, row: int) -> Path | bytes:
    """The recording of a row: its file, or what that file holds."""
    rows = _open_dataset(folder)
    value = rows[row][_column(rows, "audio")]
    if isinstance(value, str):
        return Path(value)
    content: bytes | None = value["bytes"]
    return Path(value["path"]) if content is None else content


def row_mel(folder: Path, row: int) -> Tensor:
    """The mel of a row, ``(1, n_mels, T)``."""
    rows = _open_dataset(folder)
    mel = torch.from_numpy(np.asarray(rows[row][_column(rows, "mel")], dtype=np.float32))
    if mel.dim() not in (2, 3) or (mel.dim() == 3 and len(mel) != 1):
        raise ValueError(f"expected a mel (bands, frames) or (1, bands, frames), got shape {tuple(mel.shape)}")
    return mel if mel.dim() == 3 else mel[None]


@functools.lru_cache(maxsize=8)
def _open_dataset(folder: Path) -> Any:
    """The data set, in the computer's memory only where it is read; recordings as they are stored."""
    try:
        from datasets import Audio, load_from_disk
    except ImportError as error:
        raise ValueError(f"{error}: pip install datasets") from error
    rows = load_from_disk(str(folder))
    for name, feature in rows.features.items():
        if isinstance(feature, Audio):
            rows = rows.cast_column(name, Audio(decode=False))
    return rows


def _column(rows: Any, kind: str) -> str:
    """Which column has the recordings, or the mels: the one of that name, or the first of recordings."""
    from datasets import Audio

    of_audio = (name for name, feature in rows.features.items() if kind == "audio" and isinstance(feature, Audio))
    column = kind if kind in rows.features else next(itertools.islice(of_audio, 1), None)
    if column is None:
        raise ValueError(f"no column {kind!r}; it has {', '.join(rows.features)}")
    return column
