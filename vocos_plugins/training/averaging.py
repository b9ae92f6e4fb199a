"""The mean of a generator's last steps, which is what is evaluated and kept."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def update_average(average: nn.Module, generator: nn.Module, decay: float) -> None:
    """Takes a step into the average, in place.

    Args:
        average: of the generator's make; its parameters become ``decay * average + (1 - decay) * generator``.
        generator: as the step has left it.
        decay: of `Optimization.average_decay_at`.
    """
    for mean, new in zip(average.parameters(), generator.parameters(), strict=True):
        mean.lerp_(new, 1 - decay)
