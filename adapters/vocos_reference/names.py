"""The answer of the shim's modules to a name that they don't have."""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable
from types import FrameType

from .finder import missing

IMPORT_FROM = dis.opmap["IMPORT_FROM"]


def refuse_names(module: str) -> Callable[[str], object]:
    """Returns the ``__getattr__`` of a module: it names what is missing, and how to get the original package back.

    ``from vocos.heads import Name`` raises ImportError. ``vocos.heads.Name`` raises AttributeError with the same
    message: pickle and ``hasattr`` look for names in every module, and let no other error pass.
    """

    def refuse(name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        message = missing(f"{module}.{name}")
        # An AttributeError would reach the program as Python's own "cannot import name", without the advice.
        if _imports(sys._getframe(1)):
            raise ImportError(message, name=name, path=module)
        raise AttributeError(message)

    return refuse


def _imports(frame: FrameType) -> bool:
    """Whether a frame is at a ``from ... import ...``."""
    return frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == IMPORT_FROM
