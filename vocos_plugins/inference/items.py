"""Many items, and long ones: each core computes items of its own, and a long item is computed piece by piece.

On a CPU a padded batch is slower than its items one after the other, whose hidden states stay in the caches.
"""

from __future__ import annotations

import functools
import math
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..config import ISTFT, VocosConfig

if TYPE_CHECKING:
    from ..model import Vocos
    from .backend import Engine

# Longer items are computed in pieces of so many frames, which bounds memory.
PIECE = 2048


def decode_items(vocos: Vocos, items: Sequence[Tensor], bandwidth_id: Tensor | None) -> list[Tensor]:
    """Items ``(C, T)``, each of its own length, to audio ``(N,)``; ids ``(B, 1)`` or ``(1, 1)``."""
    engine = vocos.backend.engine(vocos, next(vocos.parameters()).device)
    bandwidths = [None] * len(items) if bandwidth_id is None else bandwidth_id.flatten().expand(len(items)).tolist()
    return run_items(vocos, engine, items, bandwidths)


def run_items(vocos: Vocos, engine: Engine, items: Sequence[Tensor], bandwidths: Sequence[int | None]) -> list[Tensor]:
    """What `decode_items` gives, by whatever computes an item."""

    def decode(features: Tensor, bandwidth: int | None) -> Tensor:
        audio = features.new_empty(vocos.config.n_samples(features.shape[1]))
        # Each thread's own affair. Audio that is made before is an ordinary tensor, with which gradients can be taken.
        with torch.inference_mode():
            _decode(vocos, engine, features, bandwidth, audio)
        return audio

    n_threads = min(torch.get_num_threads(), len(items))
    if n_threads < 2:
        return [decode(*given) for given in zip(items, bandwidths, strict=True)]
    return list(core_threads(torch.get_num_threads()).map(decode, items, bandwidths))


def context_frames(config: VocosConfig, receptive_field: int) -> int:
    """Frames on each side of a frame that reach its samples: the backbone's, and those whose spectra overlap it."""
    head = config.head
    if not isinstance(head, ISTFT):
        return receptive_field + 2
    # Each pass of the refinement reaches as far again.
    return receptive_field + math.ceil(head.n_fft / head.hop_length) * (1 + head.refinement_steps)


def _decode(vocos: Vocos, engine: Engine, features: Tensor, bandwidth: int | None, audio: Tensor) -> None:
    """Writes what the features make."""
    n_frames, hop_length = features.shape[1], vocos.hop_length
    if n_frames <= 2 * PIECE:
        audio.copy_(engine(features, bandwidth))
        return
    context = context_frames(vocos.config, vocos.backbone.receptive_field)
    for start in range(0, n_frames, PIECE):
        first = max(0, start - context)
        piece = engine(features[:, first : start + PIECE + context], bandwidth)
        end = min((start + PIECE) * hop_length, len(audio))
        audio[start * hop_length : end] = piece[(start - first) * hop_length : end - first * hop_length]


@functools.lru_cache(maxsize=2)
def core_threads(n_threads: int) -> ThreadPoolExecutor:
    """Threads that each compute on one core; the same ones at every call."""
    together = threading.Barrier(n_threads)

    def start() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # settles it for this thread
        together.wait()

    pool = ThreadPoolExecutor(n_threads, "vocos", start)
    try:
        list(pool.map(lambda _: None, range(n_threads)))
    finally:
        torch.set_num_threads(n_threads)  # what the threads set holds for new ones, and for MKL everywhere
    return pool


# A forked child has none of its parent's threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=core_threads.cache_clear)
