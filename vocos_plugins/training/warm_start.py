"""Starts a training from another checkpoint's weights, as far as they fit."""

from __future__ import annotations

from pathlib import Path

from ..model import Vocos
from .discriminator_files import copy_fitting, load_discriminators
from .module import VocosTraining


def warm_start(module: VocosTraining, source: str) -> list[str]:
    """Copies every layer that fits from a checkpoint, and its discriminators if they lie beside it.

    Args:
        module: to be trained; its generator, average and discriminators are changed.
        source: what `Vocos.from_pretrained` takes.

    Returns:
        what is not as it was in the checkpoint, in sentences for the user.

    Raises:
        CheckpointError: the source can't be loaded.
        ValueError: nothing but the input layer could be kept: it is another architecture.
    """
    donor = Vocos.from_pretrained(source)
    notes, kept = copy_fitting(donor.state_dict(), module.vocos, "generator")
    blocks = ("backbone.convnext.", "backbone.resnet.")
    if not any(key.startswith(blocks) and key.endswith("weight") for key in kept):
        raise ValueError(f"{source} has another architecture ({donor.config.backbone}): none of its blocks fits")
    module.average.load_state_dict(module.vocos.state_dict())
    if donor.mel != module.vocos.mel and donor.mel is not None and donor.mel.n_mels == module.config.model.n_features:
        notes.append(f"{source} was trained on another mel convention; the model will have to adapt")
    return notes + load_discriminators(module.objective, Path(source))
