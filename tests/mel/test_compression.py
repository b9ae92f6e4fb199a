"""Logarithm, guard and normalization, and their inverse."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vocos_plugins.mel import LevelNormalization, MeanStdNormalization, MelConvention
from vocos_plugins.mel.compression import MAX_LINEAR, compress, expand

# Float64 through a logarithm and back, relative.
EXACT = 1e-9
# Rounding error of a guard of 1e-5 after it was added and subtracted.
CANCELLED = 1e-15

BASE = {"sample_rate": 16000, "n_fft": 64, "win_length": 64, "hop_length": 16, "n_mels": 3}
NORMALIZATIONS = {
    "none": None,
    "level": LevelNormalization(ref_level=20.0, min_level=-1000.0, max_norm=4.0, symmetric=False, clip=False),
    "level-symmetric": LevelNormalization(ref_level=2e4, min_level=-3e4, max_norm=4.0, symmetric=True, clip=True),
    "one-mean": MeanStdNormalization(mean=-5.0, std=2.0),
    "mean-per-band": MeanStdNormalization(mean=(-5.0, 0.0, 1.0), std=(2.0, 0.5, 3.0)),
}
normalizations = pytest.mark.parametrize("normalization", NORMALIZATIONS.values(), ids=NORMALIZATIONS.keys())
logs = pytest.mark.parametrize("log", [None, "natural", "log10"], ids=["linear", "natural", "log10"])
guards = pytest.mark.parametrize("guard", ["clamp", "add"])


def column(values) -> torch.Tensor:
    """Three bands of the values over time, ``(1, 3, T)``."""
    return torch.tensor(values, dtype=torch.float64).expand(1, 3, -1).clone()


@normalizations
@logs
@guards
@settings(max_examples=15, deadline=None)
@given(
    gain=st.sampled_from([1.0, 20.0, 0.5]),
    guard_value=st.sampled_from([1e-7, 1e-5, 1e-2]),
    levels=st.lists(st.floats(0.05, 1e4), min_size=1, max_size=5),
)
def test_expand_undoes_compress(normalization, log, guard, gain, guard_value, levels):
    """Above the guard, and inside a clipped range, a linear mel comes back."""
    convention = MelConvention(
        **BASE, log=log, guard=guard, log_gain=gain, guard_value=guard_value, normalization=normalization
    )
    linear = column(levels)
    torch.testing.assert_close(expand(compress(linear, convention), convention), linear, rtol=EXACT, atol=EXACT)


@normalizations
@pytest.mark.parametrize("log", ["natural", "log10"])
def test_floor_comes_back_as_the_bound(normalization, log):
    """Silence expands to the guard itself if it was clamped, and to exactly 0 if the guard was added."""
    for guard, bound in (("clamp", 1e-5), ("add", 0.0)):
        convention = MelConvention(**BASE, log=log, guard=guard, normalization=normalization)
        silent = expand(compress(column([0.0]), convention), convention)
        torch.testing.assert_close(silent, column([bound]), rtol=EXACT, atol=CANCELLED)


def test_clipped_levels_come_back_as_the_bound():
    """Levels outside a clipped range are stored as its ends, and come back as them."""
    level = LevelNormalization(ref_level=20.0, min_level=-100.0, max_norm=4.0, symmetric=True, clip=True)
    convention = MelConvention(**BASE, log="log10", log_gain=20.0, normalization=level)
    stored = compress(column([1e-5, 1e5]), convention)
    assert stored[0, 0].tolist() == [-4.0, 4.0]
    torch.testing.assert_close(expand(stored, convention), column([1e-4, 10.0]), rtol=EXACT, atol=0)
    beyond = torch.tensor([-9.0, 4.5], dtype=torch.float64).expand(1, 3, -1)
    torch.testing.assert_close(expand(beyond, convention), column([1e-4, 10.0]), rtol=EXACT, atol=0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, lambda x: np.log(np.maximum(x, 1e-5))),
        ({"guard": "add", "guard_value": 1e-3}, lambda x: np.log(x + 1e-3)),
        ({"log": "log10"}, lambda x: np.log10(np.maximum(x, 1e-5))),
        ({"log": "log10", "log_gain": 20.0}, lambda x: 20 * np.log10(np.maximum(x, 1e-5))),
        ({"log": None}, lambda x: x),
        (
            {"log": "log10", "log_gain": 20.0, "normalization": NORMALIZATIONS["level"]},
            lambda x: 4 * (20 * np.log10(np.maximum(x, 1e-5)) - 20 + 1000) / 1000,
        ),
        (
            {"log": "log10", "log_gain": 20.0, "normalization": NORMALIZATIONS["level-symmetric"]},
            lambda x: np.clip(8 * (20 * np.log10(np.maximum(x, 1e-5)) - 2e4 + 3e4) / 3e4 - 4, -4, 4),
        ),
        ({"normalization": NORMALIZATIONS["one-mean"]}, lambda x: (np.log(np.maximum(x, 1e-5)) + 5) / 2),
    ],
    ids=["clamp", "add", "log10", "decibel", "linear", "level", "level-symmetric", "mean-std"],
)
def test_compress_equals_numpy(options, expected):
    """Each step is the formula that toolkits write in numpy."""
    linear = column([0.0, 1e-6, 1e-4, 0.3, 7.0, 900.0])
    compressed = compress(linear, MelConvention(**BASE, **options))
    np.testing.assert_allclose(compressed.numpy(), expected(linear.numpy()), rtol=EXACT, atol=EXACT)


def test_statistics_go_by_band():
    """A mean and standard deviation for each band apply along bands, not along time."""
    normalization = MeanStdNormalization(mean=(0.0, 1.0, 2.0), std=(1.0, 2.0, 4.0))
    compressed = compress(column([math.e] * 3), MelConvention(**BASE, normalization=normalization))
    expected = torch.tensor([1.0, 0.0, -0.25], dtype=torch.float64)[:, None].expand(1, 3, 3)
    torch.testing.assert_close(compressed, expected)


@normalizations
@logs
@guards
@settings(max_examples=20, deadline=None)
@given(values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_expand_is_bounded_for_any_mel(normalization, log, guard, values):
    """The expansion of any mel, however absurd, lies between 0 and the bound and is never NaN."""
    mel = torch.tensor(values, dtype=torch.float32).expand(1, 3, -1)
    linear = expand(mel, MelConvention(**BASE, log=log, guard=guard, normalization=normalization))
    assert torch.isfinite(linear).all()
    assert linear.min() >= 0
    assert linear.max() <= MAX_LINEAR
