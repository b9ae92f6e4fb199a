"""Hyperparameter files that hold only their differences from another file, which ``base`` names."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import ruamel.yaml
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.data_utils import recursive_update


def find_base(file: str | Path, overrides: str = "") -> tuple[Path, dict[str, Any]]:
    """Returns the complete file at the end of a chain of ``base`` entries, and all changes to it.

    Args:
        file: HyperPyYAML, complete or with ``base: FILE``, relative to its own folder.
        overrides: from the command line, as returned by ``speechbrain.parse_arguments``.
    """
    reader = ruamel.yaml.YAML()
    path, changes = Path(file), reader.load(overrides) or {}
    while True:
        content = reader.load(path)
        if "base" not in content:
            return path, changes
        path = path.parent / content.pop("base")
        # The command line wins over the first file, and each file over its base.
        recursive_update(content, changes)
        changes = content


def load_hyperparameters(file: str | Path, overrides: str = "") -> dict[str, Any]:
    """Loads a file, with or without ``base``, by ``load_hyperpyyaml``.

    Raises:
        KeyError: a changed value's name is not in the base file.
    """
    path, changes = find_base(file, overrides)
    with path.open(encoding="utf-8") as stream:
        loaded: dict[str, Any] = load_hyperpyyaml(stream, copy.deepcopy(changes), overrides_must_match=True)
    return loaded
