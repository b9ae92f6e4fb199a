"""Starts a training from another checkpoint's weights, as far as they fit."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from ..model import Vocos
from ..weights import DERIVED
from .module import VocosTraining
from .state import DISCRIMINATORS_FILE


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
    notes, kept = _copy_fitting(donor.state_dict(), module.vocos, "generator")
    blocks = ("backbone.convnext.", "backbone.resnet.")
    if not any(key.startswith(blocks) and key.endswith("weight") for key in kept):
        raise ValueError(f"{source} has another architecture ({donor.config.backbone}): none of its blocks fits")
    module.average.load_state_dict(module.vocos.state_dict())
    if donor.mel != module.vocos.mel and donor.mel is not None and donor.mel.n_mels == module.config.model.n_features:
        notes.append(f"{source} was trained on another mel convention; the model will have to adapt")
    beside = Path(source) / DISCRIMINATORS_FILE
    if not beside.exists():
        notes.append(f"no {DISCRIMINATORS_FILE} beside {source}: the discriminators start from random weights")
        return notes
    stored = load_file(beside)
    for name, part in (("multi_period", module.multi_period), ("multi_resolution", module.multi_resolution)):
        own = {key.removeprefix(f"{name}."): value for key, value in stored.items() if key.startswith(f"{name}.")}
        notes += _copy_fitting(own, part, name)[0]
    return notes


def _copy_fitting(stored: dict[str, Tensor], target: nn.Module, what: str) -> tuple[list[str], list[str]]:
    """Loads the tensors whose name and shape fit; gives a note on the others, and the names that were loaded."""
    expected = target.state_dict()
    fitting = {
        key: value
        for key, value in stored.items()
        if key in expected and expected[key].shape == value.shape and key not in DERIVED
    }
    target.load_state_dict(fitting, strict=False)
    fresh = [key for key in expected if key not in fitting and key not in DERIVED]
    notes = [f"{what}: {', '.join(fresh)} did not fit and start from random weights"] if fresh else []
    return notes, list(fitting)
