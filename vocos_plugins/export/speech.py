"""Shipped speech as a model's own features: for ranges, and to measure what a precision costs."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..audio_files import read_blocks
from ..config import EncodecCodes
from ..mel.convention import MelConvention
from ..mel.spectrogram import MelSpectrogram
from ..model import Vocos

RANDOM_FRAMES = 300


def speech_features(vocos: Vocos) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Features ``(1, C, T)`` and a bandwidth id ``(1, 1)``, or None, for each of the shipped clips.

    There is no EnCodec at hand to encode them with: an EnCodec model gets random codes, at each of its bandwidths.
    """
    options = vocos.config.features
    for index in (None,) if vocos.config.n_bandwidths is None else range(vocos.config.n_bandwidths):
        bandwidth_id = None if index is None else torch.tensor([[index]])
        if isinstance(options, EncodecCodes):
            yield _random_codes(vocos, options, index), bandwidth_id
        else:
            yield from ((mel, bandwidth_id) for mel in _clips(options))


def _clips(convention: MelConvention) -> Iterator[Tensor]:
    from ..demo.clips import CLIPS

    front_end = MelSpectrogram(convention)
    for clip in CLIPS:
        audio = torch.cat([block.mean(dim=0) for block in read_blocks(clip.path, convention.sample_rate)])
        yield front_end(audio[None])


def _random_codes(vocos: Vocos, options: EncodecCodes, index: int | None) -> Tensor:
    n_codebooks = options.n_codebooks if index is None else options.codebook_counts[index]
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(options.codebook_size, (n_codebooks, RANDOM_FRAMES), generator=generator)
    return vocos.codes_to_features(codes.to(next(vocos.parameters()).device)).cpu().float()
