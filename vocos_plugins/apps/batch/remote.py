"""Tasks that another process builds, from arguments that can be sent there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...mel import MelConvention
    from .work import Task


def absolute_if_local(model: str) -> str:
    """Returns a model's name as it is, and a path as an absolute one, which is valid in any working directory."""
    return os.path.abspath(model) if Path(model).exists() else model


def resynthesis(model: str, device: str) -> Task:
    """Returns `Resynthesis` with a model on a device."""
    from ...model import Vocos
    from .work import Resynthesis

    return Resynthesis(Vocos.from_pretrained(model).to(device))


def decoding(model: str, source: MelConvention | None, strict: bool, device: str) -> Task:
    """Returns `Decoding` with a model on a device."""
    from ...model import Vocos
    from .work import Decoding

    return Decoding(Vocos.from_pretrained(model).to(device), source, strict)
