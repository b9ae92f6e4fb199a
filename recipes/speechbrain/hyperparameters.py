"""Hyperparameter files that are short differences over another: its name is in ``base``."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import ruamel.yaml
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.data_utils import recursive_update


def find_base(file: str | Path, overrides: str = "") -> tuple[Path, dict[str, Any]]:
    """The whole file that a difference goes back to, and all that is changed in it.

    Args:
        file: HyperPyYAML, whole or with ``base: FILE``, relative to its own folder.
        overrides: of the command line, as ``speechbrain.parse_arguments`` gives them.
    """
    reader = ruamel.yaml.YAML()
    path, changes = Path(file), reader.load(overrides) or {}
    while True:
        content = reader.load(path)
        if "base" not in content:
            return path, changes
        path = path.parent / content.pop("base")
        recursive_update(content, changes)
        changes = content


def load_hyperparameters(file: str | Path, overrides: str = "") -> dict[str, Any]:
    """What ``load_hyperpyyaml`` gives for a file, whole or a difference.

    Raises:
        KeyError: a changed value's name isn't one of the base file's.
    """
    path, changes = find_base(file, overrides)
    with path.open(encoding="utf-8") as stream:
        loaded: dict[str, Any] = load_hyperpyyaml(stream, copy.deepcopy(changes), overrides_must_match=True)
    return loaded
