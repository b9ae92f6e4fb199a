"""What a hook returned, checked: a list of things that have a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..mel.convention import MelConvention
from ..storage.cards import CheckpointCard

if TYPE_CHECKING:
    from .adapter import ToolkitAdapter

T = TypeVar("T", MelConvention, CheckpointCard)
ADAPTER_PARTS = ("name", "toolkit_module", "distribution", "features", "wrap", "read_convention")


def read_conventions(result: Any) -> list[MelConvention]:
    """Of ``vocos_mel_conventions``."""
    return _named(result, MelConvention)


def read_cards(result: Any) -> list[CheckpointCard]:
    """Of ``vocos_checkpoints``."""
    return _named(result, CheckpointCard)


def read_adapter(result: Any) -> list[ToolkitAdapter]:
    """Of ``vocos_toolkit_adapter``: one adapter."""
    if missing := [part for part in ADAPTER_PARTS if not hasattr(result, part)]:
        raise TypeError(f"expected a ToolkitAdapter, got {result!r}, which lacks {', '.join(missing)}")
    return [result]


READERS: dict[str, Callable[[Any], list[Any]]] = {
    "vocos_mel_conventions": read_conventions,
    "vocos_checkpoints": read_cards,
    "vocos_toolkit_adapter": read_adapter,
}


def _named(result: Any, kind: type[T]) -> list[T]:
    items = list(result)
    for item in items:
        if not isinstance(item, kind):
            raise TypeError(f"expected {kind.__name__} values, got {item!r}")
        if not item.name:
            raise ValueError(f"expected a name, got {item!r}")
    return items
