"""Many items, and long ones: each core computes items of its own, and a long item is computed piece by piece.

On a CPU a padded batch is slower than its items one after the other, whose hidden states stay in the caches.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..network.network import Engine, Network
from .cores import core_threads
from .cuts import PIECE_FRAMES, cut_frames


def decode_items(network: Network, items: Sequence[Tensor], bandwidth_id: Tensor | None) -> list[Tensor]:
    """Decodes items ``(C, T)``, each of its own length, to audio ``(N,)``; ids ``(B, 1)`` or ``(1, 1)``."""
    engine = network.backend.engine(network, next(network.parameters()).device)
    bandwidths = [None] * len(items) if bandwidth_id is None else bandwidth_id.flatten().expand(len(items)).tolist()
    return run_items(network, engine, items, bandwidths)


def run_items(
    network: Network, engine: Engine, items: Sequence[Tensor], bandwidths: Sequence[int | None]
) -> list[Tensor]:
    """Decodes items with a given engine, on as many cores as torch has threads."""

    def decode(features: Tensor, bandwidth: int | None) -> Tensor:
        # Inference mode is set per thread. The audio is allocated before it, so that gradients can be taken with it.
        audio = features.new_empty(network.config.n_samples(features.shape[1]))
        with torch.inference_mode():
            _decode(network, engine, features, bandwidth, audio)
        return audio

    n_threads = min(torch.get_num_threads(), len(items))
    if n_threads < 2:
        return [decode(*arguments) for arguments in zip(items, bandwidths, strict=True)]
    return list(core_threads(torch.get_num_threads()).map(decode, items, bandwidths))


def _decode(network: Network, engine: Engine, features: Tensor, bandwidth: int | None, audio: Tensor) -> None:
    """Fills ``audio``."""
    n_frames = features.shape[1]
    # A second piece has its context to pay for: only an item of more than two pieces is cut.
    if n_frames <= 2 * PIECE_FRAMES:
        audio.copy_(engine(features, bandwidth))
        return
    context, hop_length = network.context_frames, network.hop_length
    for cut in cut_frames(n_frames, PIECE_FRAMES, context=context, hop_length=hop_length, n_samples=len(audio)):
        target = audio[cut.samples]
        target.copy_(engine(features[:, cut.frames], bandwidth)[cut.skipped : cut.skipped + len(target)])
