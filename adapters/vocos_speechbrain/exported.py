"""Reads what ``vocos export speechbrain`` wrote, without SpeechBrain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vocos_plugins.config import FEATURES, VocosConfig
from vocos_plugins.config.mapping import ConfigError, read_part
from vocos_plugins.mel import ConventionError, MelConvention
from vocos_plugins.plugins import ExportedVocoder
from vocos_plugins.storage.bounded_yaml import BoundedLoader, load_yaml
from vocos_plugins.storage.limits import MAX_CONFIG_BYTES
from vocos_plugins.storage.reading import check_kind, read_limited
from vocos_plugins.storage.safe_files import read_weights

from .hyperparams import FILE_NAME, MALFORMED

# SpeechBrain's Pretrainer looks for a file named after the loadable.
WEIGHTS_FILE = "generator.ckpt"
GENERATOR = "vocos_speechbrain.generator.VocosGenerator"
# A file that begins with this was written by `export`.
BEGINNING = "# A Vocos vocoder, written by vocos-plugins"
PREFIX = "vocos."


def is_export(path: Path) -> bool:
    """Whether `export` wrote this ``hyperparams.yaml``: TTS models, HiFi-GANs and training runs have one, too."""
    try:
        check_kind(path)
        with path.open("rb") as hyperparams:
            return hyperparams.read(len(BEGINNING)) == BEGINNING.encode()
    except (OSError, ValueError):  # a pipe or a device
        return False


def read_export(path: Path) -> ExportedVocoder | None:
    """Reads an exported ``hyperparams.yaml``, or the directory that holds it.

    Returns:
        None if the path holds another model.

    Raises:
        ConventionError: it holds one that is damaged.
    """
    file = path / FILE_NAME if path.is_dir() else path
    if not is_export(file):
        return None
    try:
        tree = load_yaml(read_limited(file, MAX_CONFIG_BYTES), _Loader)
        generator, provenance = tree["generator"], tree.get("provenance") or {}
        config = VocosConfig.from_dict(generator["vocos"])
        source: Any = config.features
        if generator.get("source") is not None:
            source = read_part(generator["source"], FEATURES, "source")
    except (ConfigError, *MALFORMED) as error:
        raise ConventionError(f"{file} can't be read as an exported vocoder: {error}") from error
    if not isinstance(source, MelConvention):
        raise ConventionError(f"{file}: an exported vocoder takes mels, not EnCodec codes")
    weights = file.parent / WEIGHTS_FILE
    return ExportedVocoder(
        source=source,
        config=config,
        load_weights=lambda: {key.removeprefix(PREFIX): value for key, value in read_weights(weights).items()},
        provenance=provenance if isinstance(provenance, Mapping) else {},
    )


class _Loader(BoundedLoader):
    """Plain YAML: the generator's arguments are values, and every other object that the file names is None."""

    def arguments(self, node: yaml.Node) -> dict[Any, Any]:
        return self.construct_mapping(node, deep=True)  # type: ignore[arg-type]

    def nothing(self, _: yaml.Node) -> None:
        return None


_Loader.add_constructor(f"!new:{GENERATOR}", _Loader.arguments)
_Loader.add_constructor(None, _Loader.nothing)
