"""Spectrogram pictures, decoded again with zlib."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from vocos_plugins.evaluation.picture import MAGMA, MAX_COLUMNS, N_FFT, RANGE_DB, draw_spectrograms

RATE = 16000
# One step of the palette is 80 dB / 255 = 0.31 dB.
PALETTE_STEPS = 2


def tone(frequency: float, amplitude: float = 0.5, seconds: float = 1.0) -> NDArray[np.float32]:
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(int(RATE * seconds)) / RATE)).astype(np.float32)


def read_png(png: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Returns palette indices ``(rows, columns)`` and the palette ``(256, 3)``; checks every chunk's checksum."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, position = {}, 8
    while position < len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        kind, data = png[position + 4 : position + 8], png[position + 8 : position + 8 + length]
        (checksum,) = struct.unpack(">I", png[position + 8 + length : position + 12 + length])
        assert checksum == zlib.crc32(kind + data)
        chunks[kind] = data
        position += 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colour) == (8, 3)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:], np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)


@pytest.mark.parametrize("frequency", [500, 2000, 7000])
def test_a_tone_is_where_it_should_be(frequency: int) -> None:
    """Frequency goes upward: row 0 is the Nyquist frequency, the last row 0 Hz."""
    rows, _ = read_png(draw_spectrograms([tone(frequency)])[0])
    assert rows.shape[0] == N_FFT // 2 + 1
    brightest = rows[:, rows.shape[1] // 2].argmax()
    assert brightest == N_FFT // 2 - round(frequency / RATE * N_FFT)


def test_levels_share_the_scale_of_the_first() -> None:
    """A signal 40 dB lower is half of the range darker, and one 80 dB lower is black."""
    loud, soft, silent = (
        read_png(draw_spectrograms([tone(2000), quiet])[1])[0].max()
        for quiet in (tone(2000), tone(2000, 0.005), tone(2000, 0.0))
    )
    assert loud == 255
    assert soft == pytest.approx(255 * (1 - 40 / RANGE_DB), abs=PALETTE_STEPS)
    assert silent == 0


def test_palette_goes_from_dark_to_light() -> None:
    """The palette has 256 colours from the first anchor to the last, each at least as bright as the one before."""
    _, palette = read_png(draw_spectrograms([tone(2000)])[0])
    assert palette.shape == (256, 3)
    assert (tuple(palette[0]), tuple(palette[-1])) == (MAGMA[0], MAGMA[-1])
    luminance = palette @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) > -1).all()


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.1, 30.0])
def test_any_length_makes_a_picture(seconds: float) -> None:
    """Signals from nothing to half a minute make a picture; long ones don't make it wider than the maximum."""
    rows, _ = read_png(draw_spectrograms([tone(440, seconds=seconds)])[0])
    assert 1 <= rows.shape[1] <= MAX_COLUMNS + 1
