"""Cache of decoded recordings: mono, at one sample rate, as 16-bit samples on disk or in memory."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from ..storage.audio import read_mono
from .sources import Recording

Samples = npt.NDArray[np.int16]
FULL_SCALE = 32767
SILENCE = 1e-3  # a recording with a lower peak counts as empty: normalized, it would be noise
LAYOUT = 1  # version of the cache's layout; it is part of the key
ABANDONED_S = 86400.0  # a day; a build that still runs writes more often
LISTED_FAILURES = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodedAudio:
    """Concatenated recordings, each scaled so that its peak is full scale.

    Attributes:
        samples: int16; a memory map if there is a `folder`.
        spans: ``(recordings, 3)`` int64: first sample, number of samples, and the file's own sample rate in Hz.
            Recordings that could not be read have no samples.
        failures: the reason for each recording without samples.
        folder: the cache on disk, if any. A worker process opens it instead of receiving the samples.
    """

    samples: Samples
    spans: npt.NDArray[np.int64]
    failures: dict[int, str]
    folder: Path | None = None

    def read(self, recording: int, start: int, n_samples: int) -> npt.NDArray[np.float32]:
        """Returns a crop as float32 in [-1, 1]; the peak is 1 over the whole recording.

        A recording that is too short is repeated, as in the reference.
        """
        first, length, _ = self.spans[recording]
        stop = min(start + n_samples, int(length))
        crop = self.samples[first + start : first + stop].astype(np.float32) / np.float32(FULL_SCALE)
        return crop if len(crop) == n_samples else crop[np.arange(n_samples) % len(crop)]

    def __reduce__(self) -> tuple[Callable[..., DecodedAudio], tuple[Any, ...]]:
        if self.folder is not None:
            return _open_cache, (self.folder,)
        return _in_memory, (self.samples, self.spans, self.failures)


def decode_recordings(recordings: Sequence[Recording], sample_rate: int, cache_dir: Path | None) -> DecodedAudio:
    """Decodes recordings, mixes them to mono and resamples them, or opens them from the cache.

    The key of the cache is made of the paths, their order, the files' sizes and modification times, and the sample
    rate. Processes may build the same cache at the same time: each writes its own folder, and the first to finish
    renames it to the final name. Unreadable files are skipped with a warning.

    Args:
        recordings: the recordings.
        sample_rate: target sample rate in Hz.
        cache_dir: folder for decoded audio, 2 bytes per sample; it may be deleted at any time. None keeps the audio in
            memory.

    Raises:
        ValueError: more than half of the recordings are unreadable, or the cache is damaged.
        OSError: the cache cannot be written.
    """
    if not recordings:
        raise ValueError("no recordings to decode")
    if cache_dir is None:
        chunks: list[Samples] = []
        spans, failures = _decode_all(recordings, sample_rate, chunks.append)
        decoded = _in_memory(np.concatenate(chunks), spans, failures)
    else:
        folder = cache_dir / _key(recordings, sample_rate)
        if not folder.exists():
            _build(folder, recordings, sample_rate)
        decoded = _open_cache(folder)
    if decoded.failures:
        message = _describe_failures(recordings, decoded.failures)
        hint = f"; delete {decoded.folder} to try them again" if decoded.folder else ""
        warnings.warn(f"skipped {message}{hint}", stacklevel=2)
    return decoded


def _key(recordings: Sequence[Recording], sample_rate: int) -> str:
    files: list[tuple[str, int, int]] = []
    for recording in recordings:
        try:
            status = recording.path.stat()
            files.append((str(recording.path.resolve()), status.st_size, status.st_mtime_ns))
        except OSError:
            # A missing file is part of the key too, so that it is decoded once it appears.
            files.append((str(recording.path), -1, -1))
    text = json.dumps([LAYOUT, sample_rate, files])
    # The metadata of a manifest is left out: a corrected bandwidth needs no decoding.
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _build(folder: Path, recordings: Sequence[Recording], sample_rate: int) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder.parent)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent) as part:
        # One level deeper, so that the temporary folder is still there to be removed after the rename.
        unfinished = Path(part) / "decoded"
        unfinished.mkdir()
        with (unfinished / "audio.i16").open("wb") as file:
            spans, failures = _decode_all(recordings, sample_rate, lambda samples: file.write(samples.tobytes()))
        (unfinished / "index.json").write_text(json.dumps({"spans": spans.tolist(), "failures": failures}))
        try:
            unfinished.rename(folder)
        except OSError:
            # Another process was faster; its folder has the same content.
            if not folder.exists():
                raise


def _remove_abandoned(cache_dir: Path) -> None:
    """Removes folders that a killed process has left; a process that is still running has written recently."""
    for part in cache_dir.glob(".*.part"):
        with contextlib.suppress(FileNotFoundError):
            written = [path.stat().st_mtime for path in (part, *part.glob("decoded/*"))]
            if time.time() - max(written) > ABANDONED_S:
                shutil.rmtree(part, ignore_errors=True)


def _open_cache(folder: Path) -> DecodedAudio:
    try:
        index = json.loads((folder / "index.json").read_text())
        spans = np.array(index["spans"], dtype=np.int64)
        samples = np.memmap(folder / "audio.i16", dtype=np.int16, mode="r")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"the decoded audio in {folder} is damaged ({error}); delete that folder") from error
    # A disk that was full, or a copy that was cut short, leaves an index that promises more samples.
    if len(samples) != int(spans[:, 1].sum()):
        raise ValueError(f"the decoded audio in {folder} is damaged (its size is wrong); delete that folder")
    failures = {int(number): str(reason) for number, reason in index["failures"].items()}
    return DecodedAudio(samples=samples, spans=spans, failures=failures, folder=folder)


def _in_memory(samples: Samples, spans: npt.NDArray[np.int64], failures: dict[int, str]) -> DecodedAudio:
    return DecodedAudio(samples=samples, spans=spans, failures=failures)


def _decode_all(
    recordings: Sequence[Recording], sample_rate: int, write: Callable[[Samples], object]
) -> tuple[npt.NDArray[np.int64], dict[int, str]]:
    spans, failures, position = [], {}, 0
    for number, (samples, source_rate) in enumerate(_decode_each(recordings, sample_rate)):
        if isinstance(samples, str):
            failures[number] = samples
            spans.append((position, 0, 0))
            continue
        write(samples)
        spans.append((position, len(samples), source_rate))
        position += len(samples)
    # If more than half are unreadable, the path or the format must be wrong.
    if 2 * len(failures) > len(recordings):
        raise ValueError(f"cannot read {_describe_failures(recordings, failures)}")
    return np.array(spans, dtype=np.int64), failures


def _decode_each(recordings: Sequence[Recording], sample_rate: int) -> Iterator[tuple[Samples | str, int]]:
    """Yields each recording's samples, or the reason why there are none, and its own sample rate in Hz."""
    for recording in recordings:
        try:
            audio = read_mono(recording.path, sample_rate)[0].numpy()
            peak = float(np.abs(audio).max(initial=0.0))
            if peak < SILENCE:
                raise ValueError(f"it is silent: its peak is {peak:.1g} of full scale")
            # Training sets each recording's peak anyway (`Data.gain_db`), so quiet ones can use all 16 bits.
            samples = np.round(audio * (FULL_SCALE / peak)).astype(np.int16)
            yield samples, soundfile.info(os.fsencode(recording.path)).samplerate
        except Exception as error:  # whatever a file makes a library raise fails only that file
            yield str(error) or type(error).__name__, 0


def _describe_failures(recordings: Sequence[Recording], failures: dict[int, str]) -> str:
    lines = [f"{recordings[number].path}: {reason}" for number, reason in failures.items()]
    if (more := len(lines) - LISTED_FAILURES) > 0:
        lines[LISTED_FAILURES:] = [f"and {more} more"]
    return f"{len(failures)} of {len(recordings)} recordings:\n  " + "\n  ".join(lines) + "\n"
