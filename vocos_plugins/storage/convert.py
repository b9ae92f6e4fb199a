"""Reads training checkpoints of the reference package's layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from .checkpoint import Checkpoint, read_config
from .safe_files import CheckpointError, read_pickle, read_weights

# What the reference's ``VocosExp`` holds in addition to the generator: discriminators, and losses with their buffers.
TRAINING_ONLY = (
    "multiperioddisc.",
    "multiresddisc.",
    "disc_loss.",
    "gen_loss.",
    "feat_matching_loss.",
    "melspec_loss.",
)


def read_training_checkpoint(checkpoint: str | Path, config: str | Path) -> Checkpoint:
    """Reads the generator of a training checkpoint.

        Vocos.from_checkpoint(read_training_checkpoint("last.ckpt", "vocos.yaml")).save_pretrained("my-vocos")

    Args:
        checkpoint: a Lightning ``.ckpt`` of the reference's training, or a plain state dict.
        config: the YAML that the training ran with, or a published ``config.yaml``.

    Raises:
        CheckpointError: a file is damaged or unsafe. Keys that belong neither to the generator nor to training are
            kept, and refused when a model is built.
    """
    checkpoint = Path(checkpoint)
    architecture, _ = read_config(Path(config))
    weights, provenance = _read(checkpoint)
    generator = {key: value for key, value in weights.items() if not key.startswith(TRAINING_ONLY)}
    return Checkpoint(architecture, generator, provenance, str(checkpoint))


def _read(checkpoint: Path) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    provenance: dict[str, Any] = {"converted_from": checkpoint.name}
    if checkpoint.suffix == ".safetensors":
        return read_weights(checkpoint), provenance
    content = read_pickle(checkpoint)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{checkpoint}: expected a training checkpoint or a state dict, got {type(content)}")
    if isinstance(steps := content.get("global_step"), int):
        provenance["steps"] = steps
    # Lightning nests the weights under this key, a plain state dict does not.
    weights = content.get("state_dict", content)
    if not isinstance(weights, Mapping):
        raise CheckpointError(f"{checkpoint}: expected tensors by name under 'state_dict', got {type(weights)}")
    if strange := [key for key, value in weights.items() if not isinstance(value, Tensor)]:
        raise CheckpointError(f"{checkpoint}: expected tensors, but {strange[0]!r} is {type(weights[strange[0]])}")
    return weights, provenance
