"""Many items of different lengths: what `Vocos.decode_many` does."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ..mel.alignment import align
from ..mel.convention import MelConvention
from ..mel.inputs import Numbers, as_tensor
from ..mel.padding import longest_filled
from ..network.network import Network
from .checks import check_features
from .decode import ROW_BY_ROW, decode_every_frame

BATCH_FRAMES = 2**15  # with padding
MAX_WASTE = 0.1


def by_length(lengths: Sequence[int], max_frames: int, max_waste: float = MAX_WASTE) -> list[list[int]]:
    """Returns batches of item indices, the longest items first.

    Args:
        lengths: number of frames of each item.
        max_frames: largest size of a batch, with its padding; only a batch of one item may be larger.
        max_waste: largest share of padding in a batch, in [0, 1].
    """
    batches: list[list[int]] = []
    longest = total = 0
    # Longest first: a batch is as long as its first item, and the next ones are the most similar in length.
    for item in sorted(range(len(lengths)), key=lambda each: lengths[each], reverse=True):
        padded = longest * (len(batches[-1]) + 1) if batches else 0
        if not batches or padded > max_frames or total + lengths[item] < (1 - max_waste) * padded:
            batches.append([])
            longest, total = lengths[item], 0
        batches[-1].append(item)
        total += lengths[item]
    return batches


def decode_many(
    network: Network,
    items: Iterable[Numbers],
    *,
    bandwidth_id: int | None = None,
    source: MelConvention | None = None,
    strict: bool = False,
    postfilter: bool = True,
    max_frames: int = BATCH_FRAMES,
) -> list[Tensor]:
    """Decodes items in batches of similar length; `vocos_plugins.Vocos.decode_many` documents it.

    Args:
        network, items, bandwidth_id, source, strict: see there.
        postfilter: as for `decode_every_frame`.
        max_frames: as for `by_length`.
    """
    n_features = network.config.n_features if source is None else source.n_mels
    features = [_checked(number, item, n_features) for number, item in enumerate(items)]
    n_samples = network.config.n_samples
    if source is not None:
        n_samples = align(source, network.mel, strict=strict, upsample=network.config.upsample).n_samples
    dtype = functools.reduce(torch.promote_types, (item.dtype for item in features), torch.float16)
    audio = [torch.empty(0)] * len(features)
    lengths = [item.shape[1] for item in features]
    # Rows that are decoded one by one waste nothing but the memory of their padding.
    max_waste = 1.0 if next(network.parameters()).device.type in ROW_BY_ROW else MAX_WASTE
    for batch in by_length(lengths, max_frames, max_waste):
        longest = features[batch[0]]
        # In a log mel zeros are loud, but lengths mask them.
        padded = longest.new_zeros(len(batch), *longest.shape, dtype=dtype)
        for row, item in zip(padded, batch, strict=True):
            row[:, : lengths[item]] = features[item]
        counts = [longest_filled(features[item][None], source or network.mel) for item in batch]
        decoded = decode_every_frame(
            network,
            padded,
            lengths=torch.tensor(counts, device=padded.device),
            bandwidth_id=bandwidth_id,
            source=source,
            strict=strict,
            postfilter=postfilter,
        )
        for row, item in zip(decoded, batch, strict=True):
            # Not a view, which would keep the whole batch in memory.
            audio[item] = row[: n_samples(lengths[item])].clone()
    return audio


def _checked(number: int, item: Numbers, n_features: int) -> Tensor:
    """Returns an item's features as a tensor ``(C, T)``; an error says which item they are of."""
    features = as_tensor(item, f"item {number}")
    if features.dim() != 2:
        raise ValueError(f"item {number} must be ({n_features}, T), got shape {tuple(features.shape)}")
    try:
        return check_features(features[None], n_features)[0]
    except (TypeError, ValueError) as error:
        raise type(error)(f"item {number}: {error}") from error
