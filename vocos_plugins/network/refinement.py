"""Accelerated Griffin-Lim (Nenov et al., arXiv 2306.12504): makes phases consistent with magnitudes, in a few passes.

A spectrum that a network or an average has made is rarely that of any signal. Each pass takes the nearest signal, and
combines that signal's phases with the wanted magnitudes. Gradients flow through it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

# Chosen on training recordings, for four to eight passes from the bundled model's phases (docs/training-log.md).
MOMENTUM = 0.5
RELAXATION = 1.6
# A phase is uncertain where the signal is much weaker than the wanted magnitude; below a hundredth of it the direction
# fades out, which bounds its gradient and changes no other by more than half a percent.
FADE = 1e-4
TINY = 1e-20

Spectrum = TypeVar("Spectrum")


def refine(
    spectrum: Spectrum,
    invert: Callable[[Spectrum], Tensor],
    project: Callable[[Tensor], Spectrum],
    *,
    n_iter: int,
    momentum: float = MOMENTUM,
    relaxation: float = RELAXATION,
) -> Spectrum:
    """Returns a spectrum that is nearer to that of a signal.

    The loop does not look into a spectrum: it can be a complex tensor, or whatever a kernel uses in its place.

    Args:
        spectrum: where the search begins.
        invert: the signal of a spectrum; linear.
        project: the spectrum of a signal, brought back to the wanted magnitudes (`magnitude_projection`).
        n_iter: passes; none returns `spectrum` itself.
        momentum, relaxation: as for `extrapolate`.
    """
    before: Tensor | None = None
    for _ in range(n_iter):
        point, before = extrapolate(invert(spectrum), before, momentum, relaxation)
        spectrum = project(point)
    return spectrum


def magnitude_projection(magnitude: Tensor, analyse: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Returns the projection of signals onto complex spectra of a magnitude, for `refine`.

    Args:
        magnitude: ``(B, F, T)``.
        analyse: the STFT, ``(B, N)`` -> complex ``(B, F, T)``.
    """
    floor = power_floor(magnitude)

    def project(signal: Tensor) -> Tensor:
        spectrum = analyse(signal)
        return spectrum * magnitude_ratio(spectrum, magnitude, floor)

    return project


def extrapolate(
    signal: Tensor, before: Tensor | None, momentum: float = MOMENTUM, relaxation: float = RELAXATION
) -> tuple[Tensor, Tensor]:
    """Returns the signal from which the next pass starts, ahead of the one that this pass found.

    The algorithm extrapolates spectra. The STFT is linear, so signals can be extrapolated instead, which are smaller.

    Args:
        signal: nearest to a pass's spectrum; any shape, or a part of it such as frames.
        before: the second value that this function returned for the pass before; None for the first.
        momentum: how far to continue in the same direction (Perraudin et al., WASPAA 2013).
        relaxation: how far to move towards the signal; 1 reaches it. With a momentum of 0 that is the original
            algorithm (Griffin and Lim, 1984), with 0.99 the fast one; beyond 1 the paper's third parameter is 0.

    Returns:
        The next signal to analyse, up to a common factor, which the projection removes; and the next `before`.
    """
    if before is None:
        return signal, signal
    # With s for `signal`, c for `before` and r for `relaxation`: c' = c + r (s - c) is the next `before`, and the next
    # point is (1 + momentum) c' - momentum c. Divided by (1 + momentum) r, that is s - share * c: one operation.
    share = 1 - 1 / ((1 + momentum) * relaxation)
    return torch.sub(signal, before, alpha=share), torch.lerp(before, signal, relaxation)


def power_floor(magnitude: Tensor) -> Tensor:
    """Returns the power that `magnitude_ratio` adds to each bin, so that uncertain phases fade out."""
    return magnitude.square().mul(FADE).add(TINY)


def magnitude_ratio(spectrum: Tensor, magnitude: Tensor, floor: Tensor) -> Tensor:
    """Returns the real factor per bin that brings a spectrum to a magnitude, whose `power_floor` is ``floor``."""
    parts = torch.view_as_real(spectrum)
    squares = parts * parts  # a tenth of the time that abs takes, and half of what square does
    return (squares[..., 0] + squares[..., 1]).add_(floor).rsqrt_().mul(magnitude)
