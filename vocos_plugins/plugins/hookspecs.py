"""The hooks: everything that a plugin can offer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:
    from ..mel.convention import MelConvention
    from ..storage.cards import CheckpointCard
    from .adapter import ToolkitAdapter

GROUP = "vocos_plugins"  # of the entry points

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Hooks(Protocol):
    """A plugin implements those that it needs, as functions of a module, without ``self`` and marked by `hookimpl`.

    All of them return data. None may import a toolkit: they are called to list what there is.
    """

    @hookspec
    def vocos_mel_conventions(self) -> Iterable[MelConvention]:
        """Mel conventions that the plugin's toolkit, or its models, use; each with a name of its own."""

    @hookspec
    def vocos_checkpoints(self) -> Iterable[CheckpointCard]:
        """Published checkpoints, for `Vocos.from_pretrained` to load by name and check."""

    @hookspec
    def vocos_toolkit_adapter(self) -> ToolkitAdapter:
        """What fits Vocos into one toolkit, for `adapt`."""
