"""Reads training checkpoints of the reference package's layout."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from .checkpoint import Checkpoint, read_config
from .overwriting import check_replaceable
from .safe_files import CONFIG_FILE, WEIGHTS_FILE, CheckpointError, read_pickle, read_weights
from .weights import check_tensors

ORIGIN = "converted_from"  # in the provenance: the name of the checkpoint that was converted
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


def check_conversion(out: Path, checkpoint: Path, config: Path, *, overwrite: bool) -> None:
    """Refuses to write a converted checkpoint over files that no conversion wrote.

    Raises:
        CheckpointError: a file would be lost.
    """
    files = [out / CONFIG_FILE, out / WEIGHTS_FILE]
    own = partial(_is_converted, out / CONFIG_FILE)
    check_replaceable(files, is_own=own, overwrite=overwrite, inputs=[checkpoint, config])


def _is_converted(config: Path) -> bool:
    try:
        return ORIGIN in read_config(config)[1]
    except CheckpointError:
        return False


def _read(checkpoint: Path) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    provenance: dict[str, Any] = {ORIGIN: checkpoint.name}
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
    check_tensors(weights, str(checkpoint))
    return weights, provenance
