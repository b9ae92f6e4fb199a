"""A model of the core as programs know the package ``vocos``: what `adapt` returns."""

from __future__ import annotations

from vocos_plugins.mel import MelConvention, MelMismatch, align
from vocos_plugins.network.network import Network

from .pretrained import Vocos


def wrap(vocos: Network, *, source: MelConvention | None = None, strict: bool = False) -> Vocos:
    """Returns a ``vocos.Vocos`` of a network's own modules.

    It decodes the mel that the model takes, as programs compute it with the model's feature extractor or for it.

    Args:
        vocos: the model.
        source: the mel convention of the input; None for the model's own.
        strict: refuse a mel that isn't the model's own; nothing else is decoded in any case.

    Raises:
        MelMismatch: ``source`` isn't the model's own mel.
    """
    if (
        source is not None
        and align(source, vocos.mel, strict=strict, upsample=vocos.config.upsample).kind != "identity"
    ):
        raise MelMismatch(
            f"the package vocos decodes a model's own mel, and {source.name or 'this one'} differs from it: "
            "use vocos_plugins.Vocos.decode(..., source=...), which aligns it"
        )
    return Vocos.of_network(vocos)
