"""Pictures of mels, decoded by an independent reader."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
import torch
from PIL import Image

from vocos_plugins import MelSpectrogram
from vocos_plugins.apps.studio.pictures import MAX_COLUMNS, draw, draw_difference, levels, top_of
from vocos_plugins.plugins import mel_conventions

RATE = 22050
PLAIN = mel_conventions()["vocos-22khz"]


def tone(frequency: float, level: float = 0.5, seconds: float = 0.5) -> torch.Tensor:
    return level * torch.sin(2 * torch.pi * frequency * torch.arange(int(seconds * RATE)) / RATE)[None]


def level_of(audio: torch.Tensor, convention=PLAIN) -> torch.Tensor:
    return levels(MelSpectrogram(convention)(audio), convention)


def colours(png: bytes) -> np.ndarray:
    """Returns the pixels of a PNG, ``(rows, columns, 3)``."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int)


@pytest.mark.parametrize(
    "name", ["coqui-default", "matcha-tts-ljspeech", "espnet-ljspeech", "nemo-fastpitch-dataset-22khz"]
)
def test_levels_don_t_depend_on_how_a_convention_stores_them(name) -> None:
    """The loudest cell of a tone has the same level in dB for every logarithm, norm and statistics."""
    audio = tone(1000)
    assert float(level_of(audio, mel_conventions()[name]).max()) == pytest.approx(float(level_of(audio).max()), abs=3)


def test_power_is_undone() -> None:
    """A mel of squared magnitudes has nearly the same levels, since its filterbank averages squares."""
    squares = dataclasses.replace(PLAIN, power=2.0, guard_value=1e-10)
    assert float(level_of(tone(1000), squares).max()) == pytest.approx(float(level_of(tone(1000)).max()), abs=3)


def test_high_bands_are_at_the_top() -> None:
    """The brightest row of a tone moves up with its frequency."""
    rows = []
    for frequency in (300, 1000, 4000):
        level = level_of(tone(frequency))
        rows.append(colours(draw(level, top_of(level))).sum(axis=(1, 2)).argmax())
    assert rows == sorted(rows, reverse=True)
    assert len(set(rows)) == 3


def test_one_scale() -> None:
    """The same sound is darker if it is 40 dB quieter, and silence is black."""
    loud, quiet, silent = (level_of(tone(1000, level)) for level in (0.5, 0.005, 0.0))
    top = top_of(loud)
    means = [colours(draw(level, top)).mean() for level in (loud, quiet, silent)]
    assert means == sorted(means, reverse=True)
    assert means[2] < 5
    assert colours(draw(silent, top_of(silent))).mean() < 40  # its floor is 73 dB below the least brightest level


def test_differences() -> None:
    """Equal is nearly white, louder is orange, quieter is blue, and inaudible differences don't show."""
    reference, louder = level_of(tone(1000, 0.05)), level_of(tone(1000, 0.5))
    top = top_of(louder)
    same = colours(draw_difference(reference, reference, top))
    assert same.min() > 240
    row = int(reference.mean(dim=1).flip(0).argmax())
    red, _, blue = colours(draw_difference(louder, reference, top))[row].mean(axis=0)
    assert red > blue + 100
    red, _, blue = colours(draw_difference(reference, louder, top))[row].mean(axis=0)
    assert blue > red + 100
    faint = level_of(tone(1000, 1e-6))
    assert colours(draw_difference(faint, level_of(tone(1000, 0.0)), top)).min() > 240


def test_long_mels_are_no_wider_than_a_screen() -> None:
    """A long mel is averaged to the maximum width; mels whose lengths differ by a frame can be compared."""
    level = level_of(tone(1000, seconds=10))
    assert level.shape == (80, MAX_COLUMNS)
    assert colours(draw_difference(level[:, 1:], level, top_of(level))).shape == (80, MAX_COLUMNS - 1, 3)
