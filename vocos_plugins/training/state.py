"""State of a run in one file, from which a resumed run continues exactly where it stopped.

Lightning's own checkpoints are not used: they also hold the position in an epoch, whose format depends on Lightning's
version. Here a run's only position is its generator step, which determines data and learning rate.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..storage.atomic import atomic_write
from ..storage.safe_files import read_pickle
from .discriminator_files import save_discriminators

# Only for annotations: `module` imports Lightning, which takes seconds, and `stages` imports this file first.
if TYPE_CHECKING:
    from .module import VocosTraining

LAST = "last.ckpt"
MODEL = "model"


def save_state(module: VocosTraining, optimizers: list[Any], path: Path) -> None:
    """Writes weights, averages, optimizers and the step atomically."""
    # Tensors, numbers and plain containers only: `read_pickle` refuses anything else.
    state = {
        "generator_step": module.generator_step,
        "state_dict": module.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    with atomic_write(path) as temporary:
        torch.save(state, temporary)


def load_state(module: VocosTraining, path: Path) -> list[dict[str, Any]]:
    """Loads a file of `save_state` into a module; returns the optimizers' states.

    Raises:
        CheckpointError: the file is damaged or unsafe.
        ValueError: the file belongs to a run with another model or other discriminators.
    """
    state = read_pickle(path)
    try:
        module.load_state_dict(state["state_dict"])
        module.generator_step = state["generator_step"]
        optimizers: list[dict[str, Any]] = state["optimizers"]
    except (RuntimeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} belongs to a run with another model or other discriminators: {error}") from error
    return optimizers


def save_model(module: VocosTraining, directory: Path) -> None:
    """Writes the averaged generator as a checkpoint directory, with the discriminators for fine-tuning."""
    module.average.provenance = {**module.vocos.provenance, "steps": module.generator_step}
    module.average.save_pretrained(directory)
    save_discriminators(module.objective, directory)
