"""A training whose numbers are no longer finite ends, before it saves anything over its last finite state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

N_NAMED = 3


class DivergenceError(RuntimeError):
    """The training has diverged; the message has the step and what is not finite."""


def check_losses(losses: Mapping[str, Tensor], step: int) -> None:
    """Raises `DivergenceError` if a loss is not finite.

    Args:
        losses: by name.
        step: number of the step, from 1.
    """
    _check(losses.items(), "", step)


def check_gradients(part: nn.Module, losses: Mapping[str, Tensor], step: int) -> None:
    """Raises `DivergenceError` if a gradient is not finite; it names the losses that are not, if there are any.

    After the backward pass, not before: processes share gradients, so all of them stop at the same step.

    Args:
        part: whose gradients were computed.
        losses: of this process, by name.
        step: number of the step, from 1.
    """
    gradients = [(name, weight.grad) for name, weight in part.named_parameters() if weight.grad is not None]
    if not _all_finite(gradient for _, gradient in gradients):
        check_losses(losses, step)
        _check(gradients, "the gradient of ", step)


def check_weights(part: nn.Module, step: int) -> None:
    """Raises `DivergenceError` if a weight is not finite."""
    _check(part.named_parameters(), "", step)


def _check(values: Iterable[tuple[str, Tensor]], prefix: str, step: int) -> None:
    values = list(values)
    if _all_finite(value for _, value in values):
        return
    bad = [f"{prefix}{name} {_describe(value)}" for name, value in values if not _all_finite([value])]
    more = f" and {len(bad) - N_NAMED} more" if len(bad) > N_NAMED else ""
    raise DivergenceError(
        f"the training has diverged at step {step}: {', '.join(bad[:N_NAMED])}{more}. What was saved before stays as "
        "it is. Lower the learning rate or set gradient_clip; if it happens at once, look for damaged recordings"
    )


def _all_finite(tensors: Iterable[Tensor]) -> bool:
    # One transfer from the device for all of them.
    finite = [torch.isfinite(tensor.detach()).all() for tensor in tensors]
    return not finite or bool(torch.stack(finite).all())


def _describe(value: Tensor) -> str:
    return f"is {value.item()}" if value.numel() == 1 else "holds NaN or infinite values"
