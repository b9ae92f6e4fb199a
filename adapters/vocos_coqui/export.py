"""``vocos export coqui``: writes a Vocos as the two files of a Coqui TTS vocoder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from safetensors.torch import save

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.mel import ConventionError, align
from vocos_plugins.storage.overwriting import check_replaceable
from vocos_plugins.storage.safe_files import CONFIG_FILE as CHECKPOINT_FILE
from vocos_plugins.storage.safe_files import WEIGHTS_FILE, write_files
from vocos_plugins.storage.weights import weights_to_save

from .audio_block import unnormalized, write_audio_block
from .config_files import parse_config
from .exported import MODEL
from .mel import DEFAULT, read_convention

CONFIG_FILE = "config.json"
KEYS = {"model", "audio", "model_args"}  # the configuration of a training run has more


def export(
    vocos: Vocos,
    target: Path,
    *,
    tts: Path | MelConvention | None = None,
    strict: bool = False,
    overwrite: bool = False,
) -> None:
    """Writes ``config.json`` and ``model.safetensors``, both or neither, for one text-to-speech model's mels.

    Coqui TTS undoes the normalization of the TTS's configuration, and applies that of the vocoder's; it converts
    nothing else. So the vocoder's ``audio`` block is the TTS's without normalization, and the vocoder does the rest
    of the conversion itself.

    Args:
        vocos: a mel model.
        target: directory, created if it doesn't exist.
        tts: the TTS's ``config.json``, or the directory that holds it, without need of its statistics; or its mel; by
            default the mel of Coqui TTS's LJSpeech recipes.
        strict: refuse a mel that can only be converted lossily.
        overwrite: replace files of another model, except the TTS's own.

    Warns:
        MelMismatchWarning: the mel conversion is lossy.

    Raises:
        MelMismatch: the TTS's mel can't be converted to the model's.
        ConventionError: the TTS has no mel, or its configuration can't be read.
        CheckpointError: the directory can't be written to, or holds another model, or a training run.
    """
    target = Path(os.path.expanduser(target))
    files = [target / CONFIG_FILE, target / WEIGHTS_FILE]
    inputs = [tts] if isinstance(tts, Path) else []
    check_replaceable(files, is_own=lambda: _is_own(target), overwrite=overwrite, inputs=inputs)
    source = _convention(tts)
    audio = write_audio_block(source)
    # Refuses or warns before anything is written.
    align(source, vocos.mel, strict=strict)
    config = {
        "model": MODEL,
        "audio": audio,
        "model_args": {**vocos.config.to_dict(), "provenance": vocos.provenance},
    }
    weights = save(weights_to_save(vocos.state_dict(), half=False), metadata={"format": "pt"})
    write_files(target, {WEIGHTS_FILE: weights, CONFIG_FILE: json.dumps(config, indent=4, default=str).encode()})


def _convention(tts: Path | MelConvention | None) -> MelConvention:
    """Returns the mel that the vocoder receives."""
    if tts is None or isinstance(tts, MelConvention):
        return unnormalized(tts or DEFAULT)
    convention = read_convention(tts, normalized=False)
    if convention is None:
        raise ConventionError(f"{tts} is not a configuration of a Coqui TTS model: expected its config.json")
    return convention


def _is_own(target: Path) -> bool:
    """Whether `export` wrote the files of this folder; a Vocos checkpoint shares the name of the weights."""
    file = target / CONFIG_FILE
    config = parse_config(file) if file.is_file() and not (target / CHECKPOINT_FILE).exists() else None
    return config is not None and config.get("model") == MODEL and config.keys() == KEYS
