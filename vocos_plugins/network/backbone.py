"""Backbones: features to hidden states at the same frame rate (paper, section 3.2).

A ``mask`` of a ragged batch is applied before every convolution, so that a row never sees its padding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from .. import config

NORM_EPS = 1e-6  # ConvNeXt's; torch's default, 1e-5, would change the output of published weights
# HiFi-GAN's (V1).
LEAKY_SLOPE = 0.1
RESNET_DILATIONS = (1, 3, 5)


class AdaLayerNorm(nn.Module):
    """Layer norm whose scale and shift are chosen by a bandwidth: ``(B, T, C)``, ids ``(B, 1)`` or ``(1, 1)``."""

    def __init__(self, num_embeddings: int, dim: int) -> None:
        super().__init__()
        self.scale = nn.Embedding(num_embeddings, dim)
        self.shift = nn.Embedding(num_embeddings, dim)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, bandwidth_id: Tensor) -> Tensor:
        # The norm's own scale and shift are left out, as the bandwidth's take their place.
        normed = F.layer_norm(x, (self.scale.embedding_dim,), eps=NORM_EPS)
        scale: Tensor = self.scale(bandwidth_id)
        shift: Tensor = self.shift(bandwidth_id)
        return normed * scale + shift


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, norm and two pointwise layers, scaled onto a residual: ``(B, C, T)`` -> same."""

    def __init__(self, dim: int, intermediate_dim: int, layer_scale: float, num_embeddings: int | None) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = _norm(dim, num_embeddings)
        self.pwconv1 = nn.Linear(dim, intermediate_dim)
        self.pwconv2 = nn.Linear(intermediate_dim, dim)
        self.gamma = nn.Parameter(torch.full((dim,), layer_scale)) if layer_scale > 0 else None

    def forward(self, x: Tensor, bandwidth_id: Tensor | None, mask: Tensor | None) -> Tensor:
        # Convolutions want channels before frames, norms and linear layers want them last.
        return x + self.pointwise(self.dwconv(_masked(x, mask)).transpose(1, 2), bandwidth_id).transpose(1, 2)

    def scaled_pwconv2(self) -> tuple[Tensor, Tensor]:
        """Returns weight and bias of the second linear layer with the layer scale multiplied in, detached."""
        weight, bias = self.pwconv2.weight.detach(), self.pwconv2.bias.detach()
        if self.gamma is None:
            return weight, bias
        gamma = self.gamma.detach()
        return weight * gamma[:, None], bias * gamma

    def pointwise(self, mixed: Tensor, bandwidth_id: Tensor | None) -> Tensor:
        """Computes the layers that see one frame at a time, after the convolution: ``(B, T, C)`` -> same."""
        normed = apply_norm(self.norm, mixed, bandwidth_id)
        hidden: Tensor = self.pwconv2(F.gelu(self.pwconv1(normed)))
        return hidden if self.gamma is None else self.gamma * hidden


