"""NeMo's dataset with the durations that a synthesiser knows.

NeMo 3.0's FastPitch takes no durations: its class without an aligner can't be trained any more. But its aligner
multiplies what it finds by a prior, which otherwise favours the diagonal. A prior of ones and zeros leaves nothing but
the known alignment, so the durations are exact from the first step on, and the aligner, which later finds those of
recordings, learns from them. The tokens are the phonemes that were spoken.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from layout import read_alignment
from nemo.collections.tts.data.dataset import TTSDataset
from numpy.typing import NDArray
from omegaconf import DictConfig
from torch.utils.data import DataLoader

PRIOR = 7  # its place in what NeMo's dataset gives for a recording


def expand(durations: list[int]) -> NDArray[np.float32]:
    """The alignment ``(T + 1, n_tokens)`` of durations whose sum is ``T``: 1 where a frame belongs to a token.

    NeMo's mel has a frame more than it has hops; that one belongs to none.
    """
    owners = np.repeat(np.arange(len(durations)), durations)
    return np.pad(np.eye(len(durations), dtype=np.float32)[owners], ((0, 1), (0, 0)))


def encode(tokenizer: Any, phonemes: list[str]) -> list[int]:
    """NeMo's tokens of an alignment's symbols; start and end are the spaces that NeMo puts there.

    Raises:
        ValueError: the tokenizer lacks a symbol.
    """
    symbols = [" ", *phonemes[1:-1], " "]
    if unknown := sorted(set(symbols) - set(tokenizer.tokens)):
        raise ValueError(f"no token for {' '.join(map(repr, unknown))}: run prepare.py again")
    return [tokenizer.tokens.index(symbol) for symbol in symbols]


class AlignedDataset(TTSDataset):  # type: ignore[misc]  # NeMo's classes are untyped
    """`TTSDataset` with the tokens and durations of ``CORPUS/alignments``."""

    def __init__(self, corpus: Path, **options: Any) -> None:
        super().__init__(**options)
        self.beta_binomial_interpolator = lambda *_: np.zeros((0, 0))  # slow, and replaced below
        self.durations = []
        for item in self.data:
            phonemes, durations = read_alignment(corpus, Path(item["audio_filepath"]).stem)
            item["text_tokens"] = encode(self.text_tokenizer, phonemes)
            self.durations.append(durations)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        values = list(super().__getitem__(index))
        values[PRIOR] = torch.from_numpy(expand(self.durations[index]))
        return tuple(values)


class SortedBatches:
    """Batches of sentences of about one length and at most `most_frames` frames, in a random order."""

    def __init__(self, n_frames: list[int], most_frames: int, shuffle: bool) -> None:
        self.n_frames, self.most_frames, self.shuffle = n_frames, most_frames, shuffle
        self.batches = self._draw()

    def _draw(self) -> list[list[int]]:
        noise = 0.1 if self.shuffle else 0
        order = sorted(range(len(self.n_frames)), key=lambda i: self.n_frames[i] * (1 + noise * random.random()))  # noqa: S311
        batches: list[list[int]] = [[]]
        for index in order:
            longest = max(self.n_frames[other] for other in [*batches[-1], index])
            if batches[-1] and longest * (len(batches[-1]) + 1) > self.most_frames:
                batches.append([])
            batches[-1].append(index)
        if self.shuffle:
            random.shuffle(batches)
        return batches

    def __iter__(self) -> Iterator[list[int]]:
        if self.shuffle:
            self.batches = self._draw()[: len(self.batches)]
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def make_loader(model: Any, config: DictConfig, corpus: Path, most_frames: int, shuffle: bool) -> DataLoader[Any]:
    """A loader of batches of at most `most_frames` frames with known durations; `config` is ``train_ds`` or so."""
    options = {str(key): value for key, value in config.dataset.items() if key != "_target_"}
    dataset = AlignedDataset(corpus, text_tokenizer=model.vocab, **options)
    n_frames = [sum(durations) for durations in dataset.durations]
    batches = SortedBatches(n_frames, most_frames, shuffle)
    return DataLoader(dataset, batch_sampler=batches, collate_fn=dataset.collate_fn)
