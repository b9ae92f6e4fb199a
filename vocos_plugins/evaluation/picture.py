"""Spectrograms as PNG images, without an imaging library."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..spectral import stft

N_FFT = 512  # samples: 23 ms at 22.05 kHz, which shows both formants and pulses
MAX_COLUMNS = 640
RANGE_DB = 80.0
# Nine points of matplotlib's `magma`, which is in the public domain; between them colours are interpolated.
MAGMA = (
    (0, 0, 4),
    (28, 16, 68),
    (79, 18, 123),
    (129, 37, 129),
    (181, 54, 122),
    (229, 80, 100),
    (251, 135, 97),
    (254, 194, 135),
    (252, 253, 191),
)


def draw_spectrograms(signals: Sequence[NDArray[np.float32]]) -> list[bytes]:
    """Returns a PNG of each signal ``(N,)``, on one scale: 0 dB is the loudest point of the first.

    Frequency goes up from 0 to the Nyquist frequency; levels 80 dB and more below the loudest are black.
    """
    levels = [_levels(signal) for signal in signals]
    top = levels[0].max()
    return [png(np.clip((level - top) / RANGE_DB + 1, 0, 1)) for level in levels]


def _levels(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns decibels, ``(N_FFT // 2 + 1, columns)``, with the highest frequency first."""
    # A longer hop for long signals bounds the picture's width.
    hop_length = max(N_FFT // 4, -(-len(signal) // MAX_COLUMNS))
    audio = torch.from_numpy(np.ascontiguousarray(signal, dtype=np.float32))[None]
    spectrum = stft(audio, torch.hann_window(N_FFT), n_fft=N_FFT, hop_length=hop_length, pad_mode="constant")
    decibels = 20 * spectrum[0].abs().clamp_min(1e-7).log10()
    flipped: NDArray[np.float32] = decibels.flip(0).numpy()
    return flipped


def png(brightness: NDArray[np.float32], colours: Sequence[tuple[int, int, int]] = MAGMA) -> bytes:
    """Returns a PNG with a palette (RFC 2083) of values in [0, 1], ``(rows, columns)``.

    Args:
        brightness: the values.
        colours: red, green and blue from 0 to 255, evenly spaced from 0 to 1 and interpolated in between.
    """
    anchors = np.linspace(0, 255, len(colours))
    palette = np.stack([np.interp(np.arange(256), anchors, channel) for channel in zip(*colours, strict=True)], axis=1)
    rows = np.round(brightness * 255).astype(np.uint8)
    height, width = rows.shape
    # 8 bits per pixel, colour type 3 (palette); 0 is the only compression and filter method, and no interlacing.
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    unfiltered = np.pad(rows, ((0, 0), (1, 0))).tobytes()  # each row begins with its filter type; 0 is none
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", np.round(palette).astype(np.uint8).tobytes()),
            _chunk(b"IDAT", zlib.compress(unfiltered, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
