"""Random variants of a mel convention for each step, so that one checkpoint decodes the mels of several toolkits."""

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
    """Draws a step's variant of a mel convention, so that one checkpoint decodes a family of conventions.

    Args:
        convention: the convention to vary.
        rng: seeded with the step, so that a resumed run draws the same variants.
        guard_values: lowest and highest guard against the logarithm of zero; the guard is drawn uniformly in its
            logarithm, and the kind of guard is drawn too. A linear mel, which has no guard, is not varied.
        max_shift: largest shift of the frames in hops; half a hop lies between ``center`` and ``same`` framing.

    Returns:
        the variant, and the number of samples by which to shift the audio of its mel relative to the target:
        ``mel(audio[:, shift:])`` with ``audio[:, : N - shift]``.

    Raises:
        ValueError: the guards are not positive and in order, or the shift is not within 0 to half a hop.
    """
    low, high = guard_values
    if not 0 < low <= high:
        raise ValueError(f"guard_values must be positive, the lowest first, got {list(guard_values)}")
    if not 0 <= max_shift <= 0.5:
        raise ValueError(f"max_shift must be 0 to 0.5 hops, got {max_shift}")
    # All three are always drawn, so that one option doesn't change the values of another.
    kind, value, shift = rng.random(3)
    if convention.log is not None:
        guard = GUARDS[int(kind * len(GUARDS))]
        convention = dataclasses.replace(convention, guard=guard, guard_value=float(low * (high / low) ** value))
    return convention, round(shift * max_shift * convention.hop_length)
