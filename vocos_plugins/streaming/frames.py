"""Streaming in step with a text-to-speech model: as many samples as its frames last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..checks import check_finite, check_shape
from ..mel.alignment import Alignment, MelMismatch, align
from ..mel.convention import MelConvention
from ..mel.difference import differences

if TYPE_CHECKING:
    from ..model import Vocos
    from .stream import Stream


def stream_frames(
    vocos: Vocos,
    chunks: Iterable[Tensor],
    *,
    source: MelConvention | None = None,
    look_ahead: int | None = None,
    low_latency: bool = False,
) -> Iterator[Tensor]:
    """Decodes chunks of a mel as they come; together the pieces are what `frames.decode_frames` gives of the whole.

    Args:
        vocos: a mel model.
        chunks: mels ``(B, n_mels, t)`` in the convention ``source``, of any lengths.
        source: as for `Vocos.decode`; its mels may differ from the model's in the form of the values and by half a hop.
        look_ahead, low_latency: as for `Vocos.streaming`.

    Yields:
        Audio ``(B, n)``, ``n`` may be 0: a piece for each chunk, then the rest; ``T * hop_length`` samples in all.

    Raises:
        MelMismatch: mels of the source can't be aligned, or only with a loss, for which all of a mel is needed.
        TypeError, ValueError: as of `Stream`, when it gets there.
    """
    source = source or vocos.mel
    found = () if source is None or vocos.mel is None else differences(source, vocos.mel)
    if lossy := tuple(difference for difference in found if difference.severity == "lossy"):
        named = "; ".join(map(str, lossy))
        raise MelMismatch(
            f"can't stream mels that are converted with a loss, since all of a mel is needed: {named}", lossy
        )
    alignment = align(source, vocos.mel)
    return _decode(vocos, chunks, alignment, {"look_ahead": look_ahead, "low_latency": low_latency})


def _decode(
    vocos: Vocos, chunks: Iterable[Tensor], alignment: Alignment, options: Mapping[str, Any]
) -> Iterator[Tensor]:
    stream: Stream | None = None
    skipped = alignment.first_sample
    for chunk in chunks:
        check_shape(chunk, alignment.source.n_mels, min_frames=0)
        check_finite(chunk, chunk.dtype)
        if stream is None:
            stream = vocos.streaming(len(chunk), **options)
            newest = chunk[:, :, :0]
        mel = alignment(chunk)
        if alignment.kind == "framing" and alignment.target.framing == "center" and mel.shape[2]:
            # A frame more at each end of the whole mel, but not of each chunk.
            mel = mel[:, :, 1 if newest.shape[2] else 0 : -1]
        newest = torch.cat([newest, mel[:, :, -1:]], dim=2)[:, :, -1:]
        audio = stream(mel)
        yield audio[:, skipped:]
        skipped -= min(skipped, audio.shape[1])
    if stream is not None:
        held = "center" in (alignment.source.framing, alignment.target.framing)
        rest = torch.cat([stream(newest if held else newest[:, :, :0]), stream.flush()], dim=1)
        surplus = vocos.hop_length - alignment.first_sample if alignment.kind == "framing" else 0
        yield rest[:, skipped : max(0, rest.shape[1] - surplus)]
