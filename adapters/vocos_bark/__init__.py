"""Vocos in place of EnCodec's decoder in Bark. Importing this package imports no toolkit, nor torch.

Attributes:
    using, attach, detach: put a Vocos into a loaded Bark and take it out (`attachment`).
    VocosBarkModel: a transformers ``BarkModel`` that decodes a batch in one call (`vocoder`).
"""

import importlib

TYPE_CHECKING = False  # type checkers take it for True; importing `typing` costs time
if TYPE_CHECKING:
    from .attachment import attach, detach, using
    from .vocoder import VocosBarkModel

__all__ = ["VocosBarkModel", "attach", "detach", "using"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(".vocoder" if name == "VocosBarkModel" else ".attachment", __name__)
    return getattr(module, name)
