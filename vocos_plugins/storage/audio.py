"""Reads audio files in blocks, so that memory does not grow with their length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from .audio_source import AudioSource, open_audio
from .reading import content_of_pipe, reading

BLOCK_S = 10.0
BLOCK_VALUES = 2**24
ROUNDING_S = 0.05  # lists round durations, and lossy formats report approximate ones
INPUT_SUFFIXES = frozenset(f".{name.lower()}" for name in soundfile.available_formats()) | {".aif", ".oga", ".opus"}


def read_blocks(
    path: Path | bytes, sample_rate: int, *, start_s: float = 0.0, duration_s: float | None = None
) -> Iterator[Tensor]:
    """Reads a file, or a part of it, in resampled blocks.

    Args:
        path: a file in any format that libsndfile reads, or a pipe with one; or the content of one.
        sample_rate: Hz wanted.
        start_s: start of the part in seconds.
        duration_s: length of the part in seconds; None reads to the end. From ``start_s=0``, a duration within
            `ROUNDING_S` of the file's reads the whole file.

    Yields:
        Audio ``(channels, n)``, float32.

    Raises:
        OSError: the file does not exist or can't be opened.
        ValueError: the file is empty, truncated or not audio, holds NaN or infinite samples, or lacks that part; the
            message says which.
    """
    if not isinstance(path, bytes) and path.is_fifo():
        path = content_of_pipe(path)  # libsndfile has to seek
    with reading(path), open_audio(path) as file:
        position, end = _part(file, start_s, duration_s)
        file.skip(position)
        resampler = None
        if file.samplerate != sample_rate:
            resampler = soxr.ResampleStream(file.samplerate, sample_rate, file.channels, dtype="float32")
        # Fewer where a header claims many channels.
        block_size = max(1, min(round(BLOCK_S * file.samplerate), BLOCK_VALUES // file.channels))
        while True:
            # If the length is a multiple of the block size, the last block is empty. It still flushes the resampler.
            block = file.read_block(block_size if end is None else min(block_size, end - position))
            _check_samples(block, position, file.samplerate)
            position += len(block)
            last = len(block) < block_size
            if last and position < (file.promised if end is None else end):
                raise ValueError(_too_short(file, position, start_s, duration_s))
            if resampler is not None:
                block = resampler.resample_chunk(block, last=last)
            if len(block):
                yield torch.from_numpy(np.ascontiguousarray(block.T))
            if last:
                return


def read_mono(path: Path | bytes, sample_rate: int) -> Tensor:
    """Reads a whole file, mixed down to one channel and resampled.

    Args:
        path: as in `read_blocks`.
        sample_rate: Hz wanted.

    Shape: ``(1, N)``, float32.

    Raises:
        OSError: as raised by `read_blocks`.
        ValueError: as raised by `read_blocks`, or the file is too short for one sample at this rate.
    """
    # Mixed block by block, so that one channel is held and not all of them.
    blocks = [block.mean(dim=0, keepdim=True) for block in read_blocks(path, sample_rate)]
    if not blocks:
        raise ValueError(f"too short: it holds no sample at {sample_rate} Hz")
    return torch.cat(blocks, dim=1)


def _part(file: AudioSource, start_s: float, duration_s: float | None) -> tuple[int, int | None]:
    """Returns a part's first sample and the one after its last, or None for the end of the file."""
    rate = file.samplerate
    if file.is_open:  # its length is found by reading it
        if not start_s >= 0 or (duration_s is not None and not duration_s > 0):
            raise ValueError(f"no part of {duration_s} s starts at {start_s:g} s")
        return round(start_s * rate), None if duration_s is None else round((start_s + duration_s) * rate)
    length_s = file.frames / rate
    if not 0 <= start_s < length_s:
        raise ValueError(f"no part of it starts at {start_s:g} s: it is {length_s:.3f} s long")
    first = round(start_s * rate)
    if duration_s is None or (start_s == 0 and abs(duration_s - length_s) <= ROUNDING_S):
        return first, None
    # Not rounded before it is compared: a duration may be infinite.
    if not start_s + duration_s <= length_s + ROUNDING_S:
        raise ValueError(f"no part of {duration_s:g} s starts at {start_s:g} s: it is {length_s:.3f} s long")
    end = min(round((start_s + duration_s) * rate), file.frames)
    if end <= first:
        raise ValueError(f"no part of {duration_s:g} s starts at {start_s:g} s: it is {length_s:.3f} s long")
    return first, end


def _too_short(file: AudioSource, n_samples: int, start_s: float, duration_s: float | None) -> str:
    length_s = n_samples / file.samplerate
    if file.is_open:
        return f"no part of {duration_s} s starts at {start_s:g} s: it is {length_s:.3f} s long"
    return f"truncated: its header promises {file.frames} samples, but it holds {n_samples}"


def _check_samples(block: np.ndarray, position: int, sample_rate: int) -> None:
    bad = ~np.isfinite(block).all(axis=1)
    if bad.any():
        at = (position + int(bad.argmax())) / sample_rate
        raise ValueError(f"it holds NaN or infinite samples, the first at {at:.3f} s")
