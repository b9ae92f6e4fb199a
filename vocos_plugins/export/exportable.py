"""A model as exporters take it: one function of tensors, without complex numbers."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..backbone import ConvNeXtBackbone, ConvNeXtBlock, ResNetBackbone
from ..heads import ISTFTHead
from ..model import Vocos
from .real_heads import SpectrumHead, build_real_head

OUTPUT_NAMES = {"audio": ("audio",), "spectrum": ("mag", "x", "y")}


class Exportable(nn.Module):
    """A copy of a model for `torch.export`, TorchScript and ONNX, on the CPU, in float32.

    Layer scales are part of the weights that they follow, and weight norms are computed once.

    Args:
        vocos: the model, which stays as it is.
        outputs: ``audio``, or ``spectrum`` for a runtime that has its own inverse STFT.
        bfloat16: compute the blocks' pointwise layers, where the work is, in bfloat16.

    Shape: features ``(B, C, T)``, and for a conditioned model bandwidth ids int64 ``(B,)`` -> audio ``(B, N)``, or
        magnitude, cosine and sine of the phase, each ``(B, n_fft // 2 + 1, T)``.

    Raises:
        ValueError: the head has no spectrum, or the backbone has no pointwise layers.
    """

    def __init__(self, vocos: Vocos, outputs: str = "audio", *, bfloat16: bool = False) -> None:
        super().__init__()
        if outputs not in OUTPUT_NAMES:
            raise ValueError(f"outputs must be one of {', '.join(OUTPUT_NAMES)}, got {outputs!r}")
        self.outputs = outputs
        self.n_features = vocos.config.n_features
        self.conditioned = vocos.config.n_bandwidths is not None
        head = copy.deepcopy(vocos.head).cpu().float()
        if outputs == "spectrum":
            if not isinstance(head, ISTFTHead):
                raise ValueError(f"a {type(head).__name__} has no STFT to end at; export with outputs='audio'")
            self.head: nn.Module = SpectrumHead(head)
        else:
            self.head = build_real_head(head)
        self.backbone = copy.deepcopy(vocos.backbone).cpu().float()
        _settle(self.backbone)
        if bfloat16:
            _to_bfloat16(self.backbone)
        self.eval().requires_grad_(False)

    def forward(self, features: Tensor, bandwidth_id: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
        hidden = self.backbone(features, None if bandwidth_id is None else bandwidth_id[:, None])
        result: Tensor | tuple[Tensor, ...] = self.head(hidden, features)
        return result

    @torch.no_grad()
    def audio(self, features: Tensor, bandwidth_id: Tensor | None = None) -> Tensor:
        """`forward` of a model whose outputs are audio."""
        audio: Tensor = self(features, bandwidth_id)
        return audio

    def example(self, batch: int = 2, n_frames: int = 50) -> tuple[Tensor, ...]:
        """What to trace it with."""
        features = torch.zeros(batch, self.n_features, n_frames)
        return (features, torch.zeros(batch, dtype=torch.int64)) if self.conditioned else (features,)


class _ToBfloat16(nn.Module):
    """A linear layer that goes on in bfloat16."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.bfloat16())
        self.bias = nn.Parameter(linear.bias.bfloat16())

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.bfloat16(), self.weight, self.bias)


class _FromBfloat16(nn.Module):
    """A linear layer that goes back to float32 before its bias and the residual are added."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.bfloat16())
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight).float() + self.bias


def blocks(backbone: nn.Module) -> list[ConvNeXtBlock]:
    """The ConvNeXt blocks of a backbone; none of another one."""
    return [block for block in backbone.modules() if isinstance(block, ConvNeXtBlock)]


def _settle(backbone: ConvNeXtBackbone | ResNetBackbone) -> None:
    """Multiplies layer scales into the weights before them, and weight norms out."""
    for block in blocks(backbone):
        if block.gamma is not None:
            with torch.no_grad():
                block.pwconv2.weight.mul_(block.gamma[:, None])
                block.pwconv2.bias.mul_(block.gamma)
            block.gamma = None
    for parent in list(backbone.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv1d) and parametrize.is_parametrized(child):
                setattr(parent, name, _plain(child))


def _plain(conv: nn.Conv1d) -> nn.Conv1d:
    """The same convolution without its weight norm.

    It can't be taken from a copy of the module: that would take it from the class, which the original shares.
    """
    (size,), (dilation,), padding = conv.kernel_size, conv.dilation, int(conv.padding[0])
    plain = nn.Conv1d(conv.in_channels, conv.out_channels, size, padding=padding, dilation=dilation)
    plain.load_state_dict({"weight": conv.weight, "bias": conv.bias})
    return plain


def _to_bfloat16(backbone: nn.Module) -> None:
    found = blocks(backbone)
    if not found:
        raise ValueError("only a ConvNeXt backbone has pointwise layers to compute in bfloat16; use float32")
    for block in found:
        block.pwconv1, block.pwconv2 = _ToBfloat16(block.pwconv1), _FromBfloat16(block.pwconv2)  # type: ignore[assignment]
