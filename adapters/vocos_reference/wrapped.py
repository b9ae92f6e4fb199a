"""A model of the core as programs know the package ``vocos``: what `adapt` returns."""

from __future__ import annotations

from vocos_plugins.mel import MelConvention, MelMismatch
from vocos_plugins.network.network import Network

from .pretrained import Vocos


def wrap(
    vocos: Network,
    *,
    source: MelConvention | None = None,
    strict: bool = False,  # noqa: ARG001 - every adapter's wrap has it
) -> Vocos:
    """Returns a ``vocos.Vocos`` of a network's own modules: it decodes the mel, or the codes, that the network takes.

    Args:
        vocos: the model.
        source: the mel convention of the input; None for the model's own.
        strict: without effect, as no mel is converted.

    Raises:
        MelMismatch: ``source`` isn't the model's own mel.
    """
    if source is not None and source != vocos.mel:
        raise MelMismatch(
            f"the package vocos decodes a model's own mel, and {source.name or 'this one'} differs from it: "
            "use vocos_plugins.Vocos.decode(..., source=...), which aligns it"
        )
    return Vocos.of_network(vocos)
