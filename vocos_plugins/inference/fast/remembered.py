"""Remembers on disk which precision was fastest, for processes to come: of one machine they then choose alike.

The file is ``precisions.json`` in ``VOCOS_PLUGINS_CACHE``, or else in ``vocos-plugins`` of the user's cache. One that
can't be read or written is ignored, and `find_fault` says why.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ...storage.atomic import write_text
from ..processor import processor_name, read_cpu_info

FOLDER_VARIABLE = "VOCOS_PLUGINS_CACHE"
FILE = "precisions.json"
MAX_BYTES = 100_000
# What limits the instructions that oneDNN and torch use.
LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")


def cache_file() -> Path:
    """Returns the file's path, whether it exists or not."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        folder = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "vocos-plugins")
    return Path(os.path.expanduser(folder)) / FILE


def machine_key(*sizes: object) -> str:
    """Returns a key of this processor, what limits it, this torch and its threads, and of ``sizes``."""
    limits = [os.environ.get(name, "") for name in LIMITS]
    return "|".join(map(str, [_processor(), torch.__version__, torch.get_num_threads(), *limits, *sizes]))


def recall(key: str) -> dict[str, Any] | None:
    """Returns what was remembered under a key; None if there is nothing, or nothing that can be read."""
    try:
        entry = _read().get(key)
    except (OSError, ValueError):
        return None
    return entry if isinstance(entry, dict) else None


def remember(key: str, entry: Mapping[str, Any]) -> None:
    """Writes an entry beside those that are there; a file that is damaged is replaced."""
    try:
        entries = _read()
    except (OSError, ValueError):
        entries = {}
    with suppress(OSError):
        write_text(cache_file(), json.dumps({**entries, key: dict(entry)}, indent=1) + "\n")


def find_fault() -> str:
    """Returns why the file can't be read or written; an empty text if it can, or will be."""
    path = cache_file()
    try:
        _read()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return f"{path} is ignored: {why}"
    folder = next(parent for parent in path.parents if parent.exists())
    return "" if os.access(path if path.exists() else folder, os.W_OK) else f"{path} can't be written"


def _read() -> dict[str, Any]:
    path = cache_file()
    if not path.exists():
        return {}
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES} bytes")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError("it is damaged") from error
    if not isinstance(entries, dict):
        raise ValueError("it is damaged: expected a JSON object")
    return entries


def _processor() -> str:
    """Returns the processor's name and its instructions, which a virtual machine may have fewer of."""
    flags = read_cpu_info().get("flags", "").split()
    return " ".join([processor_name(), *sorted(flag for flag in flags if flag.startswith(("avx", "amx")))])
