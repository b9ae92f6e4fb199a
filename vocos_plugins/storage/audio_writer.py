"""Writes audio files block by block, atomically."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile
import soxr
from torch import Tensor

from .atomic import atomic_write

_PCM = "PCM_16"
_FORMATS = {
    ".wav": ("WAV", _PCM),
    ".flac": ("FLAC", _PCM),
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aiff": ("AIFF", _PCM),
    ".aif": ("AIFF", _PCM),
    ".au": ("AU", _PCM),
    ".caf": ("CAF", _PCM),
    ".w64": ("W64", _PCM),
    ".rf64": ("RF64", _PCM),
}
# Old versions of libsndfile know neither MP3 nor Opus.
OUTPUT_FORMATS = {suffix: each for suffix, each in _FORMATS.items() if soundfile.check_format(*each)}
# Rates in Hz of the formats that don't take every one.
RATES = {
    "OPUS": (8000, 12000, 16000, 24000, 48000),
    "MPEG_LAYER_III": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
}
SYSTEM_ERROR = 2  # libsndfile's


def stored_rate(subtype: str, sample_rate: int) -> int:
    """Returns the rate at which a format stores audio: the same if it can, else the next higher one, or its highest."""
    rates = RATES.get(subtype, (sample_rate,))
    return min((rate for rate in rates if rate >= sample_rate), default=max(rates))


class AudioWriter:
    """Writes an audio file atomically, block by block.

    Use as a context manager. Leaving it through an exception leaves the file as it was before.

    Args:
        path: its suffix chooses the format, one of `OUTPUT_FORMATS`. Folders are created.
        sample_rate: Hz. A format that does not have it gets the audio resampled, to `stored_rate`.

    Raises:
        ValueError: the suffix is none of these.
        OSError: no permission, or a full disk.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        if path.suffix.lower() not in OUTPUT_FORMATS:
            what = path.suffix or "a file without a suffix"
            raise ValueError(f"{path}: can't write {what}; use {', '.join(OUTPUT_FORMATS)}")
        self.path = path
        self.sample_rate = sample_rate
        self.container, self.subtype = OUTPUT_FORMATS[path.suffix.lower()]
        self.file: soundfile.SoundFile | None = None
        self.n_samples = 0
        self._n_stored = 0
        self._resampler: soxr.ResampleStream | None = None

    def __enter__(self) -> AudioWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self.temporary = stack.enter_context(atomic_write(self.path, sweep=False))
            self.temporary.touch()  # the system's error says what is wrong; libsndfile's is only "System error"
            stack.push(self._finish)  # before the rename
            self._stack = stack.pop_all()
        return self

    def write(self, audio: Tensor) -> None:
        """Appends ``(channels, n)``; samples outside [-1, 1] are clipped."""
        samples = audio.T.cpu().numpy()
        if self.file is None:
            self.file = self._open(samples.shape[1])
        self.n_samples += len(samples)
        self._store(samples)

    def _open(self, channels: int) -> soundfile.SoundFile:
        rate = stored_rate(self.subtype, self.sample_rate)
        if rate != self.sample_rate:
            self._resampler = soxr.ResampleStream(self.sample_rate, rate, channels, dtype="float32")
        try:
            return soundfile.SoundFile(
                os.fsencode(self.temporary), "w", rate, channels, format=self.container, subtype=self.subtype
            )
        except soundfile.LibsndfileError as error:
            if error.code == SYSTEM_ERROR:
                raise OSError(f"could not write {self.path}: {error.error_string}") from error
            raise ValueError(
                f"{self.path.suffix} can't hold {channels} channels at {rate} Hz ({error.error_string}); write .wav"
            ) from error

    def _store(self, samples: np.ndarray, *, last: bool = False) -> None:
        assert self.file is not None  # noqa: S101
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples.astype(np.float32), last=last)
        try:
            # 16-bit samples would wrap around.
            self.file.write(np.clip(samples, -1.0, 1.0))
        # soundfile asserts that all samples were written, which fails on a full disk.
        except (soundfile.LibsndfileError, AssertionError) as error:
            raise OSError(f"could not write {self.path} (is the disk full?): {error}") from error
        self._n_stored += len(samples)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _finish(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.file is not None:
            try:
                if error is None and self._resampler is not None:
                    self._store(np.zeros((0, self.file.channels), np.float32), last=True)
            finally:
                self.file.close()
        if error is not None:
            return
        if self.n_samples == 0:
            raise ValueError("nothing to write: there are no samples")
        # libsndfile buffers: if the disk fills up at the very end, only the written length shows it.
        if soundfile.info(os.fsencode(self.temporary)).frames < self._n_stored:
            raise OSError(f"could not write {self.path} completely: is the disk full?")
