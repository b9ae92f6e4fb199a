"""The ranges that a model's hidden states keep to, seen on speech: steps of 8 bits are fitted to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..backbone import ConvNeXtBackbone
from ..export.speech import speech_features
from ..model import Vocos

N_STEPS = 255


@dataclass(frozen=True, kw_only=True)
class BlockRange:
    """What a ConvNeXt block's linear layers were given.

    Attributes:
        low, high: least and greatest of each channel of the first one's input, ``(C,)``.
        hidden: scale and zero point for the second one's input.
    """

    low: Tensor
    high: Tensor
    hidden: tuple[float, int]

    @property
    def channels(self) -> Tensor:
        """Greatest magnitude of each channel of the input, ``(C,)``."""
        return torch.maximum(self.low.abs(), self.high.abs()).clamp_min(1e-4)

    def steps_of_input(self, balance: Tensor) -> tuple[float, int]:
        """Scale and zero point of the input when each channel is divided by ``balance``, ``(C,)``."""
        return _steps(float((self.low / balance).min()), float((self.high / balance).max()))


def observe(vocos: Vocos) -> list[BlockRange]:
    """The ranges of each block on the speech that comes with the package, or on random codes."""
    backbone = vocos.backbone
    assert isinstance(backbone, ConvNeXtBackbone)  # noqa: S101
    seen = [_Extremes(block) for block in backbone.convnext]
    try:
        with torch.no_grad():
            for features, bandwidth in speech_features(vocos):
                backbone(features, bandwidth)
    finally:
        for extremes in seen:
            extremes.forget()
    return [extremes.found() for extremes in seen]


class _Extremes:
    """Watches the inputs of a block's two linear layers."""

    def __init__(self, block: Any) -> None:
        self.inputs: list[tuple[Tensor, Tensor]] = []
        self.hidden: list[tuple[Tensor, Tensor]] = []
        self.handles = [
            block.pwconv1.register_forward_pre_hook(self._keep(self.inputs)),
            block.pwconv2.register_forward_pre_hook(self._keep(self.hidden)),
        ]

    def forget(self) -> None:
        for handle in self.handles:
            handle.remove()

    def found(self) -> BlockRange:
        low, high = (torch.stack(part) for part in zip(*self.inputs, strict=True))
        least, greatest = (torch.stack(part) for part in zip(*self.hidden, strict=True))
        return BlockRange(
            low=low.amin(dim=0), high=high.amax(dim=0), hidden=_steps(float(least.min()), float(greatest.max()))
        )

    @staticmethod
    def _keep(found: list[tuple[Tensor, Tensor]]) -> Any:
        def hook(_module: nn.Module, arguments: tuple[Tensor]) -> None:
            rows = arguments[0].flatten(0, 1)
            found.append((rows.amin(dim=0), rows.amax(dim=0)))

        return hook


def _steps(low: float, high: float) -> tuple[float, int]:
    low, high = min(low, 0.0), max(high, low + 1e-6, 1e-6)
    scale = (high - low) / N_STEPS
    return scale, round(-low / scale)
