"""Models of every kind of part, and how a mel is streamed through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from vocos_plugins.streaming import Stream


@pytest.fixture(scope="session")
def stream_in() -> Callable[[Stream, Tensor, Iterable[int]], list[Tensor]]:
    """What a stream gives for chunks of these lengths, for the chunk that is left, and for the flush."""

    def decode(stream: Stream, features: Tensor, lengths: Iterable[int]) -> list[Tensor]:
        pieces, position = [], 0
        for length in lengths:
            pieces.append(stream(features[:, :, position : position + length]))
            position += length
        return [*pieces, stream(features[:, :, position:]), stream.flush()]

    return decode


@pytest.fixture(scope="session")
def count_frames() -> Callable[[torch.nn.Module], list[int]]:
    """A list that grows by the frames that each call of a linear layer of the module computes."""

    def watch(module: torch.nn.Module) -> list[int]:
        counts: list[int] = []
        module.register_forward_hook(lambda _, given, __: counts.append(given[0].shape[1]))
        return counts

    return watch
