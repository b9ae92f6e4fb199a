"""A toy toolkit: sings one tone per letter, with any vocoder."""

from __future__ import annotations

import torch
from torch import Tensor

N_MELS = 80
FRAMES_PER_LETTER = 8
SILENCE_DB = -100.0
TONE_DB = -30.0


class Vocoder:
    """Base class of vocoders: turns frames in decibels, ``(T, 80)``, into samples, ``(N,)``."""

    def to_samples(self, frames: Tensor) -> Tensor:
        """Returns the samples for a mel; vocoders override this."""
        raise NotImplementedError


class Singer:
    """A text-to-speech model that sings."""

    def __init__(self, vocoder: Vocoder) -> None:
        if not isinstance(vocoder, Vocoder):
            raise TypeError(f"expected a toytalk.Vocoder, got {type(vocoder).__name__}")
        self.vocoder = vocoder

    def frames(self, text: str) -> Tensor:
        """Returns the mel spectrogram of a text, in decibels, ``(T, 80)``."""
        frames = torch.full((len(text), N_MELS), SILENCE_DB)
        for position, letter in enumerate(text):
            frames[position, 10 + ord(letter) % 40] = TONE_DB
        return frames.repeat_interleave(FRAMES_PER_LETTER, dim=0)

    def sing(self, text: str) -> Tensor:
        """Returns the samples for a text, ``(N,)``."""
        return self.vocoder.to_samples(self.frames(text))
