"""Starts a training from another checkpoint's weights, as far as they fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..checkpoint_files import CheckpointError
from ..model import Vocos
from .discriminator_files import copy_fitting, load_discriminators
from .objective import Objective

BLOCKS = ("backbone.convnext.", "backbone.resnet.")


def warm_start(vocos: Vocos, objective: Objective, source: str) -> list[str]:
    """Copies every layer that fits from a checkpoint, and its discriminators if they lie beside it.

    Args:
        vocos, objective: to be trained; both are changed.
        source: what `Vocos.from_pretrained` takes.

    Returns:
        what is not as it was in the checkpoint, in sentences for the user.

    Raises:
        CheckpointError: the source can't be loaded, or is of another architecture.
    """
    donor = Vocos.from_pretrained(source)
    notes = copy_generator(donor.state_dict(), vocos, source)
    if donor.mel != vocos.mel and donor.mel is not None and donor.mel.n_mels == vocos.config.n_features:
        notes.append(f"{source} was trained on another mel convention; the model will have to adapt")
    return notes + load_discriminators(objective, Path(source))


def copy_generator(weights: Mapping[str, Tensor], vocos: Vocos, source: str) -> list[str]:
    """Copies every layer that fits, of weights by the names of a Vocos checkpoint.

    Returns:
        a sentence on the layers that keep their random weights, if there are any.

    Raises:
        CheckpointError: nothing but input and output layers could be kept: ``source`` is of another architecture.
    """
    notes, kept = copy_fitting(dict(weights), vocos, "generator")
    if not any(key.startswith(BLOCKS) and key.endswith("weight") for key in kept):
        raise CheckpointError(
            f"{source} has another architecture: none of its blocks fits {vocos.config.backbone}; give the model that "
            "you train the checkpoint's sizes"
        )
    return notes
