"""Starts a training from another checkpoint: copies the weights that fit, and translates layers to another mel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..config import ISTFT, AdaptivePostfilter, Postfilter
from ..mel import MelConvention
from ..model import Vocos
from ..network.heads import PRIOR_FLOOR, ISTFTHead
from ..storage.safe_files import CheckpointError
from .discriminator_files import copy_fitting, load_discriminators
from .mel_transfer import needs_translation, translate_input, translate_output
from .objective import Objective

EMBED, OUT = "backbone.embed", "head.out"
BLOCKS = ("backbone.convnext.", "backbone.resnet.")


def warm_start(vocos: Vocos, objective: Objective, source: str) -> list[str]:
    """Copies every layer that fits from a checkpoint, and its discriminators if it has any.

    Args:
        vocos, objective: generator and discriminators to train; both are changed.
        source: name or directory of the checkpoint (see `Vocos.from_pretrained`).

    Returns:
        sentences for the user on what differs from the checkpoint.

    Raises:
        CheckpointError: the source cannot be loaded, or has another architecture.
    """
    donor = Vocos.from_pretrained(source)
    postfilter, kept = donor.config.postfilter, vocos.config.postfilter
    notes = []
    if postfilter is not None and (postfilter != kept or donor.mel != vocos.mel):
        donor.set_postfilter(None)
        notes.append(f"the postfilter of {source} is left out: {_how_to_keep(postfilter, donor.mel == vocos.mel)}")
    notes = copy_generator(donor.state_dict(), vocos, source, donor.mel) + notes
    return notes + load_discriminators(objective, Path(source))


def _how_to_keep(postfilter: Postfilter, same_mel: bool) -> str:
    fit = "`vocos postfilter` fits one to the trained model"
    if not same_mel or not isinstance(postfilter, AdaptivePostfilter):  # a linear one is of one acoustic model
        return fit
    keep = "set the model's `postfilter` as in its config.yaml to keep it, unless you train on predicted mels"
    return f"{keep}; or {fit}"


def copy_generator(
    weights: Mapping[str, Tensor], vocos: Vocos, source: str, mel: MelConvention | None = None
) -> list[str]:
    """Copies every layer that fits from a state dict of a Vocos.

    Args:
        weights: state dict of the checkpoint.
        vocos: receives the weights.
        source: name of the checkpoint in messages.
        mel: mel that the checkpoint was trained on, if known. If it differs from the model's, first and last layer are
            translated.

    Returns:
        sentences for the user on what differs: layers translated to another mel, layers that keep random weights.

    Raises:
        CheckpointError: at most input and output layers fit; ``source`` has another architecture.
    """
    weights, notes = dict(weights), []
    # Before copying: a translated layer has the shape that the model expects, the stored one may not.
    if mel is not None and mel != vocos.mel and f"{EMBED}.weight" in weights:
        notes.append(_take_over_mel(weights, vocos, source, mel))
    _add_upper_bins(weights, vocos)
    misfits, kept = copy_fitting(weights, vocos, "generator")
    # Input and output layers alone carry nothing of what the checkpoint has learned.
    if not any(key.startswith(BLOCKS) and key.endswith("weight") for key in kept):
        raise CheckpointError(
            f"{source} has another architecture: none of its blocks fits {vocos.config.backbone}; use the checkpoint's "
            "sizes for your model"
        )
    return notes + misfits


def _add_upper_bins(weights: dict[str, Tensor], vocos: Vocos) -> None:
    """Extends the last layer of a head without `upsample` to one with it, silent above the old band."""
    options, weight, bias = vocos.config.head, weights.get(f"{OUT}.weight"), weights.get(f"{OUT}.bias")
    if not isinstance(options, ISTFT) or options.upsample == 1 or weight is None or bias is None:
        return
    n_fft = options.n_fft // options.upsample
    if len(bias) != n_fft + 2:
        return
    own = vocos.state_dict()
    n_bins, n_known = options.n_fft // 2 + 1, n_fft // 2 + 1
    new_weight, new_bias = own[f"{OUT}.weight"].clone(), own[f"{OUT}.bias"].clone()
    new_weight[:n_bins], new_bias[:n_bins] = 0.0, 0.0 if options.amplitude_prior else math.log(PRIOR_FLOOR)
    for new, old in ((0, 0), (n_bins, n_known)):
        new_weight[new : new + n_known] = weight[old : old + n_known]
        new_bias[new : new + n_known] = bias[old : old + n_known]
    if not options.amplitude_prior:
        new_bias[:n_known] += math.log(options.upsample)  # a frame has as many times the samples
    # What was the Nyquist bin counts twice now, as all between the first and the last do.
    new_bias[n_known - 1] -= math.log(2)
    weights.update({f"{OUT}.weight": new_weight, f"{OUT}.bias": new_bias})


def _take_over_mel(weights: dict[str, Tensor], vocos: Vocos, source: str, own: MelConvention) -> str:
    """Translates first and last layer if they would misread the model's mel; returns a message for the user."""
    message, wanted = f"{source} was trained on another mel convention", vocos.mel
    if wanted is None or not needs_translation(own, wanted):
        return f"{message}; the model will have to adapt"
    try:
        weight, bias, error = translate_input(weights[f"{EMBED}.weight"], weights[f"{EMBED}.bias"], own, wanted)
    except ValueError:
        return f"{message}, with frames too far apart to translate; the model will have to adapt"
    weights.update({f"{EMBED}.weight": weight, f"{EMBED}.bias": bias})
    # Only the rows of an inverse-STFT head are magnitudes and phases of bins, which can be moved.
    if isinstance(vocos.head, ISTFTHead) and len(weights.get(f"{OUT}.bias", ())) == own.n_fft + 2:
        n_fft, prior = vocos.head.options.n_fft, vocos.head.prior is not None
        weight, bias = translate_output(
            weights[f"{OUT}.weight"], weights[f"{OUT}.bias"], own, wanted, n_fft, prior=prior
        )
        weights.update({f"{OUT}.weight": weight, f"{OUT}.bias": bias})
    return f"{message}; its input layer was remapped to this mel, with a mean error of {error:.2f} in log-mel units"
