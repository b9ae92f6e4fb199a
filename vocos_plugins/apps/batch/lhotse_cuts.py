"""Lhotse's cut sets: cuts of recordings, or of mels computed earlier. Lhotse itself reads them.

Only local files are read. Nothing in a manifest is run, downloaded or unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .jobs import FAILURES, Job, describe
from .naming import Search

# Storage types of features: an archive of many, or a folder with one file for each. Others are not read: some are
# unpickled, some come from servers, and Kaldi's may be commands.
ARCHIVES = ("lilcom_chunky", "lilcom_hdf5", "chunked_lilcom_hdf5", "numpy_hdf5")
FOLDERS = ("lilcom_files", "numpy_files")


def read_lhotse(path: Path, search: Search) -> Iterator[Job]:
    """Yields a job for each cut or recording, named by its id."""
    make = _features_job if search.kind == "mel" else _recording_job
    for item in _items(path):
        try:
            yield make(item, path, search)
        except FAILURES as error:
            yield Job(source=path, target=search.out, error=f"{item.id!r}: {describe(error)}")


def features_mel(job: Job) -> Tensor:
    """Returns the mel of a job that `read_lhotse` made for features, ``(1, n_mels, T)``."""
    # Only these lists need Lhotse, so it is no dependency.
    from lhotse import Features

    features = Features.from_dict(json.loads(job.features or ""))
    try:
        if job.duration_s is None:
            frames = features.load()
        else:
            frames = features.load(start=job.start_s, duration=job.duration_s)
    except (ImportError, KeyError) as error:
        raise ValueError(f"{features.storage_type}: {describe(error)}") from error
    if frames.ndim != 2:
        raise ValueError(f"expected features (frames, bands), got shape {frames.shape}")
    return torch.from_numpy(np.ascontiguousarray(frames.T, dtype=np.float32))[None]


def _items(path: Path) -> Iterator[Any]:
    try:
        from lhotse.serialization import NotALhotseManifest, load_manifest_lazy_or_eager
    except ImportError as error:
        raise ValueError(f"{error}: pip install lhotse") from error
    try:
        items = load_manifest_lazy_or_eager(path)  # None if empty; a lazy set that has items may be falsy
        yield from () if items is None else items
    except (NotALhotseManifest, KeyError) as error:
        raise ValueError(f"expected cuts or recordings: {error}") from error


def _recording_job(cut: Any, path: Path, search: Search) -> Job:
    recording = cut if hasattr(cut, "sources") else getattr(cut, "recording", None)
    if recording is None:
        raise ValueError(f"{type(cut).__name__} has no single recording; save its audio first")
    kinds = [source.type for source in recording.sources]
    # For a source of type "command", Lhotse would run the command in a shell; others are URLs or bytes in memory.
    if kinds != ["file"]:
        raise ValueError(f"its recording must be one local file, got {', '.join(kinds) or 'none'}")
    if recording.transforms:
        raise ValueError("its recording has transforms, which are not applied; save the transformed audio first")
    file = search.resolve(recording.sources[0].source, path)
    target = search.output_path(cut.id)
    if recording is cut:
        return Job(source=file, target=target)
    wanted = [cut.channel] if isinstance(cut.channel, int) else list(cut.channel)
    present = recording.sources[0].channels
    channels = None if wanted == present else tuple(present.index(channel) for channel in wanted)
    # Durations are rounded seconds: less than a sample is no difference. A whole file needs no seeking.
    whole = cut.start == 0 and abs(cut.duration - recording.duration) < 1 / recording.sampling_rate
    duration_s = None if whole else cut.duration
    return Job(source=file, target=target, start_s=cut.start, duration_s=duration_s, channels=channels)


def _features_job(cut: Any, path: Path, search: Search) -> Job:
    features = getattr(cut, "features", None)
    if features is None or isinstance(features, str):  # a mixed cut holds their type there
        raise ValueError(f"{type(cut).__name__} has no features; compute and store them first")
    if features.storage_type not in (*ARCHIVES, *FOLDERS):
        known = ", ".join((*ARCHIVES, *FOLDERS))
        raise ValueError(f"its features are stored as {features.storage_type}; supported: {known}")
    storage = search.resolve(features.storage_path, path)
    # Without lstrip, an absolute key would replace the folder.
    file = storage / features.storage_key.lstrip("/") if features.storage_type in FOLDERS else storage
    manifest = json.dumps({**features.to_dict(), "storage_path": str(storage)})
    shift = features.frame_shift / 2
    whole = abs(cut.start - features.start) < shift and abs(cut.duration - features.duration) < shift
    part = {} if whole else {"start_s": cut.start, "duration_s": cut.duration}
    return Job(source=file, target=search.output_path(cut.id), features=manifest, **part)
