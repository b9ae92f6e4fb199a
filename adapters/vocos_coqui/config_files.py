"""Finds and parses Coqui TTS's configuration files, without Coqui TTS."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

NAMES = ("config.json", "config.yml", "config.yaml")
# As read_json_with_comments of TTS/config/__init__.py; also from /* to */, which it means to remove but doesn't.
JSON_COMMENTS = re.compile(r'("(?:[^"\\]|\\.)*")|/\*[\s\S]*?\*/|//.*')


def find_config(path: Path) -> Path | None:
    """Returns ``path`` if it is a file, or the configuration file in this folder."""
    return next((file for file in (path, *(path / name for name in NAMES)) if file.is_file()), None)


def parse_config(file: Path) -> dict[str, Any] | None:
    """Reads the mapping in a .json (comments are allowed), .yml or .yaml file; None if there is none."""
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            config = json.loads(JSON_COMMENTS.sub(lambda match: match[1] or "", text))
        else:
            config = yaml.safe_load(text) if file.suffix in (".yml", ".yaml") else None
    except (ValueError, yaml.YAMLError):
        return None
    return config if isinstance(config, dict) else None
