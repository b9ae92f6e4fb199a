"""The package ``vocos`` 0.1.0 of the paper's authors, with random weights in the shape of a given model."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import vocos
from torch import Tensor, nn
from vocos.heads import ISTFTHead
from vocos.models import VocosBackbone

from ...config import ISTFT, ConvNeXt, VocosConfig


def reference(config: VocosConfig, bandwidth: int | None) -> Callable[[Tensor], Tensor]:
    """Returns the package's ``decode``: features ``(B, C, T)`` to audio.

    Args:
        config: the shape. The package has neither an amplitude prior nor refinement; both are ignored.
        bandwidth: the bandwidth index of an EnCodec model.

    Raises:
        ValueError: the package has no such backbone or head, or it isn't compared here.
    """
    if getattr(vocos, "__shadow__", False):
        raise ValueError(
            "vocos-plugins stands in for the package vocos here: `vocos disable vocos` first, then compare"
        )
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
    # The front end takes no part in decoding, and EnCodec's would be downloaded.
    model = vocos.Vocos(nn.Identity(), backbone, ISTFTHead(part.dim, head.n_fft, head.hop_length, head.framing)).eval()
    options = {} if bandwidth is None else {"bandwidth_id": torch.tensor([bandwidth])}
    return functools.partial(model.decode, **options)
