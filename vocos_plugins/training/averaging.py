"""Moving average of a generator's weights over its last steps, which is evaluated and saved."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def update_average(average: nn.Module, generator: nn.Module, decay: float) -> None:
    """Updates the average after a training step, in place.

    Args:
        average: same architecture as the generator. Its parameters become
            ``decay * average + (1 - decay) * generator``.
        generator: after the step.
        decay: from `Optimization.average_decay_at`.
    """
    # Parameters are enough: the buffers, windows and filterbanks, are constants.
    for mean, new in zip(average.parameters(), generator.parameters(), strict=True):
        mean.lerp_(new, 1 - decay)
