"""The modules of ``vocos.modules``: this package's, with the reference's constructors and arguments of ``forward``."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocos_plugins.network import backbone
from vocos_plugins.network.backbone import LEAKY_SLOPE, NORM_EPS, RESNET_DILATIONS


class AdaLayerNorm(backbone.AdaLayerNorm):
    """Layer norm whose scale and shift are chosen by an embedding: ``(B, T, C)``, ids ``(1,)``, ``(B, 1)`` or more.

    Raises:
        ValueError: ``eps`` is not the reference's own.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, eps: float = NORM_EPS) -> None:
        if eps != NORM_EPS:
            raise ValueError(f"AdaLayerNorm computes with eps={NORM_EPS} only, as all backbones do, got eps={eps}")
        super().__init__(num_embeddings, embedding_dim)
        self.eps = eps
        self.dim = embedding_dim

    def forward(self, x: Tensor, cond_embedding_id: Tensor) -> Tensor:
        return super().forward(x, cond_embedding_id)


class ConvNeXtBlock(backbone.ConvNeXtBlock):
    """Depthwise convolution, norm and two pointwise layers, scaled onto a residual: ``(B, C, T)`` -> same."""

    act = staticmethod(F.gelu)  # for subclasses that compute by these parts

    def __init__(
        self,
        dim: int,
        intermediate_dim: int,
        layer_scale_init_value: float,
        adanorm_num_embeddings: int | None = None,
    ) -> None:
        nn.Module.__init__(self)
        self.dwconv = nn.Conv1d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.adanorm = adanorm_num_embeddings is not None
        self.norm = make_norm(dim, adanorm_num_embeddings)
        self.pwconv1 = nn.Linear(dim, intermediate_dim)
        self.pwconv2 = nn.Linear(intermediate_dim, dim)
        scale = layer_scale_init_value
        self.gamma = nn.Parameter(scale * torch.ones(dim)) if scale > 0 else None

    def forward(self, x: Tensor, cond_embedding_id: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        return super().forward(x, cond_embedding_id, mask)


class NormedConv1d(nn.Conv1d):
    """A convolution whose weight is a direction times a length, by the old names of torch's weight norm.

    Torch's own one warns that it is deprecated; the one in its place has other names, and can't be pickled.
    """

    def __init__(self, before: int, after: int, kernel_size: int, *, dilation: int = 1, padding: int = 0) -> None:
        super().__init__(before, after, kernel_size, dilation=dilation, padding=padding)
        weight = self._parameters.pop("weight")
        self.weight_g = nn.Parameter(torch.norm_except_dim(weight.detach(), 2, 0))  # type: ignore[union-attr]
        self.weight_v = nn.Parameter(weight.detach())  # type: ignore[union-attr]

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        plain = self._parameters.get("weight")
        weight = torch._weight_norm(self.weight_v, self.weight_g, 0) if plain is None else plain
        convolved: Tensor = self._conv_forward(input, weight, self.bias)
        return convolved

    def remove_norm(self) -> None:
        """Replaces the two factors by their product."""
        weight = torch._weight_norm(self.weight_v.detach(), self.weight_g.detach(), 0)
        del self.weight_v, self.weight_g
        self.weight = nn.Parameter(weight)


class ResBlock1(nn.Module):
    """HiFi-GAN's residual block of dilated pairs of convolutions: ``(B, C, T)`` -> same.

    Args:
        dim: channels.
        kernel_size, dilation: of the first convolution of each pair; the second is not dilated.
        lrelu_slope: of the leaky ReLU before each convolution.
        layer_scale_init_value: initial factor of each pair; None for none.
    """

    def __init__(
        self,
        dim: int,
        kernel_size: int = 3,
        dilation: tuple[int, int, int] = RESNET_DILATIONS,
        lrelu_slope: float = LEAKY_SLOPE,
        layer_scale_init_value: float | None = None,
    ) -> None:
        super().__init__()
        self.lrelu_slope = lrelu_slope

        def conv(step: int) -> NormedConv1d:
            return NormedConv1d(dim, dim, kernel_size, dilation=step, padding=self.get_padding(kernel_size, step))

        self.convs1 = nn.ModuleList([conv(step) for step in dilation[:3]])
        self.convs2 = nn.ModuleList([conv(1) for _ in range(3)])
        scale = layer_scale_init_value
        self.gamma = nn.ParameterList(
            [None if scale is None else nn.Parameter(scale * torch.ones(dim, 1)) for _ in range(3)]
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        def visible(hidden: Tensor) -> Tensor:
            hidden = F.leaky_relu(hidden, self.lrelu_slope)
            return hidden if mask is None else hidden.masked_fill(~mask[:, None], 0.0)

        for conv1, conv2, gamma in zip(self.convs1, self.convs2, self.gamma, strict=True):
            hidden = conv2(visible(conv1(visible(x))))
            x = x + (hidden if gamma is None else gamma * hidden)
        return x

    def remove_weight_norm(self) -> None:
        """Replaces the convolutions' two factors by their product, for inference."""
        for conv in (*self.convs1, *self.convs2):
            conv.remove_norm()

    @staticmethod
    def get_padding(kernel_size: int, dilation: int = 1) -> int:
        """Returns the padding by which a convolution keeps the length."""
        return (kernel_size - 1) * dilation // 2


def make_norm(dim: int, num_embeddings: int | None) -> AdaLayerNorm | nn.LayerNorm:
    """Returns the norm of a block: conditioned if there are embeddings."""
    return AdaLayerNorm(num_embeddings, dim) if num_embeddings else nn.LayerNorm(dim, eps=NORM_EPS)


def safe_log(x: Tensor, clip_val: float = 1e-7) -> Tensor:
    """Returns the natural logarithm of values that are raised to at least ``clip_val``."""
    return torch.log(torch.clip(x, min=clip_val))


def symlog(x: Tensor) -> Tensor:
    """Returns ``sign(x) log(1 + |x|)``."""
    return torch.sign(x) * torch.log1p(x.abs())


def symexp(x: Tensor) -> Tensor:
    """Returns the inverse of `symlog`."""
    return torch.sign(x) * torch.expm1(x.abs())
