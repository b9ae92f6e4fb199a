"""The backbones of ``vocos.models``: this package's, with the reference's constructors and attributes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vocos_plugins import config
from vocos_plugins.network import backbone
from vocos_plugins.network.backbone import NORM_EPS

from .blocks import ConvNeXtBlock, NormedConv1d, ResBlock1, make_norm


class Backbone(nn.Module):
    """Base class of backbones: features ``(B, C, T)`` to hidden states ``(B, T, dim)``."""

    def forward(self, x: Tensor, **kwargs: Any) -> Tensor:
        raise NotImplementedError("Subclasses must implement the forward method.")


class VocosBackbone(backbone.ConvNeXtBackbone, Backbone):
    """The paper's backbone of ConvNeXt blocks.

    Args:
        input_channels: of the features.
        dim, intermediate_dim: channels between the blocks, and inside them.
        num_layers: blocks.
        layer_scale_init_value: initial factor of each block; ``1 / num_layers`` if None or 0.
        adanorm_num_embeddings: bandwidths that it is conditioned on; None for none.
    """

    def __init__(
        self,
        input_channels: int,
        dim: int,
        intermediate_dim: int,
        num_layers: int,
        layer_scale_init_value: float | None = None,
        adanorm_num_embeddings: int | None = None,
    ) -> None:
        nn.Module.__init__(self)
        scale = layer_scale_init_value or 1 / num_layers
        self.input_channels = input_channels
        self.options = config.ConvNeXt(
            dim=dim,
            intermediate_dim=intermediate_dim,
            num_layers=num_layers,
            layer_scale_init_value=scale,
            adanorm_num_embeddings=adanorm_num_embeddings or None,
        )
        # In the reference's order: one seed then gives both packages the same initial weights.
        self.embed = nn.Conv1d(input_channels, dim, kernel_size=7, padding=3)
        self.adanorm = adanorm_num_embeddings is not None
        self.norm = make_norm(dim, adanorm_num_embeddings)
        self.convnext = nn.ModuleList(
            ConvNeXtBlock(dim, intermediate_dim, scale, adanorm_num_embeddings) for _ in range(num_layers)
        )
        self.final_layer_norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.apply(self._init_weights)

    @staticmethod
    def _init_weights(module: nn.Module) -> None:
        backbone._init_weights(module)

    def forward(
        self, x: Tensor, bandwidth_id: Tensor | int | None = None, mask: Tensor | None = None, **_: Any
    ) -> Tensor:
        """Computes hidden states ``(B, T, dim)``; a conditioned backbone needs an id, for all rows or for each."""
        if self.options.adanorm_num_embeddings is None:
            return super().forward(x, None, mask)
        if bandwidth_id is None:
            raise ValueError(
                f"this backbone needs a bandwidth_id of 0 to {self.options.adanorm_num_embeddings - 1}, as a tensor "
                "(1,) or (B, 1), got None"
            )
        ids = torch.as_tensor(bandwidth_id, device=x.device)
        return super().forward(x, ids.reshape(-1, 1) if ids.dim() < 2 else ids, mask)


class VocosResNetBackbone(backbone.ResNetBackbone, Backbone):
    """The paper's ablation: residual blocks of HiFi-GAN without upsampling.

    Args:
        input_channels: of the features.
        dim: channels between the blocks.
        num_blocks: blocks.
        layer_scale_init_value: initial factor of each branch; ``1 / num_blocks / 3`` if None or 0.
    """

    def __init__(
        self, input_channels: int, dim: int, num_blocks: int, layer_scale_init_value: float | None = None
    ) -> None:
        nn.Module.__init__(self)
        scale = layer_scale_init_value or 1 / num_blocks / 3
        self.input_channels = input_channels
        self.options = config.ResNet(dim=dim, num_blocks=num_blocks, layer_scale_init_value=scale)
        self.embed = NormedConv1d(input_channels, dim, 3, padding=1)
        blocks: Any = nn.Sequential(*(ResBlock1(dim, layer_scale_init_value=scale) for _ in range(num_blocks)))
        self.resnet = blocks  # callable, which the base class's list is not

    def forward(self, x: Tensor, bandwidth_id: object = None, mask: Tensor | None = None, **_: Any) -> Tensor:
        """Computes hidden states ``(B, T, dim)``; as in the reference, a bandwidth has no effect."""
        return super().forward(x, None, mask)
