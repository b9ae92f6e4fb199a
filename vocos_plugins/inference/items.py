"""Many items, and long ones: short items are joined, and each core computes items of its own.

On a CPU a padded batch is slower than its items one after the other, whose hidden states stay in the caches. Short
items by themselves are slower still, as every operator costs more than its few frames. A long item is computed piece by
piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ..network.network import Engine, Network
from .cores import core_threads
from .cuts import PIECE_FRAMES, cut_frames
from .fast.engine import FastEngine
from .fast.head import SHORT_FRAMES

# Frames of a group of joined items: with half as many, and with twice as many, decoding takes up to a tenth longer.
JOINED_FRAMES = 1024
# The same where all cores compute one group: it has to be large enough for them, and small enough for the memory.
MOST_JOINED_FRAMES = 4096


def decode_items(network: Network, items: Sequence[Tensor], bandwidth_id: Tensor | None) -> list[Tensor]:
    """Decodes items ``(C, T)``, each of its own length, to audio ``(N,)``; ids ``(B, 1)`` or ``(1, 1)``."""
    engine = network.backend.engine(network, next(network.parameters()).device)
    bandwidths = [None] * len(items) if bandwidth_id is None else bandwidth_id.flatten().expand(len(items)).tolist()
    return run_items(network, engine, items, bandwidths)


def run_items(
    network: Network, engine: Engine, items: Sequence[Tensor], bandwidths: Sequence[int | None]
) -> list[Tensor]:
    """Decodes items with a given engine, on as many cores as torch has threads."""
    # Allocated before inference mode, so that gradients can be taken with it.
    audio = [item.new_empty(network.config.n_samples(item.shape[1])) for item in items]
    n_threads = torch.get_num_threads()

    def decode(group: list[int]) -> None:
        with torch.inference_mode():  # it is set per thread
            first, *others = group
            if not others or not isinstance(engine, FastEngine):
                _decode(network, engine, items[first], bandwidths[first], audio[first])
                return
            decoded = engine.decode_joined([items[n] for n in group], bandwidths[first])
            for n, samples in zip(group, decoded, strict=True):
                audio[n].copy_(samples)

    groups = [[n] for n in range(len(items))]
    if isinstance(engine, FastEngine):
        groups = group_items([item.shape[1] for item in items], bandwidths, n_threads)
    # A few groups leave cores idle if each has one of its own.
    if len(groups) < 2 or 2 * len(groups) <= n_threads:
        for group in groups:
            decode(group)
    else:
        list(core_threads(n_threads).map(decode, groups))
    return audio


def group_items(lengths: Sequence[int], bandwidths: Sequence[int | None], n_threads: int) -> list[list[int]]:
    """Chooses the items that are decoded together: short ones of the same bandwidth.

    Args:
        lengths: frames of each item.
        bandwidths: of each item.
        n_threads: threads to share the groups, or to compute a single one.

    Returns:
        The indices of the items of each group.
    """
    groups: list[list[int]] = []
    short: dict[int | None, list[int]] = {}
    for n, (length, bandwidth) in enumerate(zip(lengths, bandwidths, strict=True)):
        if length > SHORT_FRAMES:
            groups.append([n])
        else:
            short.setdefault(bandwidth, []).append(n)
    for alike in short.values():
        n_frames = sum(lengths[n] for n in alike)
        if n_frames < n_threads * JOINED_FRAMES:
            n_groups = -(-n_frames // MOST_JOINED_FRAMES)
        else:
            n_groups = n_threads * round(n_frames / (n_threads * JOINED_FRAMES))
        groups += _split(alike, lengths, n_frames / max(1, n_groups))
    return groups


def _split(indices: Iterable[int], lengths: Sequence[int], size: float) -> list[list[int]]:
    """Splits items, in order, into groups of about ``size`` frames."""
    groups: dict[int, list[int]] = {}
    start = 0
    for n in indices:
        groups.setdefault(int((start + lengths[n] / 2) / size) if size else 0, []).append(n)
        start += lengths[n]
    return list(groups.values())


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
