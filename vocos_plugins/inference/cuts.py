"""Long inputs, cut into stretches of frames that are decoded by themselves and together equal the whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# Frames of a stretch: more of them cost memory, fewer cost time for their context. STREAM_FRAMES is for audio that is
# written as it is made; PIECE_FRAMES spends 2 % on context, and takes a few tens of megabytes for each core.
STREAM_FRAMES = 1024
PIECE_FRAMES = 2048


class Cut(NamedTuple):
    """A stretch of frames with its context.

    Attributes:
        frames: the frames to decode.
        skipped: samples of their audio that belong to the context before the stretch.
        samples: the samples of the whole that the rest stands for.
    """

    frames: slice
    skipped: int
    samples: slice


def cut_frames(n_frames: int, length: int, *, context: int, hop_length: int, n_samples: int) -> Iterator[Cut]:
    """Cuts ``n_frames`` frames, which make ``n_samples`` samples, into stretches of ``length``.

    Args:
        n_frames, n_samples: size of the whole.
        length: frames of each stretch; the last can have fewer.
        context: frames on each side that a frame's samples depend on.
        hop_length: samples per frame.
    """
    for start in range(0, n_frames, length):
        first = max(0, start - context)
        yield Cut(
            frames=slice(first, start + length + context),
            skipped=(start - first) * hop_length,
            samples=slice(start * hop_length, min((start + length) * hop_length, n_samples)),
        )
