"""Calibration for 8 bits: the ranges of hidden states on speech, and how channels share the range with weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..config import EncodecCodes
from ..mel.spectrogram import MelSpectrogram
from ..mel.speech import CLIPS, read_clip
from ..network.backbone import ConvNeXtBlock, convnext_blocks
from ..network.network import Network

N_STEPS = 255
RANDOM_FRAMES = 300  # 4 s at EnCodec's 75 frames per second
# Channels and weights that stay below it count as this large: a silent channel must not get an endless factor.
SMALLEST = 1e-4

Features = Iterable[tuple[Tensor, "Tensor | None"]]  # (1, C, T), bandwidth id (1, 1)


@dataclass(frozen=True, kw_only=True)
class BlockRange:
    """Ranges of the inputs of a ConvNeXt block's two linear layers.

    Attributes:
        low, high: least and greatest value of each channel of the first one's input, ``(C,)``.
        hidden: scale and zero point for the second one's input.
    """

    low: Tensor
    high: Tensor
    hidden: tuple[float, int]

    def smoothing(self, weight: Tensor) -> Tensor:
        """Returns the factor by which to divide each input channel, and to multiply its weights: ``(C,)``.

        SmoothQuant (arXiv 2211.10438) with a migration strength of one half: afterwards, a channel's inputs and its
        weights ``(C_out, C)`` have the same largest magnitude. Channels differ by factors of hundreds otherwise, and a
        common 8-bit scale would leave the small ones a few steps.
        """
        peaks = torch.maximum(self.low.abs(), self.high.abs()).clamp_min(SMALLEST)
        return (peaks / weight.abs().amax(dim=0).clamp_min(SMALLEST)).sqrt()

    def input_steps(self, smoothing: Tensor) -> tuple[float, int]:
        """Returns scale and zero point of the first input, once its channels are divided by ``smoothing``."""
        return _steps(float((self.low / smoothing).min()), float((self.high / smoothing).max()))


@torch.no_grad()
def measure_ranges(backbone: nn.Module, features: Features) -> list[BlockRange]:
    """Runs a backbone on features and returns the ranges of each of its ConvNeXt blocks."""
    hooks = [_RangeHooks(block) for block in convnext_blocks(backbone)]
    try:
        for item, bandwidth in features:
            backbone(item, bandwidth)
    finally:
        for each in hooks:
            each.remove()
    return [each.ranges() for each in hooks]


def speech_features(network: Network) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yields the features ``(1, C, T)`` of each shipped clip, with a bandwidth id ``(1, 1)`` or None.

    No EnCodec ships with the package: an EnCodec model gets random codes, at each of its bandwidths.
    """
    options = network.config.features
    for index in (None,) if network.config.n_bandwidths is None else range(network.config.n_bandwidths):
        bandwidth_id = None if index is None else torch.tensor([[index]])
        if isinstance(options, EncodecCodes):
            yield _random_codes(network, options, index), bandwidth_id
        else:
            front_end = MelSpectrogram(options)
            for clip in CLIPS:
                yield front_end(read_clip(clip, options.sample_rate)[None]), bandwidth_id


def _random_codes(network: Network, options: EncodecCodes, index: int | None) -> Tensor:
    n_codebooks = options.n_codebooks if index is None else options.codebook_counts[index]
    # A generator of its own: loading a model must not change what a seeded script draws afterwards.
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(options.codebook_size, (n_codebooks, RANDOM_FRAMES), generator=generator)
    return network.codes_to_features(codes.to(next(network.parameters()).device)).cpu().float()


class _RangeHooks:
    """Forward hooks that record the inputs' ranges of a block's two linear layers."""

    def __init__(self, block: ConvNeXtBlock) -> None:
        self.inputs: list[tuple[Tensor, Tensor]] = []
        self.hidden: list[tuple[Tensor, Tensor]] = []
        self.handles = [
            block.pwconv1.register_forward_pre_hook(self._record(self.inputs)),
            block.pwconv2.register_forward_pre_hook(self._record(self.hidden)),
        ]

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def ranges(self) -> BlockRange:
        low, high = (torch.stack(part) for part in zip(*self.inputs, strict=True))
        least, greatest = (torch.stack(part) for part in zip(*self.hidden, strict=True))
        return BlockRange(
            low=low.amin(dim=0), high=high.amax(dim=0), hidden=_steps(float(least.min()), float(greatest.max()))
        )

    @staticmethod
    def _record(ranges: list[tuple[Tensor, Tensor]]) -> Any:
        def hook(_module: nn.Module, arguments: tuple[Tensor]) -> None:
            rows = arguments[0].flatten(0, 1)
            ranges.append((rows.amin(dim=0), rows.amax(dim=0)))

        return hook


def _steps(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point of unsigned 8-bit steps from ``low`` to ``high``; zero is always one of the steps."""
    # Only a range that includes 0 has an unsigned zero point. The small number gives constant channels a step.
    low, high = min(low, 0.0), max(high, low + 1e-6, 1e-6)
    scale = (high - low) / N_STEPS
    return scale, round(-low / scale)
