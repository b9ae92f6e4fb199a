"""Reads and writes audio files in blocks, so that memory does not grow with their length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from .atomic import atomic_write
from .audio_source import AudioSource, open_audio
from .reading import reading

BLOCK_S = 10.0
BLOCK_VALUES = 2**24
ROUNDING_S = 0.05  # lists round durations, and lossy formats report approximate ones
INPUT_SUFFIXES = frozenset(f".{name.lower()}" for name in soundfile.available_formats()) | {".aif", ".oga", ".opus"}
OUTPUT_FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}


def read_blocks(
    path: Path | bytes, sample_rate: int, *, start_s: float = 0.0, duration_s: float | None = None
) -> Iterator[Tensor]:
    """Reads a file, or a part of it, in resampled blocks.

    Args:
        path: a file in any format that libsndfile reads; or the content of one.
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


class AudioWriter:
    """Writes an audio file atomically, block by block.

    Use as a context manager. Leaving it through an exception leaves the file as it was before.

    Args:
        path: its suffix chooses the format: ``.wav``, ``.flac`` or ``.ogg``. Folders are created.
        sample_rate: Hz.

    Raises:
        ValueError: the suffix is none of these.
        OSError: no permission, or a full disk.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        if path.suffix.lower() not in OUTPUT_FORMATS:
            raise ValueError(f"{path}: can't write {path.suffix or 'a file without a suffix'}; use .wav, .flac or .ogg")
        self.path = path
        self.sample_rate = sample_rate
        self.file: soundfile.SoundFile | None = None
        self.n_samples = 0

    def __enter__(self) -> AudioWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self.temporary = stack.enter_context(atomic_write(self.path))
            self.temporary.touch()  # the system's error says what is wrong; libsndfile's is only "System error"
            stack.push(self._finish)  # before the rename
            self._stack = stack.pop_all()
        return self

    def write(self, audio: Tensor) -> None:
        """Appends ``(channels, n)``; samples outside [-1, 1] are clipped."""
        # 16-bit samples would wrap around.
        samples = audio.clamp(-1.0, 1.0).T.cpu().numpy()
        try:
            if self.file is None:
                container, subtype = OUTPUT_FORMATS[self.path.suffix.lower()]
                self.file = soundfile.SoundFile(
                    self.temporary, "w", self.sample_rate, samples.shape[1], format=container, subtype=subtype
                )
            self.file.write(samples)
        # soundfile asserts that all samples were written, which fails on a full disk.
        except (soundfile.LibsndfileError, AssertionError) as error:
            raise OSError(f"could not write {self.path} (is the disk full?): {error}") from error
        self.n_samples += len(samples)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _finish(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.file is not None:
            self.file.close()
        if error is not None:
            return
        if self.n_samples == 0:
            raise ValueError("nothing to write: there are no samples")
        # libsndfile buffers: if the disk fills up at the very end, only the written length shows it.
        if soundfile.info(self.temporary).frames < self.n_samples:
            raise OSError(f"could not write {self.path} completely: is the disk full?")
