"""``--restore_path`` of Coqui TTS's trainer: starts from the weights of any Vocos checkpoint."""

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
    """Copies every layer that fits, and the discriminators, if the checkpoint has any.

    Args:
        generator: the model to train.
        objective: holds the discriminators that are trained with it.
        source: a file of Coqui TTS's trainer, one that ``vocos export coqui`` wrote, or the directory with it; or an
            argument of `Vocos.from_pretrained`: a bundled name, a directory, a repository.

    Returns:
        Everything that differs from the checkpoint, in sentences for the user.

    Raises:
        CheckpointError: the checkpoint can't be read, or has another architecture.
    """
    path = Path(source)
    if path.is_dir() and not (path / CONFIG_FILE).exists():
        path = path / WEIGHTS_FILE
    mel = None
    if not path.is_file() and "://" not in source:
        donor = Vocos.from_pretrained(source)
        weights, discriminators, mel = donor.state_dict(), {}, donor.mel
    else:
        weights, discriminators = read_checkpoint(source if "://" in source else str(path))
        # The discriminators of a Vocos directory are in a file next to the weights.
        path = path.parent
    notes = _restore_generator(generator, weights, source, mel)
    if not discriminators:
        return notes + load_discriminators(objective, path)
    parts = {"multi_period": objective.multi_period, "multi_resolution": objective.multi_resolution}
    for name, part in parts.items():
        prefix = f"{name}."
        fitting = {key.removeprefix(prefix): each for key, each in discriminators.items() if key.startswith(prefix)}
        notes += copy_fitting(fitting, part, name)[0]
    return notes


def _restore_generator(
    generator: Vocos, weights: Mapping[str, Tensor], source: str, mel: MelConvention | None
) -> list[str]:
    if mel is not None:
        return copy_generator(weights, generator, source, mel)
    # Exact weights need no notes; a file of Coqui TTS doesn't say its mel, so only a misfit shows another one.
    try:
        load_weights(generator, weights, source)
    except CheckpointError:
        notes = copy_generator(weights, generator, source)
        return notes or [f"{source} was trained on another mel; the model will have to adapt"]
    return []
