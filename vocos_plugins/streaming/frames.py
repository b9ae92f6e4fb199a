"""Streaming in step with a text-to-speech model: exactly as many samples as its frames last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..inference.checks import check_finite, check_shape
from ..mel.alignment import Alignment, MelMismatch, align
from ..mel.convention import MelConvention
from ..mel.difference import differences
from ..mel.inputs import Numbers
from ..mel.padding import longest_filled
from ..network.network import Network
from .stream import Stream


def stream_frames(
    network: Network,
    chunks: Iterable[Numbers],
    *,
    source: MelConvention | None = None,
    look_ahead: int | None = None,
    low_latency: bool = False,
) -> Iterator[Tensor]:
    """Decodes chunks of a mel as they come; together the pieces equal `inference.frames.decode_frames` of the whole.

    Frames that hold only the convention's ``pad_value`` in all rows wait for other ones. At the end they are silence.

    Args:
        network: a mel model.
        chunks: mels ``(B, n_mels, t)`` in the convention ``source``, of any lengths.
        source: as for `Vocos.decode`; mels may differ from the model's by the form of their values and by half a hop.
        look_ahead, low_latency: as for `Vocos.streaming`.

    Yields:
        Audio ``(B, n)``, ``n`` may be 0: a piece for each chunk, then the rest; ``T * hop_length`` samples in all.

    Raises:
        MelMismatch: the source cannot be aligned, or only lossily, which needs the whole mel.
        TypeError, ValueError: see `Stream.__call__`; raised when the chunk is reached.
    """
    source = source or network.mel
    mel_differences = () if source is None or network.mel is None else differences(source, network.mel)
    if lossy := tuple(difference for difference in mel_differences if difference.severity == "lossy"):
        named = "; ".join(map(str, lossy))
        raise MelMismatch(f"cannot stream a lossy mel conversion: it needs the whole mel: {named}", lossy)
    alignment = align(source, network.mel, upsample=network.config.upsample)
    # The generator is a function of its own, so that a source is refused here, before the first chunk.
    return _decode(network, chunks, alignment, {"look_ahead": look_ahead, "low_latency": low_latency})


def _decode(
    network: Network, chunks: Iterable[Numbers], alignment: Alignment, options: Mapping[str, Any]
) -> Iterator[Tensor]:
    stream: Stream | None = None
    skipped = alignment.first_sample
    for given in chunks:
        chunk = check_shape(given, alignment.source.n_mels, min_frames=0)
        # Before the alignment, whose clamps would hide NaN and infinity.
        check_finite(chunk, chunk.dtype)
        if stream is None:
            stream = Stream(network, len(chunk), **options)
            newest = withheld = chunk[:, :, :0]
        known = torch.cat([withheld, chunk], dim=2)
        n_filled = longest_filled(known, alignment.source)
        withheld = known[:, :, n_filled:]
        mel = alignment(known[:, :, :n_filled])
        if alignment.kind == "framing" and alignment.target.framing == "center" and mel.shape[2]:
            # The alignment adds a frame at each end. Only those at the ends of the whole mel count.
            mel = mel[:, :, 1 if newest.shape[2] else 0 : -1]
        newest = torch.cat([newest, mel[:, :, -1:]], dim=2)[:, :, -1:]
        audio = stream(mel)
        yield audio[:, skipped:]
        skipped -= min(skipped, audio.shape[1])
    if stream is not None:
        # The last frame is held where a whole decode does so: by `hold_last`, or by the alignment at the end.
        held = "center" in (alignment.source.framing, alignment.target.framing)
        rest = torch.cat([stream(newest if held else newest[:, :, :0]), stream.flush()], dim=1)
        # Another framing's grid lasts a hop longer: a part was skipped at the beginning, the rest is cut here.
        surplus = network.hop_length - alignment.first_sample if alignment.kind == "framing" else 0
        rest = rest[:, skipped : max(0, rest.shape[1] - surplus)]
        yield F.pad(rest, (0, withheld.shape[2] * network.hop_length))
