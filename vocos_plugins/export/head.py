"""Heads for exporters, and a model in the form in which it is exported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..network.heads import ISTFTHead
from ..network.network import Engine, Network, module_engine
from ..network.real_heads import RealISTFTHead, build_real_head


class SpectrumHead(nn.Module):
    """`RealISTFTHead` up to its spectrum, bins first: three times ``(B, n_fft // 2 + 1, T)``."""

    def __init__(self, head: ISTFTHead) -> None:
        super().__init__()
        self.head = RealISTFTHead(head)

    def forward(self, hidden: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        magnitude, x, y = self.head.spectrum(hidden, features)
        return magnitude.transpose(1, 2), x.transpose(1, 2), y.transpose(1, 2)


class ModuleBackend:
    """An `EngineSource` that always runs the network's modules: what is exported, in the precision of the weights."""

    def engine(self, network: Network, device: torch.device, *, completely: bool = False) -> Engine:
        """Returns the modules as an engine, which has no copies of weights to compare."""
        return module_engine(network)


@contextmanager
def exported_form(network: Network) -> Iterator[None]:
    """Lets a network compute what an export of it computes, until the block ends.

    Its head is one that can be traced, and no backend decodes in another precision: exporters compare their file with
    the network that it was made from.
    """
    head, backend = network.head, network.backend
    network.head, network.backend = build_real_head(head), ModuleBackend()  # type: ignore[assignment]
    try:
        yield
    finally:
        network.head, network.backend = head, backend
