"""The hooks that a plugin can implement, and the check of what each returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pluggy

from ..mel.convention import MelConvention
from ..storage.cards import CheckpointCard

if TYPE_CHECKING:
    from .adapter import ToolkitAdapter

GROUP = "vocos_plugins"  # of the entry points

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)

T = TypeVar("T", MelConvention, CheckpointCard)
ADAPTER_PARTS = (
    "name",
    "toolkit_module",
    "distribution",
    "features",
    "wrap",
    "read_convention",
    "export",
    "set_enabled",
)


class Hooks(Protocol):
    """A plugin implements those that it needs, as functions of a module, without ``self`` and marked by `hookimpl`.

    All of them return data. None may import a toolkit: they are called to list what is available.
    """

    @hookspec
    def vocos_mel_conventions(self) -> Iterable[MelConvention]:
        """Mel conventions that the plugin's toolkit, or its models, use; each with a name of its own."""

    @hookspec
    def vocos_checkpoints(self) -> Iterable[CheckpointCard]:
        """Published checkpoints, which `Vocos.from_pretrained` loads by name and verifies."""

    @hookspec
    def vocos_toolkit_adapter(self) -> ToolkitAdapter:
        """The adapter for one toolkit, which `adapt` uses."""


def read_conventions(result: Any) -> list[MelConvention]:
    """Returns the mel conventions that ``vocos_mel_conventions`` returned.

    Raises:
        TypeError: an item is not a `MelConvention`.
        ValueError: one has no name.
    """
    return _named(result, MelConvention)


def read_cards(result: Any) -> list[CheckpointCard]:
    """Returns the cards that ``vocos_checkpoints`` returned.

    Raises:
        TypeError: an item is not a `CheckpointCard`.
        ValueError: one has no name.
    """
    return _named(result, CheckpointCard)


def read_adapter(result: Any) -> list[ToolkitAdapter]:
    """Returns the adapter that ``vocos_toolkit_adapter`` returned, as a list of one.

    Raises:
        TypeError: it lacks a property or a method of `ToolkitAdapter`.
    """
    # Checked here, so that a command such as `vocos export` doesn't stop at a missing method halfway.
    if missing := [part for part in ADAPTER_PARTS if not hasattr(result, part)]:
        raise TypeError(f"expected a ToolkitAdapter, got {result!r}, which lacks {', '.join(missing)}")
    # A list, as the other readers return: `Registry.offers` joins them.
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
