"""``vocos enable coqui`` and ``disable``: register ``model: vocos`` in every process of this environment, or undo it.

This takes a ``.pth`` file of one line (`vocos_plugins.plugins.activation`), behind all other finders.
"""

from __future__ import annotations

from vocos_plugins.plugins.activation import (
    ActivationError,
    Change,
    finder_line,
    remove_line,
    site_packages,
    write_line,
)

from .finder import PLACES

__all__ = ["FILE", "LINE", "ActivationError", "Change", "disable", "enable", "site_packages"]

FILE = "vocos_coqui.pth"
LINE = finder_line(
    plugin="coqui", finder="vocos_coqui.finder", name="VocosFinder", other=f"name not in {tuple(PLACES)!r}"
)
INSTEAD = "start Coqui TTS with vocos-tts or after `import vocos_coqui`, which need no such file"


def enable() -> Change:
    """Writes the ``.pth`` file, unless it is there already; raises `ActivationError` if it can't."""
    return write_line(site_packages() / FILE, LINE, INSTEAD)


def disable() -> Change:
    """Removes the ``.pth`` file, if it is there; raises `ActivationError` if it can't."""
    return remove_line(site_packages() / FILE, INSTEAD)
