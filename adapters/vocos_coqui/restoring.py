"""``--restore_path`` of Coqui TTS's trainer: weights to start from, of any checkpoint that Vocos has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from vocos_plugins import Vocos
from vocos_plugins.mel import MelConvention
from vocos_plugins.storage.safe_files import CONFIG_FILE, WEIGHTS_FILE, CheckpointError
from vocos_plugins.storage.weights import load_weights
from vocos_plugins.training.discriminator_files import copy_fitting, load_discriminators
from vocos_plugins.training.objective import Objective
from vocos_plugins.training.warm_start import copy_generator

from .checkpoint import read_checkpoint


def restore(generator: Vocos, objective: Objective, source: str) -> list[str]:
    """Copies each layer that fits, and the discriminators, if the checkpoint has any.

    Args:
        generator: to be trained.
        objective: whose discriminators are trained with it.
        source: a file of Coqui TTS's trainer, one that ``vocos export coqui`` wrote, or the directory with it; or what
            `Vocos.from_pretrained` takes: a bundled name, a directory, a repository.

    Returns:
        what is not as it was in the checkpoint, in sentences for the user.

    Raises:
        CheckpointError: the checkpoint can't be read, or is of another architecture.
    """
    path = Path(source)
    if path.is_dir() and not (path / CONFIG_FILE).exists():
        path = path / WEIGHTS_FILE
    mel = None
    if not path.is_file() and "://" not in source:
        donor = Vocos.from_pretrained(source)
        weights, own, mel = donor.state_dict(), {}, donor.mel
    else:
        weights, own = read_checkpoint(source if "://" in source else str(path))
        path = path.parent
    notes = _restore_generator(generator, weights, source, mel)
    if not own:
        return notes + load_discriminators(objective, path)
    parts = {"multi_period": objective.multi_period, "multi_resolution": objective.multi_resolution}
    for name, part in parts.items():
        fitting = {key.removeprefix(f"{name}."): value for key, value in own.items() if key.startswith(f"{name}.")}
        notes += copy_fitting(fitting, part, name)[0]
    return notes


def _restore_generator(
    generator: Vocos, weights: Mapping[str, Tensor], source: str, mel: MelConvention | None
) -> list[str]:
    if mel is not None:
        return copy_generator(weights, generator, source, mel)
    try:
        load_weights(generator, weights, source)
    except CheckpointError:
        notes = copy_generator(weights, generator, source)
        return notes or [f"{source} was trained on another mel; the model will have to adapt"]
    return []
