"""Accelerated Griffin-Lim (Nenov et al., arXiv 2306.12504): makes phases consistent with magnitudes, in a few passes.

A spectrum that a network or an average has made is rarely that of any signal. Each pass takes the signal nearest to it,
and puts that signal's phases beside the wanted magnitudes. It can be trained through.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Chosen on training recordings, for four to eight passes from the bundled model's phases (docs/training-log.md).
MOMENTUM = 0.5
RELAXATION = 1.6
# A phase is uncertain where the signal has much less than the wanted magnitude; below a hundredth of it the direction
# fades out, which bounds its gradient and changes no other by more than half a percent.
FADE = 1e-4
TINY = 1e-20

Transform = Callable[[Tensor], Tensor]


def refine(
    spectrum: Tensor,
    magnitude: Tensor,
    invert: Transform,
    analyse: Transform,
    *,
    n_iter: int,
    momentum: float = MOMENTUM,
    relaxation: float = RELAXATION,
) -> Tensor:
    """A spectrum of about this magnitude that is nearer to that of a signal.

    Args:
        spectrum: complex, ``(B, F, T)``; where the search begins.
        magnitude: ``(B, F, T)``.
        invert, analyse: inverse and forward STFT, to ``(B, N)`` and back; both linear.
        n_iter: passes; none gives `spectrum` itself.
        momentum, relaxation: as for `ahead`.
    """
    before: Tensor | None = None
    least = least_power(magnitude)
    for _ in range(n_iter):
        given, before = ahead(invert(spectrum), before, momentum, relaxation)
        rebuilt = analyse(given)
        spectrum = rebuilt * gain(rebuilt, magnitude, least)
    return spectrum


def ahead(
    signal: Tensor, before: Tensor | None, momentum: float = MOMENTUM, relaxation: float = RELAXATION
) -> tuple[Tensor, Tensor]:
    """Where a pass leads: what is linear in a spectrum costs less in a signal.

    Args:
        signal: nearest to a pass's spectrum; any shape, or a part of it such as frames.
        before: the second value that this gave for the pass before; None for the first.
        momentum: how far to go on in the same direction (Perraudin et al., WASPAA 2013).
        relaxation: how far to go towards the signal; 1 is to it. With a momentum of 0 that is the original algorithm
            (Griffin and Lim, 1984), with 0.99 the fast one; with more the paper's third parameter is 0.

    Returns:
        What to analyse next, in a scale that is not the signal's; and what is to be `before`.
    """
    if before is None:
        return signal, signal
    share = 1 - 1 / ((1 + momentum) * relaxation)
    return torch.sub(signal, before, alpha=share), torch.lerp(before, signal, relaxation)


def least_power(magnitude: Tensor) -> Tensor:
    """What `gain` adds to a bin's power, so that uncertain phases fade out."""
    return magnitude.square().mul(FADE).add(TINY)


def gain(spectrum: Tensor, magnitude: Tensor, least: Tensor) -> Tensor:
    """What brings a spectrum to a magnitude, of which `least` is `least_power`: real, of the same shape."""
    parts = torch.view_as_real(spectrum)
    squares = parts * parts  # a tenth of the time that abs takes, and half of what square does
    return (squares[..., 0] + squares[..., 1]).add_(least).rsqrt_().mul(magnitude)
