"""Fast Griffin-Lim (Perraudin et al., WASPAA 2013): makes phases consistent with magnitudes, a few passes at a time.

A spectrum that a network or an average has made is rarely that of any signal. Each pass takes the signal nearest to it,
and puts that signal's phases beside the wanted magnitudes. It can be trained through.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

MOMENTUM = 0.99
# A phase is uncertain where the signal has much less than the wanted magnitude; below a hundredth of it the direction
# fades out, which bounds its gradient and changes no other by more than half a percent.
FADE = 1e-4
TINY = 1e-20

Transform = Callable[[Tensor], Tensor]


def refine(
    spectrum: Tensor, magnitude: Tensor, invert: Transform, analyse: Transform, *, n_iter: int, momentum: float
) -> Tensor:
    """A spectrum of about this magnitude that is nearer to that of a signal.

    Args:
        spectrum: complex, ``(B, F, T)``; where the search begins.
        magnitude: ``(B, F, T)``.
        invert, analyse: inverse and forward STFT, to ``(B, N)`` and back.
        n_iter: passes; none gives `spectrum` itself.
        momentum: 0 is the original algorithm (Griffin and Lim, 1984); 0.99 is the fast one.
    """
    previous: Tensor | None = None
    for _ in range(n_iter):
        rebuilt = analyse(invert(spectrum))
        spectrum = step(rebuilt, previous, magnitude, momentum)
        previous = rebuilt
    return spectrum


def step(rebuilt: Tensor, previous: Tensor | None, magnitude: Tensor, momentum: float) -> Tensor:
    """What follows a spectrum that was rebuilt from a signal, and the one before it: its phases, ahead of their time.

    Shape: complex of any shape -> same.
    """
    ahead = rebuilt if previous is None else torch.sub(rebuilt, previous, alpha=momentum / (1 + momentum))
    return ahead * _gain(ahead, magnitude)


def step_(rebuilt: Tensor, previous: Tensor | None, magnitude: Tensor, momentum: float) -> Tensor:
    """`step` without gradients, in the memory of the spectrum before: a pass is bound by memory."""
    alpha = momentum / (1 + momentum)
    ahead = rebuilt.clone() if previous is None else torch.sub(rebuilt, previous, alpha=alpha, out=previous)
    return ahead.mul_(_gain(ahead, magnitude))


def _gain(ahead: Tensor, magnitude: Tensor) -> Tensor:
    """What brings a spectrum to a magnitude."""
    power = (ahead * ahead.conj()).real  # an eighth of the time that abs takes
    return torch.addcmul(power, magnitude, magnitude, value=FADE).add(TINY).rsqrt() * magnitude
