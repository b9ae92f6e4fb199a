"""Learning rates and weights by generator step."""

from __future__ import annotations

import pytest

from vocos_plugins.training.schedule import LossWeights, Optimization


def test_cosine_agrees_with_max_steps() -> None:
    """The rate is full at first, half in the middle, and zero after the last of the generator's steps."""
    options = Optimization(learning_rate=1.0)
    assert options.rate_at(0, 1000) == 1.0
    assert options.rate_at(500, 1000) == pytest.approx(0.5)
    assert 0 < options.rate_at(999, 1000) < 1e-5
    assert options.rate_at(1000, 1000) == pytest.approx(0.0)


def test_cosine_is_torch_s() -> None:
    """Without warm-up, the rate is that of PyTorch's scheduler."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
    options = Optimization(learning_rate=0.3)
    for step in range(50):
        assert options.rate_at(step, 50) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        scheduler.step()


def test_constant_falls_at_the_end() -> None:
    """The rate is flat, then falls linearly to zero over the last share of the steps."""
    options = Optimization(learning_rate=1.0, schedule="constant", decay_share=0.2, warmup_steps=10)
    assert options.rate_at(0, 1000) == pytest.approx(0.1)
    assert options.rate_at(9, 1000) == options.rate_at(799, 1000) == 1.0
    assert options.rate_at(900, 1000) == pytest.approx(0.5)
    assert options.rate_at(1000, 1000) == 0.0


def test_average_forgets_its_random_start() -> None:
    """The decay starts small and grows to its final value."""
    options = Optimization(ema_decay=0.99)
    assert options.average_decay_at(0) == pytest.approx(0.1)
    assert options.average_decay_at(10**6) == 0.99


@pytest.mark.parametrize(("rate", "weight"), [(16000, 0.1), (24000, 0.1), (32000, 1.0), (44100, 1.0), (48000, 1.0)])
def test_resolution_weight_follows_the_rate(rate: int, weight: float) -> None:
    """At and above 32 kHz, the reference's 0.1 leaves stripes in the top band; a configured weight takes precedence."""
    assert LossWeights().resolution_at(rate) == weight
    assert LossWeights(resolution=0.5).resolution_at(rate) == 0.5
