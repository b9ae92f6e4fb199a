"""Vocos as a vocoder in Coqui TTS. Importing this package registers ``model: vocos`` there, and imports no toolkit.

Attributes:
    attach, detach: put a vocoder into a loaded text-to-speech model and take it out (`attachment`).
"""

import importlib
from typing import TYPE_CHECKING

from .finder import install

if TYPE_CHECKING:
    from .attachment import attach, detach

__all__ = ["attach", "detach"]

install()


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # On first use, as `attachment` imports torch and Coqui TTS.
    return getattr(importlib.import_module(".attachment", __name__), name)
