"""Lhotse's cut sets: cuts of recordings, or of mels computed earlier. Lhotse itself reads them.

Only local files are read. Nothing in a manifest is run, downloaded or unpickled.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from ...mel.shown import shown
from ...storage.bounded_yaml import BoundedLoader, load_yaml
from ...storage.limits import MAX_LINE_BYTES, MAX_UNFOLDED_TEXT_RATIO
from ...storage.listed import open_text
from ...storage.unfolding import Unfolded
from .jobs import Job, describe
from .naming import Search

# Storage types of features: an archive of many, or a folder with one file for each. Others are not read: some are
# unpickled, some come from servers, and Kaldi's may be commands.
ARCHIVES = ("lilcom_chunky", "lilcom_hdf5", "chunked_lilcom_hdf5", "numpy_hdf5")
FOLDERS = ("lilcom_files", "numpy_files")


def read_lhotse(path: Path, search: Search) -> Iterator[Job]:
    """Yields a job for each cut or recording, named by its id."""
    make = _features_job if search.kind == "mel" else _recording_job
    _require_lhotse()
    for place, text in _entries(path):
        name = place
        try:
            fields = json.loads(text) if isinstance(text, str) else text
            if not isinstance(fields, dict):
                raise TypeError(f"expected a cut or a recording, got {shown(fields)}")
            name = shown(fields.get("id", place))
            yield make(_decode(fields), path, search)
        except Exception as error:
            yield Job(source=path, target=search.out, error=f"{name}: {describe(error)}")


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


def _require_lhotse() -> None:
    try:
        import lhotse.serialization  # noqa: F401 - only these lists need it
    except ImportError as error:
        raise ValueError(f"{error}: pip install lhotse") from error


def _decode(fields: dict[str, Any]) -> Any:
    from lhotse.serialization import deserialize_item

    try:
        return deserialize_item(dict(fields))  # a copy, out of which Lhotse takes the type
    except Exception as error:  # what Lhotse raises has no common class
        problem = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
        raise ValueError(f"Lhotse can't read it as a cut or a recording: {problem}") from error


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields the items of a manifest with their places: lines of .jsonl as text, elements of .json and .yaml.

    Lhotse's own readers end at the first bad line, and open a path like ``pipe:...`` in a shell.
    """
    name = path.name.lower()
    with _open(path) as file:
        if ".jsonl" in name:
            lines = iter(lambda: file.readline(MAX_LINE_BYTES), "")
            yield from ((f"line {number}", line) for number, line in enumerate(lines, start=1) if line.strip())
            return
        items = load_yaml(file.read(), _Loader) if ".yaml" in name or ".yml" in name else json.load(file)
    if not isinstance(items, list):
        raise TypeError(f"expected a list of cuts or recordings, got {shown(items)}")
    yield from ((f"item {number}", item) for number, item in enumerate(items, start=1))


def _open(path: Path) -> IO[str]:
    if path.suffix.lower() == ".gz":
        content = io.BufferedReader(Unfolded(path, ratio=MAX_UNFOLDED_TEXT_RATIO))
        return io.TextIOWrapper(content, encoding="utf-8", errors="surrogateescape")
    return open_text(path)


class _Loader(BoundedLoader):
    """Plain YAML of any length: a manifest has as many values as its corpus needs."""

    max_values = sys.maxsize


def _recording_job(cut: Any, path: Path, search: Search) -> Job:
    recording = cut if hasattr(cut, "sources") else getattr(cut, "recording", None)
    if recording is None:
        raise ValueError(f"{type(cut).__name__} has no single recording; save its audio first")
    kinds = [source.type for source in recording.sources]
    # For a source of type "command", Lhotse would run the command in a shell; others are URLs or bytes in memory.
    if kinds != ["file"]:
        raise ValueError(f"its recording must be one local file, got {', '.join(kinds) or 'none'}")
    if not recording.sampling_rate > 0:
        raise ValueError(f"its recording has sampling_rate {recording.sampling_rate}")
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
