"""Vocos in the place of EnCodec's decoder in Bark. Importing this package imports no toolkit, and not torch either.

Attributes:
    using, attach, detach: a Vocos for a Bark that is there already (`attachment`).
    VocosBarkModel: transformers' ``BarkModel`` that decodes a batch in one call (`vocoder`).
"""

import importlib

TYPE_CHECKING = False  # typing would have to be imported
if TYPE_CHECKING:
    from .attachment import attach, detach, using
    from .vocoder import VocosBarkModel

__all__ = ["VocosBarkModel", "attach", "detach", "using"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(".vocoder" if name == "VocosBarkModel" else ".attachment", __name__)
    return getattr(module, name)
