"""Discriminator weights stored with a checkpoint, so that fine-tuning doesn't start from random ones."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save
from torch import Tensor, nn

from ..storage.find import local_directory
from ..storage.safe_files import read_weights, write_files
from ..storage.weights import DERIVED
from .objective import Objective

DISCRIMINATORS_FILE = "discriminators.safetensors"


def save_discriminators(objective: Objective, directory: Path) -> None:
    """Writes `DISCRIMINATORS_FILE` atomically."""
    tensors = {
        # safetensors refuses tensors that are not contiguous.
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name, part in _parts(objective).items()
        for key, value in part.state_dict().items()
    }
    write_files(directory, {DISCRIMINATORS_FILE: save(tensors)})


def load_discriminators(objective: Objective, directory: Path) -> list[str]:
    """Loads the discriminator weights that fit.

    Args:
        objective: holds the discriminators, which are changed.
        directory: directory of the checkpoint, or the name of a bundled one.

    Returns:
        sentences for the user on what was not loaded.

    Raises:
        CheckpointError: the file is damaged.
    """
    file = local_directory(directory) / DISCRIMINATORS_FILE
    if not file.exists():
        return [f"no {DISCRIMINATORS_FILE} in {directory}: the discriminators start from random weights"]
    stored, notes = read_weights(file), []
    for name, part in _parts(objective).items():
        own = {key.removeprefix(f"{name}."): value for key, value in stored.items() if key.startswith(f"{name}.")}
        notes += copy_fitting(own, part, name)[0]
    return notes


def copy_fitting(stored: dict[str, Tensor], target: nn.Module, what: str) -> tuple[list[str], list[str]]:
    """Loads the tensors whose name and shape fit; returns notes on the others, and the names that were loaded."""
    expected = target.state_dict()
    # A window or filterbank of another mel may fit by its shape: the configuration's own stays.
    fitting = {
        key: value
        for key, value in stored.items()
        if key in expected and expected[key].shape == value.shape and key not in DERIVED
    }
    target.load_state_dict(fitting, strict=False)
    fresh = [key for key in expected if key not in fitting and key not in DERIVED]
    notes = [f"{what}: {', '.join(fresh)} did not fit and start from random weights"] if fresh else []
    return notes, list(fitting)


def _parts(objective: Objective) -> dict[str, nn.Module]:
    return {"multi_period": objective.multi_period, "multi_resolution": objective.multi_resolution}
