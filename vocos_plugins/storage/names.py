"""Which names from configurations, lists and archives are safe to use as paths below a folder of ours."""

from __future__ import annotations

# The limit of most file systems, in bytes.
MAX_BYTES = 255


def is_safe_name(name: str) -> bool:
    """Whether a text names a single file or folder inside the folder that it is joined to, on any system."""
    if name in ("", ".", "..") or any(character in "/\\:" or not character.isprintable() for character in name):
        return False
    return len(name.encode(errors="surrogateescape")) <= MAX_BYTES
