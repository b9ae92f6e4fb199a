"""Reads what ``vocos export coqui`` wrote, without Coqui TTS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.mel import ConventionError
from vocos_plugins.mel.shown import shown
from vocos_plugins.plugins import ExportedVocoder
from vocos_plugins.storage.safe_files import WEIGHTS_FILE, read_weights

from .architecture import read_architecture
from .config_files import find_config, parse_config
from .mel import MARKS, from_coqui

MODEL = "vocos"


def read_export(path: Path) -> ExportedVocoder | None:
    """Reads a vocoder of ``model: vocos``: its ``config.json``, or the directory that holds it.

    Returns:
        None if the path holds another model.

    Raises:
        ConventionError: it holds one whose configuration is invalid.
    """
    file = find_config(path)
    config = None if file is None else parse_config(file)
    if file is None or config is None or config.get("model") != MODEL:
        return None
    audio, arguments = config.get("audio"), config.get("model_args") or {}
    # Another program's model may have the name, too.
    if not isinstance(audio, Mapping) or not MARKS & audio.keys():
        return None
    if not isinstance(arguments, Mapping):
        raise ConventionError(f"{file}: model_args: expected a mapping, got {shown(arguments)}")
    try:
        source = from_coqui(dict(audio))
        architecture = read_architecture(arguments, source)
    except (ConfigError, ConventionError) as error:
        raise ConventionError(f"{file}: {error}") from error
    weights = file.parent / WEIGHTS_FILE
    return ExportedVocoder(
        source=source,
        config=architecture,
        load_weights=lambda: read_weights(weights),
        provenance=arguments.get("provenance") or {},
        undoes_normalization=True,
    )
