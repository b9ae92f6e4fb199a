"""Writes a Vocos model as a ``.nemo`` file."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from vocos_plugins import Vocos
from vocos_plugins.mel import ConventionError, MelConvention, align
from vocos_plugins.storage.atomic import atomic_write
from vocos_plugins.storage.overwriting import check_replaceable

from .archive import ARCHIVE_SUFFIX, read_configuration
from .exported import MODEL_TARGET
from .interpolation import TARGET, find_preprocessor, resolved_options
from .mel import DEFAULT, from_nemo, read_convention
from .preprocessor import TARGETS, kind_of
from .preprocessor_block import preprocessor_block

# A model that was trained has more.
KEYS = {"preprocessor", "generator", "provenance", "target", "nemo_version"}


def export(
    vocos: Vocos,
    target: Path,
    *,
    tts: Path | MelConvention | None = None,
    strict: bool = False,
    overwrite: bool = False,
) -> None:
    """Writes atomically a ``.nemo`` file that NeMo restores once `vocos_nemo.vocoder` is imported.

    Args:
        vocos: a mel model.
        target: the file; its folder is created if needed, and an earlier export there is replaced.
        tts: source of the mels: a ``.nemo`` file or a YAML configuration of NeMo's, whose preprocessor is kept, or a
            convention; if None, `vocos_nemo.mel.DEFAULT`, that of English FastPitch.
        strict: refuse a mel that can only be converted lossily.
        overwrite: replace another model's file, except that of ``tts``.

    Raises:
        CheckpointError: the file is another model's, or a training's.
        ConventionError: no mel can be read from ``tts``.
        MelMismatch: the mel can't be converted to the model's own, or NeMo can't compute it.
        ValueError: ``target`` doesn't end in ``.nemo``.
        OSError: the file can't be written.
    """
    target = Path(os.path.expanduser(target))
    if target.suffix != ARCHIVE_SUFFIX:
        raise ValueError(f"NeMo recognizes models by the suffix {ARCHIVE_SUFFIX}, got {target}")
    mel = tts or DEFAULT
    inputs = [] if isinstance(mel, MelConvention) else [Path(os.path.expanduser(mel))]
    check_replaceable([target], is_own=lambda: _is_own(target), overwrite=overwrite, inputs=inputs)
    block = preprocessor_block(mel) if isinstance(mel, MelConvention) else _read_block(Path(os.path.expanduser(mel)))
    align(from_nemo(block), vocos.mel, strict=strict)
    # Importing NeMo takes half a minute: only once everything else has been checked.
    vocoder: Any = importlib.import_module(".vocoder", __package__)
    model = vocoder.build(vocos, block)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as temporary:
        model.save_to(str(temporary))


def _read_block(tts: Path) -> dict[str, Any]:
    """Reads a configuration's preprocessor, with its interpolations resolved and its class where NeMo has it today."""
    config = read_configuration(tts) if read_convention(tts) is not None else None
    place = None if config is None else find_preprocessor(config)
    if config is None or place is None:
        raise ConventionError(f"no NeMo model or configuration at {tts}: expected a .nemo file, or a YAML file")
    options = resolved_options(config, place)
    return {**options, TARGET: TARGETS[kind_of(options)]}


def _is_own(target: Path) -> bool:
    """Whether `export` wrote this file."""
    try:
        config = read_configuration(target)
    except ConventionError:
        return False
    return config is not None and config.get("target") == MODEL_TARGET and config.keys() <= KEYS
