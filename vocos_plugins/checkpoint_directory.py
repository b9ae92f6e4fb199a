"""A checkpoint as a directory: ``config.yaml`` and ``model.safetensors``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from .checkpoint_files import (
    CONFIG_FILE,
    LEGACY_WEIGHTS_FILE,
    WEIGHTS_FILE,
    CheckpointError,
    read_weights,
    read_yaml,
    write_files,
)
from .config import VocosConfig
from .config_mapping import ConfigError
from .mel.convention import MelConvention
from .model import Vocos
from .reference_config import from_reference, is_reference
from .weights import load_weights, weights_to_save

FORMAT = 1


def save_pretrained(model: Vocos, directory: str | Path, *, half: bool = False) -> None:
    """Writes ``config.yaml`` and ``model.safetensors``, both or neither.

    Args:
        model: any precision, any device.
        directory: made if it isn't there.
        half: store the weights as float16, in half the space; they load as float32.

    Raises:
        CheckpointError: the directory can't be written to (what was there stays), a weight is beyond float16, or the
            provenance holds more than text, numbers, lists and mappings.
    """
    from safetensors.torch import save

    config = {"format": FORMAT, **model.config.to_dict(), "provenance": model.provenance}
    try:
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    except yaml.YAMLError as error:
        raise CheckpointError(f"the provenance can't be written as YAML: {error}") from error
    contents = {
        WEIGHTS_FILE: save(weights_to_save(model, half=half), metadata={"format": "pt"}),
        CONFIG_FILE: text.encode(),
    }
    write_files(Path(directory).expanduser(), contents)


def load_directory(directory: Path) -> Vocos:
    """A model from ``config.yaml`` and ``model.safetensors``, or else ``pytorch_model.bin``, in eval mode.

    Raises:
        CheckpointError: a file is missing, damaged or unsafe, or the two don't fit together.
    """
    config, provenance = read_config(directory / CONFIG_FILE)
    for name in (WEIGHTS_FILE, LEGACY_WEIGHTS_FILE):
        if (directory / name).exists():
            return build(config, read_weights(directory / name), provenance, str(directory / name))
    raise CheckpointError(f"{directory} has no weights: expected {WEIGHTS_FILE} or {LEGACY_WEIGHTS_FILE}")


def read_config(path: Path, mel: MelConvention | None = None) -> tuple[VocosConfig, dict[str, Any]]:
    """Configuration and provenance from a YAML file, ours or the reference package's.

    Args:
        path: of the file.
        mel: overrules what a file of the reference package says.

    Raises:
        CheckpointError: the file can't be read, or what it says can't be.
    """
    mapping = read_yaml(path)
    try:
        if is_reference(mapping):
            return from_reference(mapping, mel), {}
        if (version := mapping.get("format", FORMAT)) != FORMAT:
            raise ConfigError(f"format {version!r} is not known to this version of vocos-plugins, only {FORMAT}")
        provenance = mapping.get("provenance") or {}
        if not isinstance(provenance, Mapping):
            raise ConfigError(f"provenance: expected a mapping, got {provenance!r:.80}")
        parts = {key: value for key, value in mapping.items() if key not in ("format", "provenance")}
        return VocosConfig.from_dict(parts), dict(provenance)
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error


def build(config: VocosConfig, weights: Mapping[str, Tensor], provenance: Mapping[str, Any], source: str) -> Vocos:
    """A model with the given weights, in eval mode; the global random state is left as it was.

    Raises:
        CheckpointError: the configuration is of no possible model, or the weights don't fit it.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            model = Vocos(config, provenance)
    except (ValueError, TypeError, ArithmeticError, RuntimeError, MemoryError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{source}: no model can be built as its configuration says: {reason}") from error
    load_weights(model, weights, source)
    return model.eval()
