"""Audio files in and out, in blocks: memory doesn't grow with their length."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

BLOCK_S = 10.0
ROUNDING_S = 0.05  # lists round durations, and lossy formats tell theirs roughly
INPUT_SUFFIXES = frozenset(f".{name.lower()}" for name in soundfile.available_formats()) | {".aif", ".oga", ".opus"}
OUTPUT_FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
# A WAV written to a pipe doesn't know its length; these stand for that.
RIFF_SIZE_UNKNOWN = (0, 0xFFFFFFFF)


def read_blocks(
    path: Path | bytes, sample_rate: int, *, start_s: float = 0.0, duration_s: float | None = None
) -> Iterator[Tensor]:
    """Reads a file, or a part of it, block by block, resampled.

    Args:
        path: any format that libsndfile reads; or what such a file holds.
        sample_rate: Hz wanted.
        start_s: where to start.
        duration_s: how much; to the end if None. From the start on, a duration that differs from the file's by no more
            than rounding is the whole file.

    Yields:
        Audio ``(channels, n)``, float32.

    Raises:
        OSError: the file isn't there or can't be opened.
        ValueError: it is empty, truncated, no audio, has samples that are not finite, or has no such part; the message
            says which.
    """
    with _open(path) as file:
        position, end = _part(file, start_s, duration_s)
        if position:
            file.seek(position)
        resampler = None
        if file.samplerate != sample_rate:
            resampler = soxr.ResampleStream(file.samplerate, sample_rate, file.channels, dtype="float32")
        block_size = round(BLOCK_S * file.samplerate)
        while True:
            block = _read(file, block_size if end is None else min(block_size, end - position))
            _check_samples(block, position, file.samplerate)
            position += len(block)
            last = len(block) < block_size
            if last and position != (file.frames if end is None else end):
                raise ValueError(f"truncated: its header promises {file.frames} samples, it holds {position}")
            if resampler is not None:
                block = resampler.resample_chunk(block, last=last)
            if len(block):
                yield torch.from_numpy(np.ascontiguousarray(block.T))
            if last:
                return


def _part(file: soundfile.SoundFile, start_s: float, duration_s: float | None) -> tuple[int, int | None]:
    """The first sample of a part, and the one after its last; None for the end of the file."""
    length_s = file.frames / file.samplerate
    if not 0 <= start_s < length_s:
        raise ValueError(f"a part of it that starts at {start_s:g} s was asked for; it is {length_s:.3f} s long")
    first = round(start_s * file.samplerate)
    if duration_s is None or (start_s == 0 and abs(duration_s - length_s) <= ROUNDING_S):
        return first, None
    end = min(round((start_s + duration_s) * file.samplerate), file.frames)
    if start_s + duration_s > length_s + ROUNDING_S or end <= first:
        raise ValueError(f"{duration_s:g} s from {start_s:g} s on were asked for; it is {length_s:.3f} s long")
    return first, end


def _open(path: Path | bytes) -> soundfile.SoundFile:
    with io.BytesIO(path) if isinstance(path, bytes) else path.open("rb") as raw:
        head = raw.read(12)
        size = raw.seek(0, os.SEEK_END)
    if not head:
        raise ValueError("the file is empty (0 bytes)")
    if head[:4] == b"RIFF" and len(head) == 12:
        promised = struct.unpack("<I", head[4:8])[0]
        if promised not in RIFF_SIZE_UNKNOWN and promised + 8 > size + 1:
            raise ValueError(f"truncated: its header promises {promised + 8} bytes, it has {size}")
    try:
        file = soundfile.SoundFile(io.BytesIO(path) if isinstance(path, bytes) else path)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"not audio that libsndfile can read: {error.error_string}") from error
    if file.frames == 0:
        file.close()
        raise ValueError("it holds no samples")
    return file


def _read(file: soundfile.SoundFile, n_samples: int) -> np.ndarray:
    try:
        block: np.ndarray = file.read(n_samples, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"damaged: {error.error_string}") from error
    return block


def _check_samples(block: np.ndarray, position: int, sample_rate: int) -> None:
    bad = ~np.isfinite(block).all(axis=1)
    if bad.any():
        at = (position + int(bad.argmax())) / sample_rate
        raise ValueError(f"it holds NaN or infinite samples, the first at {at:.3f} s")


class AudioWriter:
    """Writes blocks of audio to a temporary file that takes the final name only when all went well.

    Use as a context manager; leaving it through an exception removes the temporary file.

    Args:
        path: its suffix chooses the format: ``.wav``, ``.flac`` or ``.ogg``. Folders are made.
        sample_rate: Hz.

    Raises:
        ValueError: another suffix.
        OSError: no permission, or a full disk.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        if path.suffix.lower() not in OUTPUT_FORMATS:
            raise ValueError(f"{path}: can't write {path.suffix or 'a file without a suffix'}; use .wav, .flac or .ogg")
        self.path = path
        self.sample_rate = sample_rate
        self.temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        self.file: soundfile.SoundFile | None = None
        self.n_samples = 0

    def __enter__(self) -> AudioWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.temporary.touch()  # says plainly what is wrong where libsndfile only says "System error"
        return self

    def write(self, audio: Tensor) -> None:
        """Appends ``(channels, n)``; samples outside [-1, 1] are clipped."""
        samples = audio.clamp(-1.0, 1.0).T.cpu().numpy()
        try:
            if self.file is None:
                container, subtype = OUTPUT_FORMATS[self.path.suffix.lower()]
                self.file = soundfile.SoundFile(
                    self.temporary, "w", self.sample_rate, samples.shape[1], format=container, subtype=subtype
                )
            self.file.write(samples)
        except (soundfile.LibsndfileError, AssertionError) as error:
            raise OSError(f"could not write {self.path} (is the disk full?): {error}") from error
        self.n_samples += len(samples)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.file is not None:
                self.file.close()
            if error is None:
                self._finish()
        finally:
            self.temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        if self.n_samples == 0:
            raise ValueError("nothing to write: there are no samples")
        with self.temporary.open("rb") as written:
            os.fsync(written.fileno())
        # libsndfile buffers: a disk that fills up at the very end shows only in what arrived.
        if soundfile.info(self.temporary).frames < self.n_samples:
            raise OSError(f"could not write {self.path} whole: is the disk full?")
        self.temporary.replace(self.path)
