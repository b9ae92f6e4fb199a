"""The package ``vocos`` 0.1.0 of the paper's authors, with random weights in a model's shape."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import vocos
from torch import Tensor, nn
from vocos.heads import ISTFTHead
from vocos.models import VocosBackbone

from ..config import ISTFT, ConvNeXt, VocosConfig


def reference(config: VocosConfig, bandwidth: int | None) -> Callable[[Tensor], Tensor]:
    """The package's ``decode``: features ``(B, C, T)`` to audio.

    Args:
        config: the shape; an amplitude prior and passes of refinement, which the package hasn't, are left out.
        bandwidth: of an EnCodec model.

    Raises:
        ValueError: the package has no such parts, or they aren't compared here.
    """
    part, head = config.backbone, config.head
    if not isinstance(part, ConvNeXt) or not isinstance(head, ISTFT):
        raise ValueError("the package vocos is compared only for ConvNeXt backbones with an inverse STFT")
    backbone = VocosBackbone(
        config.n_features,
        part.dim,
        part.intermediate_dim,
        part.num_layers,
        part.layer_scale_init_value,
        part.adanorm_num_embeddings,
    )
    # Its front end is not part of decoding, and that of EnCodec would be downloaded.
    model = vocos.Vocos(nn.Identity(), backbone, ISTFTHead(part.dim, head.n_fft, head.hop_length, head.framing)).eval()
    options = {} if bandwidth is None else {"bandwidth_id": torch.tensor([bandwidth])}
    return functools.partial(model.decode, **options)
