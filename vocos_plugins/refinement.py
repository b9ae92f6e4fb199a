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
        invert, analyse: inverse and forward STFT, to ``(B, N)`` and back; both linear.
        n_iter: passes; none gives `spectrum` itself.
        momentum: 0 is the original algorithm (Griffin and Lim, 1984); 0.99 is the fast one.
    """
    previous: Tensor | None = None
    least = least_power(magnitude)
    for _ in range(n_iter):
        signal = invert(spectrum)
        rebuilt = analyse(ahead(signal, previous, momentum))
        spectrum = rebuilt * gain(rebuilt, magnitude, least)
        previous = signal
    return spectrum


def ahead(signal: Tensor, previous: Tensor | None, momentum: float) -> Tensor:
    """Where the signals of two passes lead: what is linear in a spectrum costs less in a signal.

    Shape: any -> same. Its scale is not that of the signals.
    """
    return signal if previous is None else torch.sub(signal, previous, alpha=momentum / (1 + momentum))


def least_power(magnitude: Tensor) -> Tensor:
    """What `gain` adds to a bin's power, so that uncertain phases fade out."""
    return magnitude.square().mul(FADE).add(TINY)


def gain(spectrum: Tensor, magnitude: Tensor, least: Tensor) -> Tensor:
    """What brings a spectrum to a magnitude, of which `least` is `least_power`: real, of the same shape."""
    parts = torch.view_as_real(spectrum)
    squares = parts * parts  # a tenth of the time that abs takes, and half of what square does
    return (squares[..., 0] + squares[..., 1]).add_(least).rsqrt_().mul(magnitude)
