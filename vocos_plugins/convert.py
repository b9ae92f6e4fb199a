"""Training checkpoints of the reference package's layout to directories for inference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from .checkpoint_directory import build, read_config, save_pretrained
from .checkpoint_files import CheckpointError, read_pickle, read_weights

# What the reference's ``VocosExp`` holds beside the generator: discriminators, and losses with their buffers.
TRAINING_ONLY = (
    "multiperioddisc.",
    "multiresddisc.",
    "disc_loss.",
    "gen_loss.",
    "feat_matching_loss.",
    "melspec_loss.",
)


def convert_checkpoint(checkpoint: str | Path, config: str | Path, out: str | Path) -> None:
    """Writes the generator of a training checkpoint as a directory that `Vocos.from_pretrained` loads.

    Args:
        checkpoint: a Lightning ``.ckpt`` of the reference's training, or a plain state dict.
        config: the YAML that the training ran with, or a published ``config.yaml``.
        out: directory to write.

    Raises:
        CheckpointError: a file is damaged or unsafe, a key is missing or belongs neither to the generator nor to
            training, or ``out`` can't be written to.
    """
    checkpoint = Path(checkpoint)
    architecture, _ = read_config(Path(config))
    weights, provenance = _read(checkpoint)
    generator = {key: value for key, value in weights.items() if not key.startswith(TRAINING_ONLY)}
    save_pretrained(build(architecture, generator, provenance, str(checkpoint)), out)


def _read(checkpoint: Path) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    provenance: dict[str, Any] = {"converted_from": checkpoint.name}
    if checkpoint.suffix == ".safetensors":
        return read_weights(checkpoint), provenance
    content = read_pickle(checkpoint)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{checkpoint}: expected a training checkpoint or a state dict, got {type(content)}")
    if isinstance(steps := content.get("global_step"), int):
        provenance["steps"] = steps
    weights = content.get("state_dict", content)
    if not isinstance(weights, Mapping):
        raise CheckpointError(f"{checkpoint}: expected tensors by name under 'state_dict', got {type(weights)}")
    if strange := [key for key, value in weights.items() if not isinstance(value, Tensor)]:
        raise CheckpointError(f"{checkpoint}: expected tensors, {strange[0]!r} is {type(weights[strange[0]])}")
    return weights, provenance
