"""Opens audio so that all of it can be read, whatever its header says of the length."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import IO, cast

import numpy as np
import soundfile

from ..mel.convention import LARGEST
from .containers import check_complete, is_open
from .file_view import FileView
from .mp3 import length_of

SKIP_FRAMES = 2**16
# Of these formats, libsndfile takes the length from a header; it computes that of the others from what is there.
PROMISING = frozenset({"FLAC", "MP3"})
UNKNOWN_FRAMES = 2**62
# libmpg123 estimates a length from the first bit rate; this is more than the ratio of the highest to the lowest.
INFLATION = 1000
RATES = (1000, LARGEST["sample_rate"])  # Hz; a header of a few bytes can claim any, and resampling would take gigabytes


class AudioSource(soundfile.SoundFile):  # type: ignore[misc]
    """An audio file that is read from its start to its end.

    Attributes:
        is_open: whether its header leaves the length open, or only estimates it.
        promised: number of samples that the file must hold, by its header; 0 if that promises nothing.
    """

    is_open = False
    promised = 0
    _in_sequence = True

    def seekable(self) -> bool:
        """Returns whether libsndfile may seek. Otherwise soundfile reads to the end of what is there.

        With seeking, it trusts the header's length and seeks after each read, which fails at an end that is not known.
        """
        return not self._in_sequence and bool(super().seekable())

    def skip(self, n_samples: int) -> None:
        """Goes on to a sample: by seeking, or, where the format can't, by reading what lies before."""
        if n_samples == 0:
            return
        if not self.is_open and super().seekable():
            self._in_sequence = False
            try:
                self.seek(n_samples)
                return
            except soundfile.LibsndfileError:
                pass  # the format says that it can, but can't
            finally:
                self._in_sequence = True
        while n_samples > 0:
            n_read = len(self.read_block(min(n_samples, SKIP_FRAMES)))
            if n_read == 0:
                raise ValueError("no part of it starts there: it is shorter")
            n_samples -= n_read

    def read_block(self, n_samples: int) -> np.ndarray:
        """Reads up to that number of samples, ``(n, channels)``; fewer only at the end of the file."""
        try:
            return cast("np.ndarray", self.read(n_samples, dtype="float32", always_2d=True))
        except soundfile.LibsndfileError as error:
            raise ValueError(
                f"truncated or damaged: {error.error_string or 'libsndfile can read no further'}"
            ) from error


def open_audio(path: Path | bytes) -> AudioSource:
    """Opens a file in any format that libsndfile reads, or the content of one.

    Raises:
        OSError: the file does not exist or can't be opened.
        ValueError: it was cut, holds no samples, or is not audio.
    """
    with _raw(path) as raw:
        patches = check_complete(raw)
        length = length_of(raw)
    # As bytes, since soundfile encodes a name itself, and refuses one that is not UTF-8.
    source: bytes | IO[bytes] = io.BytesIO(path) if isinstance(path, bytes) else os.fsencode(path)
    view = None
    if patches or length == "estimated":
        view = FileView(_raw(path), patches, INFLATION if length == "estimated" else 1)
        source = cast("IO[bytes]", view)
    try:
        file = AudioSource(source)
    except soundfile.LibsndfileError as error:
        if view is not None:
            view.close()
        raise ValueError(f"not audio that libsndfile can read: {error.error_string}") from error
    if file.frames == 0:
        file.close()
        raise ValueError("it holds no samples")
    width = file.channels * (int(file.subtype[-2:]) // 8 if file.subtype[-2:] in ("16", "24", "32") else 1)
    file.is_open = (
        length == "estimated"
        or file.frames >= UNKNOWN_FRAMES
        or (file.format == "FLAC" and (is_open(file.frames * width) or is_open(file.frames)))
    )
    if not RATES[0] <= file.samplerate <= RATES[1]:
        file.close()
        raise ValueError(f"its header says {file.samplerate} Hz; sample rates must be {RATES[0]} to {RATES[1]} Hz")
    if file.format in PROMISING and not file.is_open:
        file.promised = file.frames
    return file


def _raw(path: Path | bytes) -> IO[bytes]:
    return io.BytesIO(path) if isinstance(path, bytes) else path.open("rb")
