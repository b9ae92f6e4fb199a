"""``vocos export coqui``: a Vocos as the two files that Coqui TTS takes for a vocoder."""

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

    Coqui TTS undoes the normalization that the TTS's configuration gives, and does that of the vocoder's; it converts
    nothing else. So the vocoder's ``audio`` block is the TTS's without normalization, and the vocoder converts from
    that by itself.

    Args:
        vocos: a mel model.
        target: directory, made if it isn't there.
        tts: the TTS's ``config.json``, or the directory that holds it, or its mel; by default what Coqui TTS's
            recipes for LJSpeech have.
        strict: refuse a mel that can be converted only with a loss.

    Warns:
        MelMismatchWarning: the mel is converted with a loss.

    Raises:
        MelMismatch: the TTS's mel can't be converted to the model's.
        ConventionError: the TTS has no mel, or its configuration can't be read.
        CheckpointError: the directory can't be written to, or is of another model.
    """
    source = unnormalized(_convention(tts))
    audio = write_audio_block(source)
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
        raise ConventionError(f"{tts} is no configuration of a Coqui TTS model: expected its config.json")
    return convention


def _check_target(target: Path) -> None:
    """Another model's files, say the TTS's own ``config.json``, must not be written over."""
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if (target / name).exists() and _model_of(target / CONFIG_FILE) != MODEL:
            raise CheckpointError(f"{target / name} is another model's: export to a directory of its own")


def _model_of(file: Path) -> Any:
    config = parse_config(file) if file.is_file() else None
    return None if config is None else config.get("model")
