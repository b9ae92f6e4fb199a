"""Which names from configurations, lists and archives are safe to use as paths below a folder of ours."""

from __future__ import annotations

import os
from pathlib import Path

# The limit of most file systems, in bytes.
MAX_BYTES = 255


def is_safe_name(name: str) -> bool:
    """Whether a text names a single file or folder inside the folder that it is joined to, on any system."""
    if name in ("", ".", "..") or any(character in "/\\:" or not character.isprintable() for character in name):
        return False
    return len(name.encode(errors="surrogateescape")) <= MAX_BYTES


def is_safe_path(name: str) -> bool:
    """Whether a text with any number of folders names a file below the folder that it is joined to.

    Unlike a single name, it may be that of a user's own file, with any characters that this system allows in one.
    """
    path = Path(name)
    if not name or "\0" in name or path.anchor or path.drive or ".." in path.parts or not path.parts:
        return False
    try:
        return all(len(os.fsencode(part)) <= MAX_BYTES for part in path.parts)
    except UnicodeEncodeError:  # surrogates that stand for no byte
        return False
