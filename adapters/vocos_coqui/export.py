"""``vocos export coqui``: writes a Vocos as the two files of a Coqui TTS vocoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.mel import ConventionError, align
from vocos_plugins.storage.safe_files import WEIGHTS_FILE, CheckpointError, write_files
from vocos_plugins.storage.weights import weights_to_save

from .audio_block import unnormalized, write_audio_block
from .config_files import parse_config
from .mel import DEFAULT, read_convention

CONFIG_FILE = "config.json"
MODEL = "vocos"


def export(vocos: Vocos, target: Path, *, tts: Path | MelConvention | None = None, strict: bool = False) -> None:
    """Writes ``config.json`` and ``model.safetensors``, both or neither, for one text-to-speech model's mels.

    Coqui TTS undoes the normalization of the TTS's configuration, and applies that of the vocoder's; it converts
    nothing else. So the vocoder's ``audio`` block is the TTS's without normalization, and the vocoder does the rest
    of the conversion itself.

    Args:
        vocos: a mel model.
        target: directory, created if it doesn't exist.
        tts: the TTS's ``config.json``, or the directory that holds it, or its mel; by default the mel of Coqui TTS's
            LJSpeech recipes.
        strict: refuse a mel that can only be converted lossily.

    Warns:
        MelMismatchWarning: the mel conversion is lossy.

    Raises:
        MelMismatch: the TTS's mel can't be converted to the model's.
        ConventionError: the TTS has no mel, or its configuration can't be read.
        CheckpointError: the directory can't be written to, or holds another model.
    """
    source = unnormalized(_convention(tts))
    audio = write_audio_block(source)
    # Refuses or warns before anything is written.
    align(source, vocos.mel, strict=strict)
    _check_target(target)
    config = {
        "model": MODEL,
        "audio": audio,
        "model_args": {**vocos.config.to_dict(), "provenance": vocos.provenance},
    }
    weights = save(weights_to_save(vocos.state_dict(), half=False), metadata={"format": "pt"})
    write_files(target, {WEIGHTS_FILE: weights, CONFIG_FILE: json.dumps(config, indent=4, default=str).encode()})


def _convention(tts: Path | MelConvention | None) -> MelConvention:
    if tts is None or isinstance(tts, MelConvention):
        return tts or DEFAULT
    convention = read_convention(tts)
    if convention is None:
        raise ConventionError(f"{tts} is not a configuration of a Coqui TTS model: expected its config.json")
    return convention


def _check_target(target: Path) -> None:
    """Refuses to overwrite another model's files, such as the TTS's own ``config.json``."""
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if (target / name).exists() and _model_of(target / CONFIG_FILE) != MODEL:
            raise CheckpointError(f"{target / name} belongs to another model: export to a new directory")


def _model_of(file: Path) -> Any:
    config = parse_config(file) if file.is_file() else None
    return None if config is None else config.get("model")
