"""Varies a mel convention from step to step, so that one checkpoint decodes the mels of a family of toolkits."""

from __future__ import annotations

import dataclasses
from typing import get_args

import numpy as np

from ..mel.convention import Guard, MelConvention

GUARDS: tuple[Guard, ...] = get_args(Guard)


def jitter_mel(
    convention: MelConvention,
    rng: np.random.Generator,
    *,
    guard_values: tuple[float, float] = (1e-8, 1e-5),
    max_shift: float = 0.0,
) -> tuple[MelConvention, int]:
    """A step's variant of a mel, so that one checkpoint decodes a family of conventions.

    Args:
        convention: what is varied.
        rng: seeded with the step, so that a resumed run agrees.
        guard_values: lowest and highest guard against the logarithm of zero, drawn evenly in the logarithm; the kind
            of guard is drawn too. A linear mel, which has none, stays as it is.
        max_shift: how far frames may lie off, in hops; half a hop is between ``center`` and ``same`` framing.

    Returns:
        The variant, and by how many samples to shift the audio that its mel is computed from, relative to the target:
        ``mel(audio[:, shift:])`` with ``audio[:, : N - shift]``.

    Raises:
        ValueError: guards that are not positive and in order, or a shift outside 0 to half a hop.
    """
    low, high = guard_values
    if not 0 < low <= high:
        raise ValueError(f"guard_values must be positive, the lowest first, got {list(guard_values)}")
    if not 0 <= max_shift <= 0.5:
        raise ValueError(f"max_shift must be 0 to 0.5 hops, got {max_shift}")
    kind, value, shift = rng.random(3)
    if convention.log is not None:
        guard = GUARDS[int(kind * len(GUARDS))]
        convention = dataclasses.replace(convention, guard=guard, guard_value=float(low * (high / low) ** value))
    return convention, round(shift * max_shift * convention.hop_length)
