"""Work as another process builds it, from what can be sent there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..mel import MelConvention
    from .work import Work


def portable(model: str) -> str:
    """A model's name, or its directory wherever a process is started."""
    return os.path.abspath(model) if Path(model).exists() else model


def resynthesis(model: str, device: str) -> Work:
    """`Resynthesis` by a model on a device."""
    from ..model import Vocos
    from .work import Resynthesis

    return Resynthesis(Vocos.from_pretrained(model).to(device))


def decoding(model: str, source: MelConvention | None, strict: bool, device: str) -> Work:
    """`Decoding` by a model on a device."""
    from ..model import Vocos
    from .work import Decoding

    return Decoding(Vocos.from_pretrained(model).to(device), source, strict)
