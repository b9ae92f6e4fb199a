"""Makes Coqui TTS find the vocoder that a configuration names with ``model: vocos``.

Coqui TTS imports a module of its own package by the model's name. There is none for Vocos; this finder supplies it,
after all other finders: no other name is affected, and if Coqui TTS ever gets such a module, its own wins.

Standard library only, and cheap: every import of this package imports it.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

VOCODER = "vocos_coqui.vocoder"
# The module that Coqui TTS imports: the class that it looks up there, and this package's (TTS/config/__init__.py,
# register_config; TTS/vocoder/models/__init__.py, setup_model).
PLACES = {
    "TTS.vocoder.configs.vocos_config": ("VocosConfig", "VocosVocoderConfig"),
    "TTS.vocoder.models.vocos": ("Vocos", "VocosVocoder"),
}


class VocosLoader:
    """Loader that fills a module of `PLACES` with its one class; only then is Coqui TTS imported."""

    @staticmethod
    def create_module(_: ModuleSpec) -> ModuleType | None:
        """Returns None, for an ordinary module."""
        return None

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Fills the module; raises ImportError only, as Coqui TTS takes a ModuleNotFoundError for an unknown model."""
        alias, name = PLACES[module.__name__]
        try:
            vocoder = importlib.import_module(VOCODER)
        except ModuleNotFoundError as error:
            raise ImportError(f"Vocos for Coqui TTS can't be imported: {error}") from error
        setattr(module, alias, getattr(vocoder, name))


class VocosFinder:
    """Finder for the modules of `PLACES` and no others."""

    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec | None:
        """Returns the spec of a module of `PLACES`, or None, as ``importlib.abc.MetaPathFinder.find_spec`` does."""
        # The loader has the methods but not the base class: importing importlib.abc takes longer than all of this.
        return ModuleSpec(name, VocosLoader(), origin=VOCODER) if name in PLACES else None  # type: ignore[arg-type]


def install() -> None:
    """Adds the finder behind all others, once."""
    if VocosFinder not in sys.meta_path:
        sys.meta_path.append(VocosFinder)
