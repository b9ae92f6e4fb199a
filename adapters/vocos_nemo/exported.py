"""Reads what ``vocos export nemo`` wrote, without NeMo."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from torch import Tensor

from vocos_plugins.config import VocosConfig
from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.mel import ConventionError
from vocos_plugins.plugins import ExportedVocoder
from vocos_plugins.storage.safe_files import CheckpointError, read_weights

from .archive import ARCHIVE_SUFFIX, CONFIG_FILE, copy_member, is_model, read_configuration
from .mel import from_nemo

# `vocoder` has this as well, but it imports NeMo.
MODEL_TARGET = "vocos_nemo.vocoder.VocosModel"
WEIGHTS_FILE = "model_weights.ckpt"
PREFIX = "generator.vocos."


def read_export(path: Path) -> ExportedVocoder | None:
    """Reads a `VocosModel`: its ``.nemo`` file, the folder of an unpacked one, or its ``model_config.yaml``.

    Returns:
        None if the path holds another model.

    Raises:
        ConventionError: it holds one whose configuration is invalid.
    """
    config = read_configuration(path) if is_model(path) else None
    if config is None or config.get("target") != MODEL_TARGET:
        return None
    try:
        source = from_nemo(config["preprocessor"])
        architecture: dict[str, Any] = {"features": {"kind": "mel", **dataclasses.asdict(source)}}
        architecture |= config["generator"]
        inner = VocosConfig.from_dict(architecture)
    except (ConfigError, ConventionError) as error:
        raise ConventionError(f"{path}: {error}") from error
    except (LookupError, TypeError) as error:
        raise ConventionError(f"{path}: expected the sections preprocessor and generator of a VocosModel") from error
    return ExportedVocoder(
        source=source,
        config=inner,
        load_weights=lambda: _read_weights(path),
        provenance=config.get("provenance") or {},
    )


def _read_weights(path: Path) -> dict[str, Tensor]:
    if path.suffix == ARCHIVE_SUFFIX and path.is_file():
        with tempfile.TemporaryDirectory() as folder:
            weights = read_weights(_unpack(path, Path(folder)))
    else:
        weights = read_weights((path.parent if path.name == CONFIG_FILE else path) / WEIGHTS_FILE)
    return {key.removeprefix(PREFIX): value for key, value in weights.items() if key.startswith(PREFIX)}


def _unpack(archive: Path, folder: Path) -> Path:
    """Copies the weights out of an archive, and nothing else."""
    try:
        with (folder / WEIGHTS_FILE).open("wb") as copy:
            copy_member(archive, WEIGHTS_FILE, copy)
    except ValueError as error:
        raise CheckpointError(f"{archive}: {error}") from error
    return folder / WEIGHTS_FILE
