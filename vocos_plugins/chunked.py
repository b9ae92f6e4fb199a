"""Long inputs in bounded memory: pieces are decoded with enough context that together they equal the whole."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_finite, check_shape
from .inference import items
from .mel import MelConvention, align
from .model import Vocos

CHUNK_FRAMES = 1024


@dataclass(frozen=True, kw_only=True)
class Window:
    """Part of an item with its context: what is computed at once.

    Attributes:
        inputs: features ``(B, C, T)``, or audio ``(B, n)``.
        first, n_samples: of the audio that they make, the samples that count.
    """

    inputs: Tensor
    first: int
    n_samples: int

    def cut(self, audio: Tensor) -> Tensor:
        """The samples that count, ``(B, n_samples)``."""
        return audio[:, self.first : self.first + self.n_samples]


def context_frames(vocos: Vocos) -> int:
    """Frames on each side of a frame that reach its samples: those that backbone, refinement and overlap see."""
    return items.context_frames(vocos.config, vocos.backbone.receptive_field)


def decode_chunks(
    vocos: Vocos,
    features: Tensor,
    *,
    bandwidth_id: int | None = None,
    source: MelConvention | None = None,
    strict: bool = False,
    chunk_frames: int = CHUNK_FRAMES,
) -> Iterator[Tensor]:
    """Decodes features piece by piece; the pieces make up what `Vocos.decode` gives, within rounding.

    Args:
        vocos: the model.
        features: ``(B, C, T)``, of any length.
        bandwidth_id, source, strict: as for `Vocos.decode`.
        chunk_frames: frames a piece; more of them cost memory, fewer cost time for their context.

    Yields:
        Audio ``(B, n)``, in order.

    Raises:
        TypeError, ValueError: as `Vocos.decode`.
    """
    windows = decode_windows(vocos, features, source=source, strict=strict, chunk_frames=chunk_frames)
    for window in windows:
        yield window.cut(vocos.decode(window.inputs, bandwidth_id=bandwidth_id))


def decode_windows(
    vocos: Vocos,
    features: Tensor,
    *,
    source: MelConvention | None = None,
    strict: bool = False,
    chunk_frames: int = CHUNK_FRAMES,
) -> Iterator[Window]:
    """What `decode_chunks` decodes one after the other; each window can be decoded by itself, and elsewhere."""
    check_shape(features, vocos.config.n_features if source is None else source.n_mels)
    check_finite(features, torch.float32)
    if source is not None and source != vocos.mel:
        alignment = align(source, vocos.mel, strict=strict)
        windows = decode_windows(vocos, alignment(features), chunk_frames=chunk_frames)
        yield from _cut_windows(windows, alignment.first_sample, alignment.n_samples(features.shape[2]))
        return
    context, hop_length, n_frames = context_frames(vocos), vocos.hop_length, features.shape[2]
    n_samples = vocos.config.n_samples(n_frames)
    for start in range(0, n_frames, chunk_frames):
        first = max(0, start - context)
        end = min((start + chunk_frames) * hop_length, n_samples)
        yield Window(
            inputs=features[:, :, first : start + chunk_frames + context],
            first=(start - first) * hop_length,
            n_samples=end - start * hop_length,
        )


def resynthesize_chunks(
    vocos: Vocos, blocks: Iterable[Tensor], *, chunk_frames: int = CHUNK_FRAMES
) -> Iterator[Tensor]:
    """Copy-synthesis of a stream of audio; gives as many samples as came in.

    Args:
        vocos: an unconditioned mel model.
        blocks: audio ``(B, n)`` at the model's sample rate, pieces of any length.
        chunk_frames: as for `decode_chunks`.

    Yields:
        Audio ``(B, n)``, in order: what calling the model on the whole gives, filled up with zeros to whole frames.
    """
    for window in resynthesis_windows(vocos, blocks, chunk_frames=chunk_frames):
        yield window.cut(vocos(window.inputs, length=window.inputs.shape[1]))


def resynthesis_windows(
    vocos: Vocos, blocks: Iterable[Tensor], *, chunk_frames: int = CHUNK_FRAMES
) -> Iterator[Window]:
    """What `resynthesize_chunks` vocodes one after the other, at its own length; each window stands by itself."""
    hop_length = vocos.hop_length
    # Frames at the seams see mirrored instead of real neighbours: as many more as a frame is long.
    context = (context_frames(vocos) + math.ceil(_n_fft(vocos) / hop_length)) * hop_length
    chunk = chunk_frames * hop_length
    held = before = None
    for block in blocks:
        held = block if held is None else torch.cat([held, block], dim=1)
        before = 0 if before is None else before
        while held.shape[1] >= before + chunk + context:
            yield Window(inputs=held[:, : before + chunk + context], first=before, n_samples=chunk)
            drop = max(0, before + chunk - context)
            held, before = held[:, drop:], before + chunk - drop
    if held is not None and before is not None and held.shape[1] > before:
        yield Window(inputs=held, first=before, n_samples=held.shape[1] - before)


def cut(pieces: Iterable[Tensor], first: int, n_samples: int) -> Iterator[Tensor]:
    """The samples from ``first`` on, ``n_samples`` of them, of what the pieces make up."""
    position = 0
    for piece in pieces:
        start, end = max(0, first - position), first + n_samples - position
        position += piece.shape[1]
        if (kept := piece[:, start : max(start, end)]).shape[1]:
            yield kept


def _cut_windows(windows: Iterable[Window], first: int, n_samples: int) -> Iterator[Window]:
    """`cut` before anything is computed."""
    position = 0
    for window in windows:
        start, end = max(0, first - position), min(window.n_samples, first + n_samples - position)
        position += window.n_samples
        if end > start:
            yield dataclasses.replace(window, first=window.first + start, n_samples=end - start)


def _n_fft(vocos: Vocos) -> int:
    if vocos.mel is None:
        raise ValueError("this model takes EnCodec codes; copy-synthesis needs a mel model")
    return vocos.mel.n_fft
