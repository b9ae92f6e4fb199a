"""Variants of a mel convention: within bounds, equal for equal steps, and with no other field changed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vocos_plugins import MelConvention
from vocos_plugins.training.mel_jitter import jitter_mel

MEL = MelConvention(sample_rate=22050, n_fft=1024, win_length=1024, hop_length=256, n_mels=80)


def variants(**options: object) -> list[tuple[MelConvention, int]]:
    return [jitter_mel(MEL, np.random.default_rng((0, step)), **options) for step in range(300)]


def test_guards_cover_their_range_and_nothing_else_varies() -> None:
    """Both kinds of guard occur, with values uniform in the logarithm, and no shift unless it is asked for."""
    found = variants()
    logs = np.log10([variant.guard_value for variant, _ in found])
    assert {variant.guard for variant, _ in found} == {"clamp", "add"}
    assert logs.min() >= -8
    assert logs.max() <= -5
    assert logs.mean() == pytest.approx(-6.5, abs=0.2)
    assert all(dataclasses.replace(v, guard=MEL.guard, guard_value=MEL.guard_value) == MEL for v, _ in found)
    assert {shift for _, shift in found} == {0}


def test_shifts_reach_half_a_hop() -> None:
    """Shifts lie between centred and same framing, in whole samples."""
    shifts = [shift for _, shift in variants(max_shift=0.5)]
    assert min(shifts) >= 0
    assert max(shifts) <= MEL.hop_length // 2
    assert np.mean(shifts) == pytest.approx(MEL.hop_length / 4, abs=8)


def test_a_step_has_one_variant() -> None:
    """The same generator state makes the same variant."""
    assert variants(max_shift=0.5) == variants(max_shift=0.5)


def test_a_linear_mel_stays() -> None:
    """Without a logarithm there is no guard to vary."""
    linear = dataclasses.replace(MEL, log=None)
    assert jitter_mel(linear, np.random.default_rng(0))[0] == linear


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"guard_values": (0.0, 1e-5)}, "guard_values"),
        ({"guard_values": (1e-5, 1e-8)}, "guard_values"),
        ({"max_shift": 0.6}, "max_shift"),
        ({"max_shift": -0.1}, "max_shift"),
    ],
)
def test_bounds_are_checked(options: dict[str, object], message: str) -> None:
    """Invalid bounds are refused by name."""
    with pytest.raises(ValueError, match=message):
        jitter_mel(MEL, np.random.default_rng(0), **options)
