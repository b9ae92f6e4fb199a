"""Starts a training from another checkpoint's weights, as far as they fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..mel import MelConvention
from ..model import Vocos
from ..network.heads import ISTFTHead
from ..storage.safe_files import CheckpointError
from .discriminator_files import copy_fitting, load_discriminators
from .mel_transfer import reads_otherwise, translate_input, translate_output
from .objective import Objective

EMBED, OUT = "backbone.embed", "head.out"
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
    notes = copy_generator(donor.state_dict(), vocos, source, donor.mel)
    return notes + load_discriminators(objective, Path(source))


def copy_generator(
    weights: Mapping[str, Tensor], vocos: Vocos, source: str, mel: MelConvention | None = None
) -> list[str]:
    """Copies every layer that fits, of weights by the names of a Vocos checkpoint.

    Args:
        weights: of the checkpoint.
        vocos: gets them.
        source: what to call the checkpoint.
        mel: that it was trained on, if it is known. First and last layer are translated to another.

    Returns:
        sentences on what is not as it was: a first layer for another mel, layers that keep their random weights.

    Raises:
        CheckpointError: nothing but input and output layers could be kept: ``source`` is of another architecture.
    """
    weights, notes = dict(weights), []
    if mel is not None and mel != vocos.mel and f"{EMBED}.weight" in weights:
        notes.append(_take_over_mel(weights, vocos, source, mel))
    misfits, kept = copy_fitting(weights, vocos, "generator")
    if not any(key.startswith(BLOCKS) and key.endswith("weight") for key in kept):
        raise CheckpointError(
            f"{source} has another architecture: none of its blocks fits {vocos.config.backbone}; give the model that "
            "you train the checkpoint's sizes"
        )
    return notes + misfits


def _take_over_mel(weights: dict[str, Tensor], vocos: Vocos, source: str, own: MelConvention) -> str:
    """Translates first and last layer where they would misread; what to say of it."""
    told, wanted = f"{source} was trained on another mel convention", vocos.mel
    if wanted is None or not reads_otherwise(own, wanted):
        return f"{told}; the model will have to adapt"
    try:
        weight, bias, error = translate_input(weights[f"{EMBED}.weight"], weights[f"{EMBED}.bias"], own, wanted)
    except ValueError:
        return f"{told}, with frames that are too far apart to translate; the model will have to adapt"
    weights.update({f"{EMBED}.weight": weight, f"{EMBED}.bias": bias})
    # Other heads have other numbers of rows.
    if isinstance(vocos.head, ISTFTHead) and len(weights.get(f"{OUT}.bias", ())) == own.n_fft + 2:
        n_fft, prior = vocos.head.options.n_fft, vocos.head.prior is not None
        weight, bias = translate_output(
            weights[f"{OUT}.weight"], weights[f"{OUT}.bias"], own, wanted, n_fft, prior=prior
        )
        weights.update({f"{OUT}.weight": weight, f"{OUT}.bias": bias})
    return f"{told}; its first layer reads this one's bands with a mean error of {error:.2f} in its values"
