"""Many items, and long ones: each core computes items of its own, and a long item is computed piece by piece.

On a CPU a padded batch is slower than its items one after the other, whose hidden states stay in the caches.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from ..network.network import Engine, Network
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


@functools.lru_cache(maxsize=2)
def core_threads(n_threads: int) -> ThreadPoolExecutor:
    """Returns threads that each compute on one core; the same ones at every call."""
    together = threading.Barrier(n_threads)

    def start() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # settles it for this thread
        together.wait()

    pool = ThreadPoolExecutor(n_threads, "vocos", start)
    try:
        # The barrier makes every thread start now: a thread that started later would set the number again below.
        list(pool.map(lambda _: None, range(n_threads)))
    finally:
        torch.set_num_threads(n_threads)  # what the threads set holds for new ones, and for MKL everywhere
    return pool


# A forked child has none of its parent's threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=core_threads.cache_clear)
