"""Batches whose rows differ: in length, or in the mel convention that they are to be aligned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_finite, check_shape, frame_mask
from ..mel.alignment import Alignment
from .items import decode_items

if TYPE_CHECKING:
    from ..model import Vocos


def decode_rows(vocos: Vocos, features: Tensor, bandwidths: Tensor | None, lengths: list[int]) -> Tensor:
    """A ragged batch ``(B, C, T)`` row by row: audio ``(B, N)``, 0 past each row's end."""
    audio = features.new_zeros(len(features), vocos.config.n_samples(features.shape[2]))
    rows = [row for row, n_frames in enumerate(lengths) if vocos.config.n_samples(n_frames) > 0]
    items = [features[row, :, : lengths[row]] for row in rows]
    ids = bandwidths if bandwidths is None or len(bandwidths) == 1 else bandwidths[rows]
    for row, heard in zip(rows, decode_items(vocos, items, ids), strict=True):
        audio[row, : len(heard)] = heard
    return audio


def decode_aligned(vocos: Vocos, mel: Tensor, alignment: Alignment, lengths: Tensor | None) -> Tensor:
    """Mels ``(B, n_mels, T)`` of another convention, aligned to the model's, to audio ``(B, N)``."""
    if alignment.kind == "identity":
        return vocos.decode(mel, lengths=lengths)
    check_shape(mel, alignment.source.n_mels)
    mask = None if lengths is None else frame_mask(lengths, len(mel), mel.shape[-1], mel.device)
    check_finite(mel, mel.dtype, mask)
    if mask is None:
        return alignment.trim(vocos.decode(alignment(mel)), mel.shape[-1])
    counts = mask.sum(dim=1).tolist()
    # Each row by itself: a frame that is added or interpolated must not see the padding.
    rows = [alignment(row[None, :, :count])[0] for row, count in zip(mel, counts, strict=True)]
    aligned = torch.tensor([row.shape[-1] for row in rows])
    longest = max(aligned.tolist(), default=0)
    padded = [F.pad(row, (0, longest - row.shape[-1])) for row in rows]
    batch = torch.stack(padded) if rows else mel.new_zeros(0, vocos.config.n_features, longest)
    decoded = vocos.decode(batch, lengths=aligned)
    audio = decoded.new_zeros(len(rows), alignment.n_samples(mel.shape[-1]))
    for row, (heard, count) in enumerate(zip(decoded, counts, strict=True)):
        audio[row, : alignment.n_samples(count)] = alignment.trim(heard, count)
    return audio
