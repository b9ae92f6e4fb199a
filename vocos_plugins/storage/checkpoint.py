"""A checkpoint as data, and as a directory: ``config.yaml`` and ``model.safetensors``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from ..config import VocosConfig
from ..config.mapping import ConfigError
from ..mel.convention import MelConvention
from ..mel.shown import shown
from .reference_config import from_reference, is_reference
from .safe_files import (
    CONFIG_FILE,
    LEGACY_WEIGHTS_FILE,
    WEIGHTS_FILE,
    CheckpointError,
    read_weights,
    read_yaml,
    write_files,
)
from .weights import weights_to_save

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A model as data: `vocos_plugins.Vocos.from_checkpoint` builds it.

    Attributes:
        config: the architecture and its features.
        weights: tensors by the names of published checkpoints.
        provenance: how the weights came to be (data, licence, steps).
        source: the name that messages use for it.
    """

    config: VocosConfig
    weights: Mapping[str, Tensor]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    source: str = "the model"


def write_checkpoint(checkpoint: Checkpoint, directory: str | Path, *, half: bool = False) -> None:
    """Writes ``config.yaml`` and ``model.safetensors``, both or neither.

    Args:
        checkpoint: weights of any precision, on any device.
        directory: made if it does not exist.
        half: store the weights as float16, in half the space; they load as float32.

    Raises:
        CheckpointError: the directory cannot be written to (its files stay as they were), a weight is beyond float16,
            or the provenance holds more than text, numbers, lists and mappings.
    """
    from safetensors.torch import save  # slow to import, and reading a model does not need it

    config = {"format": FORMAT, **checkpoint.config.to_dict(), "provenance": dict(checkpoint.provenance)}
    text = _to_yaml(config)
    contents = {
        WEIGHTS_FILE: save(weights_to_save(checkpoint.weights, half=half), metadata={"format": "pt"}),
        CONFIG_FILE: text,
    }
    write_files(Path(os.path.expanduser(directory)), contents)


def is_own_directory(directory: Path) -> bool:
    """Whether a directory holds a checkpoint in this package's form, not the reference package's or a toolkit's."""
    try:
        mapping = read_yaml(directory / CONFIG_FILE)
    except CheckpointError:
        return False
    return "format" in mapping and not is_reference(mapping)


def write_provenance(provenance: Mapping[str, Any], directory: Path) -> None:
    """Replaces the provenance in the ``config.yaml`` of a checkpoint in this package's form, and nothing else.

    Raises:
        CheckpointError: the directory can't be written to, or the provenance holds more than YAML can.
    """
    mapping = {**read_yaml(directory / CONFIG_FILE), "provenance": dict(provenance)}
    write_files(directory, {CONFIG_FILE: _to_yaml(mapping)})


def read_directory(directory: Path) -> Checkpoint:
    """Reads ``config.yaml`` and ``model.safetensors``, or else ``pytorch_model.bin``.

    Raises:
        CheckpointError: a file is missing, damaged or unsafe.
    """
    config, provenance = read_config(directory / CONFIG_FILE)
    for name in (WEIGHTS_FILE, LEGACY_WEIGHTS_FILE):
        if (directory / name).exists():
            return Checkpoint(config, read_weights(directory / name), provenance, str(directory / name))
    raise CheckpointError(f"{directory} has no weights: expected {WEIGHTS_FILE} or {LEGACY_WEIGHTS_FILE}")


def read_config(path: Path, mel: MelConvention | None = None) -> tuple[VocosConfig, dict[str, Any]]:
    """Reads configuration and provenance from a YAML file, ours or the reference package's.

    Args:
        path: of the file.
        mel: overrides the mel that a file of the reference package describes.

    Raises:
        CheckpointError: the file cannot be read, or its values are invalid.
    """
    mapping = read_yaml(path)
    try:
        if is_reference(mapping):
            return from_reference(mapping, mel), {}
        if (version := mapping.get("format", FORMAT)) != FORMAT:
            raise ConfigError(f"format {shown(version)} is not known to this version of vocos-plugins, only {FORMAT}")
        provenance = mapping.get("provenance") or {}
        if not isinstance(provenance, Mapping):
            raise ConfigError(f"provenance: expected a mapping, got {shown(provenance)}")
        parts = {key: value for key, value in mapping.items() if key not in ("format", "provenance")}
        return VocosConfig.from_dict(parts), dict(provenance)
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _to_yaml(config: Mapping[str, Any]) -> bytes:
    try:
        return yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode()
    except yaml.YAMLError as error:
        raise CheckpointError(f"the provenance cannot be written as YAML: {error}") from error


def check_size(checkpoint: Checkpoint) -> None:
    """Refuses a configuration of a model far larger than the weights beside it, before any of it is allocated."""
    described, stored = checkpoint.config.n_weights, sum(weight.numel() for weight in checkpoint.weights.values())
    if described > 2 * stored + 1_000_000:
        raise CheckpointError(
            f"{checkpoint.source}: its configuration describes a model of about {described:,} weights, "
            f"but its file of weights has {stored:,}"
        )