class ConvNeXtBackbone(nn.Module):
    """Shape: ``(B, input_channels, T)`` -> ``(B, T, dim)``."""

    def __init__(self, input_channels: int, options: config.ConvNeXt) -> None:
        super().__init__()
        self.input_channels = input_channels
        self.embed = nn.Conv1d(input_channels, options.dim, kernel_size=7, padding=3)
        self.norm = _norm(options.dim, options.adanorm_num_embeddings)
        scale = options.layer_scale_init_value
        self.convnext = nn.ModuleList(
            ConvNeXtBlock(
                options.dim,
                options.intermediate_dim,
                # The reference writes `scale or 1 / num_layers`, which replaces 0 too. Here 0 leaves the scale out.
                1 / options.num_layers if scale is None else scale,
                options.adanorm_num_embeddings,
            )
            for _ in range(options.num_layers)
        )
        self.final_layer_norm = nn.LayerNorm(options.dim, eps=NORM_EPS)
        # Last, as in the reference: one seed then gives both packages the same initial weights.
        self.apply(_init_weights)

    def forward(self, x: Tensor, bandwidth_id: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        hidden = self.embed(_masked(x, mask)).transpose(1, 2)
        hidden = apply_norm(self.norm, hidden, bandwidth_id).transpose(1, 2)
        for block in self.convnext:
            hidden = block(hidden, bandwidth_id, mask)
        normed: Tensor = self.final_layer_norm(hidden.transpose(1, 2))
        return normed

    @property
    def receptive_field(self) -> int:
        """Frames on each side of a frame that reach its output."""
        # A kernel of 7 sees three frames to each side; the embedding is a convolution as well.
        return 3 * (1 + len(self.convnext))


class ResBlock(nn.Module):
    """HiFi-GAN's residual block of three dilated pairs of convolutions: ``(B, C, T)`` -> same."""

    def __init__(self, dim: int, layer_scale: float) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            weight_norm(nn.Conv1d(dim, dim, kernel_size=3, dilation=d, padding=d)) for d in RESNET_DILATIONS
        )
        self.convs2 = nn.ModuleList(
            weight_norm(nn.Conv1d(dim, dim, kernel_size=3, padding=1)) for _ in RESNET_DILATIONS
        )
        self.gamma = nn.ParameterList(torch.full((dim, 1), layer_scale) for _ in RESNET_DILATIONS)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        for conv1, conv2, gamma in zip(self.convs1, self.convs2, self.gamma, strict=True):
            hidden = conv1(_masked(F.leaky_relu(x, LEAKY_SLOPE), mask))
            hidden = conv2(_masked(F.leaky_relu(hidden, LEAKY_SLOPE), mask))
            x = gamma * hidden + x
        return x


class ResNetBackbone(nn.Module):
    """Shape: ``(B, input_channels, T)`` -> ``(B, T, dim)``."""

    def __init__(self, input_channels: int, options: config.ResNet) -> None:
        super().__init__()
        self.input_channels = input_channels
        self.embed = weight_norm(nn.Conv1d(input_channels, options.dim, kernel_size=3, padding=1))
        scale = options.layer_scale_init_value
        self.resnet = nn.ModuleList(
            # Each block adds three branches to its residual.
            ResBlock(options.dim, 1 / options.num_blocks / 3 if scale is None else scale)
            for _ in range(options.num_blocks)
        )

    def forward(self, x: Tensor, bandwidth_id: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        if bandwidth_id is not None:
            raise ValueError("the ResNet backbone is not conditioned on a bandwidth; leave bandwidth_id out")
        hidden: Tensor = self.embed(_masked(x, mask))
        for block in self.resnet:
            hidden = block(hidden, mask)
        return hidden.transpose(1, 2)

    @property
    def receptive_field(self) -> int:
        """Frames on each side of a frame that reach its output."""
        # Kernels of 3: d frames to each side for a dilated convolution, and one for the one after it.
        return 1 + len(self.resnet) * sum(d + 1 for d in RESNET_DILATIONS)


def convnext_blocks(backbone: nn.Module) -> list[ConvNeXtBlock]:
    """Returns the ConvNeXt blocks of a backbone, none for another kind."""
    return [block for block in backbone.modules() if isinstance(block, ConvNeXtBlock)]


def build_backbone(input_channels: int, options: config.Backbone) -> ConvNeXtBackbone | ResNetBackbone:
    """Builds the module of a configured backbone."""
    if isinstance(options, config.ConvNeXt):
        return ConvNeXtBackbone(input_channels, options)
    return ResNetBackbone(input_channels, options)


def apply_norm(norm: nn.Module, x: Tensor, bandwidth_id: Tensor | None) -> Tensor:
    """Applies a norm of either kind: ``(B, T, C)`` -> same."""
    normed: Tensor = norm(x, bandwidth_id) if isinstance(norm, AdaLayerNorm) else norm(x)
    return normed


def _norm(dim: int, num_embeddings: int | None) -> AdaLayerNorm | nn.LayerNorm:
    return nn.LayerNorm(dim, eps=NORM_EPS) if num_embeddings is None else AdaLayerNorm(num_embeddings, dim)


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x.masked_fill(~mask[:, None], 0.0)


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv1d, nn.Linear)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
