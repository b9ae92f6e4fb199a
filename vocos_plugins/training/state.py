"""State of a run in one file, from which a resumed run continues exactly where it stopped.

Lightning's own checkpoints are not used: they also hold the position in an epoch, whose format depends on Lightning's
version. Here a run's only position is its generator step, which determines data and learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..storage.atomic import atomic_write
from ..storage.safe_files import read_pickle
from ..storage.weights import check_tensors
from .discriminator_files import save_discriminators

# Only for annotations: `module` imports Lightning, which takes seconds, and `stages` imports this file first.
if TYPE_CHECKING:
    from .module import VocosTraining

LAST = "last.ckpt"
MODEL = "model"


def save_state(module: VocosTraining, optimizers: list[Any], path: Path) -> None:
    """Writes weights, averages, optimizers and the step atomically; raises OSError if the disk is full."""
    # Tensors, numbers and plain containers only: `read_pickle` refuses anything else.
    state = {
        "generator_step": module.generator_step,
        "state_dict": module.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    with atomic_write(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # of its own writer, for any failure of the system
            reason = " ".join(str(error).split())[:200]
            raise OSError(f"could not write {path} (is the disk full?): {reason}") from error


def load_state(module: VocosTraining, path: Path) -> list[dict[str, Any]]:
    """Loads a file of `save_state` into a module; returns the optimizers' states.

    Raises:
        CheckpointError: the file is damaged or unsafe.
        ValueError: the file belongs to a run with another model or other discriminators.
    """
    state = read_pickle(path)
    parts: dict[str, type[Any]] = {"state_dict": Mapping, "generator_step": int, "optimizers": list}
    if not isinstance(state, Mapping) or not all(isinstance(state.get(name), kind) for name, kind in parts.items()):
        raise ValueError(f"{path} is not the state of a run: expected {', '.join(parts)}. Remove it to start afresh")
    check_tensors(state["state_dict"], str(path))
    try:
        module.load_state_dict(state["state_dict"])
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"{path} belongs to a run with another model or other discriminators: {error}") from error
    module.generator_step = state["generator_step"]
    optimizers: list[dict[str, Any]] = state["optimizers"]
    return optimizers


def restore_optimizers(optimizers: list[torch.optim.Optimizer], states: list[dict[str, Any]]) -> None:
    """Loads the optimizers' states of `load_state`.

    Raises:
        ValueError: they belong to other parameters.
    """
    try:
        for optimizer, state in zip(optimizers, states, strict=True):
            optimizer.load_state_dict(state)
            for parameter, values in optimizer.state.items():
                if any(value.ndim and value.shape != parameter.shape for value in _tensors(values)):
                    raise ValueError("a shape differs")
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{LAST} holds the optimizers of other parameters ({error}); remove it to start afresh"
        ) from error


def _tensors(values: Mapping[str, Any]) -> list[Tensor]:
    return [value for value in values.values() if isinstance(value, Tensor)]


def save_model(module: VocosTraining, directory: Path) -> None:
    """Writes the averaged generator as a checkpoint directory, with the discriminators for fine-tuning."""
    module.average.provenance = {**module.vocos.provenance, "steps": module.generator_step}
    module.average.save_pretrained(directory)
    save_discriminators(module.objective, directory)
