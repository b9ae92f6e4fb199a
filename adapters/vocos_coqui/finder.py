"""Where Coqui TTS looks for a vocoder that a configuration calls ``model: vocos``, it finds ours.

Coqui TTS imports a module of its own package by the model's name. Ours are not in there; this finder stands in for
them, after all others: nothing changes for any other name, and a module that Coqui TTS itself gets one day wins.

Standard library only, and cheap: it comes with every import of this package.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

VOCODER = "vocos_coqui.vocoder"
# The module that Coqui TTS imports: the class that it takes from there, and ours (TTS/config/__init__.py,
# register_config; TTS/vocoder/models/__init__.py, setup_model).
PLACES = {
    "TTS.vocoder.configs.vocos_config": ("VocosConfig", "VocosVocoderConfig"),
    "TTS.vocoder.models.vocos": ("Vocos", "VocosVocoder"),
}


class VocosLoader:
    """Fills a module of `PLACES` with its one class; only then is Coqui TTS imported."""

    @staticmethod
    def create_module(_: ModuleSpec) -> ModuleType | None:
        """An ordinary module."""
        return None

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Raises ImportError, never ModuleNotFoundError: Coqui TTS would take that for an unknown model."""
        name, ours = PLACES[module.__name__]
        try:
            vocoder = importlib.import_module(VOCODER)
        except ModuleNotFoundError as error:
            raise ImportError(f"Vocos for Coqui TTS can't be imported: {error}") from error
        setattr(module, name, getattr(vocoder, ours))


class VocosFinder:
    """Knows the modules of `PLACES` and no others."""

    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec | None:
        """As ``importlib.abc.MetaPathFinder.find_spec``."""
        # A loader by what it can do: to import importlib.abc takes longer than all of this.
        return ModuleSpec(name, VocosLoader(), origin=VOCODER) if name in PLACES else None  # type: ignore[arg-type]


def install() -> None:
    """Puts the finder behind all others, once."""
    if VocosFinder not in sys.meta_path:
        sys.meta_path.append(VocosFinder)
