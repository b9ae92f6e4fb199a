"""Whether weights are still those that an engine copied, however they were written since.

Autograd counts the writes of most operators, but not those of fused optimizers, of ``.data``, of NumPy views and of
other processes. So the values themselves are compared. All of them at every decode would take 4 to 15 % of the decode
of one second, by the processor's load. Samples at every decode, and all at some of them, stay below 3 %.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..network.network import Network

# Complete looks take 1.5 % of the time: each uses up a credit, which comes back after this many times its duration.
REST = 66
# Looks that can be saved up. Whoever changes a value, decodes and listens has the credit; a busy server hasn't.
CREDITS = 8.0
# Tensors up to this size are read at every look, larger ones at this many places.
SMALL = 1 << 14
SAMPLES = 32

# By the size of an element: NumPy has no bfloat16.
WORDS: dict[int, tuple[torch.dtype, type[Any]]] = {
    1: (torch.uint8, np.uint8),
    2: (torch.int16, np.uint16),
    4: (torch.int32, np.uint32),
    8: (torch.int64, np.uint64),
}


class Layout(NamedTuple):
    """A network without the values of its weights. It differs once a part of it was exchanged.

    Attributes:
        tensors: parameters and buffers of backbone and head.
        state: their addresses, shapes and write counts, each module's class and hooks, and the head's options.
    """

    tensors: list[Tensor]
    state: tuple[Any, ...]


class Snapshot:
    """The weights at one moment. It reads the memory of these tensors, and keeps it.

    Args:
        layout: of the network whose weights they are.
    """

    def __init__(self, layout: Layout) -> None:
        self.state = layout.state
        memories = [_words(tensor) for tensor in layout.tensors]
        self._large = [words for words in memories if len(words) > SMALL]
        # An odd step: not always the same columns.
        self._few = [words if len(words) <= SMALL else words[:: len(words) // SAMPLES | 1] for words in memories]
        self._seen = self._look()
        start = time.perf_counter()
        self._sums = self._look_at_all()
        self._at = time.perf_counter()
        self._cost, self._credit = max(self._at - start, 1e-9), CREDITS  # a clock may be coarse

    def holds(self, layout: Layout, *, completely: bool = False) -> bool:
        """Whether the weights are the same.

        While decodes follow each other without a pause, a write that autograd does not count, to a small part of a
        large matrix, can be missed for a tenth of a second or two.

        Args:
            layout: of the network now.
            completely: look at all weights, whatever credit there is.
        """
        if layout.state != self.state or self._look() != self._seen:
            return False
        return not (completely or self._has_credit()) or self._look_at_all() == self._sums

    def _has_credit(self) -> bool:
        # Any number of threads may ask: at worst two of them use one credit.
        now = time.perf_counter()
        self._credit = min(CREDITS, self._credit + (now - self._at) / (REST * self._cost))
        self._at = now
        if self._credit < 1:
            return False
        self._credit -= 1
        return True

    def _look(self) -> list[bytes]:
        # Copies, which are compared as fast as memory is read; checksums take five times as long.
        return [words.tobytes() for words in self._few]

    def _look_at_all(self) -> list[int]:
        return [int(np.add.reduce(words)) for words in self._large]


def layout_of(network: Network) -> Layout:
    """Describes a network as it is now. It runs at every decode."""
    tensors: list[Tensor] = []
    state: list[Any] = [network.config.head]
    pending: list[nn.Module | None] = [network.backbone, network.head]
    # Not by `module.parameters()`, which takes three times as long, for the names that it makes.
    for module in pending:  # grows during the loop
        if module is None:
            continue
        state += (type(module), is_patched(module))
        for group in (module._parameters, module._buffers):
            tensors += [tensor for tensor in group.values() if tensor is not None]
        pending += module._modules.values()
    for tensor in tensors:
        # A tensor made in inference mode counts no writes.
        version = 0 if tensor.is_inference() else tensor._version
        state += (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, version)
    return Layout(tensors, tuple(state))


def is_patched(module: nn.Module) -> bool:
    """Whether a module has hooks, or a ``forward`` of its own: it may compute anything."""
    return bool(module._forward_hooks or module._forward_pre_hooks or "forward" in module.__dict__)


def is_ordinary(tensor: Tensor) -> bool:
    """Whether a tensor is its own memory on the CPU: not a subclass that computes its values, nor sparse."""
    return type(tensor) in (Tensor, nn.Parameter) and tensor.is_cpu and tensor.layout == torch.strided


def _words(tensor: Tensor) -> NDArray[Any]:
    """The memory of a tensor as unsigned integers, in the order in which it lies there."""
    span = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True)) + 1
    memory = tensor.detach().as_strided((span if tensor.numel() else 0,), (1,))
    integer, word = WORDS[tensor.element_size()]
    words: NDArray[Any] = memory.view(integer).numpy().view(word)
    # In words of 8 bytes, a sum takes half as many steps.
    return words.view(np.uint64) if word == np.uint32 and len(words) > SMALL and len(words) % 2 == 0 else words
