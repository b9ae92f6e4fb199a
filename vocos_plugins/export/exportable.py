"""A model for exporters: one function of tensors, without complex numbers."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..network.backbone import ConvNeXtBackbone, ResNetBackbone, convnext_blocks
from ..network.heads import ISTFTHead
from ..network.network import Network
from ..network.real_heads import build_real_head
from .head import SpectrumHead

OUTPUT_NAMES = {"audio": ("audio",), "spectrum": ("mag", "x", "y")}


class Exportable(nn.Module):
    """A copy of a model for `torch.export`, TorchScript and ONNX, on the CPU, in float32.

    Layer scales are part of the weights that they follow, and weight norms are computed once.

    Args:
        network: the model, which stays as it is.
        outputs: ``audio``, or ``spectrum`` for a runtime that has its own inverse STFT.
        bfloat16: compute the blocks' pointwise layers, where the work is, in bfloat16.
        postfilter: include the model's postfilter, if it has one: for mels that are predicted.

    Shape: features ``(B, C, T)``, and for a conditioned model bandwidth ids int64 ``(B,)`` -> audio ``(B, N)``, or
        magnitude, cosine and sine of the phase, each ``(B, n_fft // 2 + 1, T)``.

    Raises:
        ValueError: the head has no spectrum, or the backbone has no pointwise layers.
    """

    def __init__(
        self, network: Network, outputs: str = "audio", *, bfloat16: bool = False, postfilter: bool = True
    ) -> None:
        super().__init__()
        if outputs not in OUTPUT_NAMES:
            raise ValueError(f"outputs must be one of {', '.join(OUTPUT_NAMES)}, got {outputs!r}")
        self.outputs = outputs
        self.n_features = network.config.n_features
        self.conditioned = network.config.n_bandwidths is not None
        head = copy.deepcopy(network.head).cpu().float()
        if outputs == "spectrum":
            if not isinstance(head, ISTFTHead):
                raise ValueError(f"{type(head).__name__} does not predict an STFT; use outputs='audio'")
            self.head: nn.Module = SpectrumHead(head)
        else:
            self.head = build_real_head(head)
        self.postfilter = copy.deepcopy(network.postfilter).cpu().float() if network.postfilter and postfilter else None
        self.backbone = copy.deepcopy(network.backbone).cpu().float()
        _fold_scales(self.backbone)
        if bfloat16:
            # After the layer scales are folded: they are part of the weights that are rounded.
            _to_bfloat16(self.backbone)
        self.eval().requires_grad_(False)

    def forward(self, features: Tensor, bandwidth_id: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
        if self.postfilter is not None:
            features = self.postfilter(features)
        hidden = self.backbone(features, None if bandwidth_id is None else bandwidth_id[:, None])
        result: Tensor | tuple[Tensor, ...] = self.head(hidden, features)
        return result

    @torch.no_grad()
    def audio(self, features: Tensor, bandwidth_id: Tensor | None = None) -> Tensor:
        """Decodes with a model whose outputs are audio."""
        audio: Tensor = self(features, bandwidth_id)
        return audio

    def example(self, batch: int = 2, n_frames: int = 50) -> tuple[Tensor, ...]:
        """Returns example inputs for tracing."""
        # Not a batch of one: torch.export takes a size of 1 for a constant.
        features = torch.zeros(batch, self.n_features, n_frames)
        return (features, torch.zeros(batch, dtype=torch.int64)) if self.conditioned else (features,)


class _ToBfloat16(nn.Module):
    """A linear layer with float32 input and bfloat16 output."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.bfloat16())
        self.bias = nn.Parameter(linear.bias.bfloat16())

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.bfloat16(), self.weight, self.bias)


class _FromBfloat16(nn.Module):
    """A linear layer with bfloat16 input; its product returns to float32 before bias and residual are added."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.bfloat16())
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight).float() + self.bias


def _fold_scales(backbone: ConvNeXtBackbone | ResNetBackbone) -> None:
    """Multiplies layer scales into the weights before them, and computes weight norms."""
    for block in convnext_blocks(backbone):
        weight, bias = block.scaled_pwconv2()
        block.pwconv2.weight, block.pwconv2.bias = nn.Parameter(weight), nn.Parameter(bias)
        block.gamma = None
    # A list, as modules are replaced during the loop.
    for parent in list(backbone.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv1d) and parametrize.is_parametrized(child):
                setattr(parent, name, _plain(child))


def _plain(conv: nn.Conv1d) -> nn.Conv1d:
    """Returns a convolution with the same weights and without the weight norm.

    Removing the norm from a copy of the module would change the class, which the original shares.
    """
    (size,), (dilation,), padding = conv.kernel_size, conv.dilation, int(conv.padding[0])
    plain = nn.Conv1d(conv.in_channels, conv.out_channels, size, padding=padding, dilation=dilation)
    plain.load_state_dict({"weight": conv.weight, "bias": conv.bias})
    return plain


def _to_bfloat16(backbone: nn.Module) -> None:
    blocks = convnext_blocks(backbone)
    if not blocks:
        raise ValueError("only a ConvNeXt backbone has pointwise layers to compute in bfloat16; use float32")
    for block in blocks:
        block.pwconv1, block.pwconv2 = _ToBfloat16(block.pwconv1), _FromBfloat16(block.pwconv2)  # type: ignore[assignment]
