"""Finds and parses Coqui TTS's configuration files, without Coqui TTS."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from vocos_plugins.mel import ConventionError
from vocos_plugins.storage.bounded_yaml import RefusedYAML, load_yaml
from vocos_plugins.storage.limits import MAX_CONFIG_BYTES
from vocos_plugins.storage.reading import read_limited

MAX_MESSAGE = 300  # characters
NAMES = ("config.json", "config.yml", "config.yaml")
# As read_json_with_comments of TTS/config/__init__.py; also from /* to */, which it means to remove but doesn't. What
# never ends is taken to the end of the file, so that nothing is searched twice.
JSON_COMMENTS = re.compile(r'("[^"\\]*(?:\\[\s\S][^"\\]*)*(?:"|\\?\Z))|/\*[\s\S]*?(?:\*/|(\Z))|//.*')


def find_config(path: Path) -> Path | None:
    """Returns ``path`` if it is a file, or the configuration file in this folder."""
    return next((file for file in (path, *(path / name for name in NAMES)) if file.is_file()), None)


def parse_config(file: Path) -> dict[str, Any] | None:
    """Reads the mapping in a .json (comments are allowed), .yml or .yaml file; None if there is none.

    Raises:
        ConventionError: aliases expand a ``config.yml`` or ``config.yaml`` too far, or it has a key twice.
    """
    try:
        text = read_limited(file, MAX_CONFIG_BYTES).decode()
        if file.suffix == ".json":
            config = json.loads(JSON_COMMENTS.sub(_without_comment, text))
        else:
            config = load_yaml(text) if file.suffix in (".yml", ".yaml") else None
    except RefusedYAML as error:
        if file.name not in NAMES:
            return None
        raise ConventionError(f"{file} can't be read: {' '.join(str(error).split())[:MAX_MESSAGE]}") from error
    except (ValueError, yaml.YAMLError, RecursionError):
        return None
    return config if isinstance(config, dict) else None


def _without_comment(match: re.Match[str]) -> str:
    # A comment that never ends is left there, and is no JSON.
    return match[1] or ("" if match[2] is None else match[0])
