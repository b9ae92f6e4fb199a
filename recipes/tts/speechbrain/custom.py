"""FastSpeech2 with espeak-ng in place of the grapheme-to-phoneme model that SpeechBrain's own class fetches.

    from speechbrain.inference.interfaces import foreign_class

    fastspeech2 = foreign_class(source="MODEL")
    mel, durations, pitch, energy = fastspeech2.encode_text(["Mary had a little lamb."])

It lies beside a model's weights, as such files do; ``phonemes.py`` lies there, too. Its class is `EspeakFastSpeech2`,
also by the name that ``foreign_class`` looks for.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from phonemes import phonemize
from speechbrain.inference.interfaces import Pretrained
from speechbrain.inference.TTS import FastSpeech2
from torch import Tensor

START, END = "^", "$"


class EspeakFastSpeech2(FastSpeech2):  # type: ignore[misc]
    """Text to mels, as `FastSpeech2`; its symbols are those of ``hyperparams.yaml``, numbered from 1."""

    HPARAMS_NEEDED = ("model", "symbols")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        Pretrained.__init__(self, *args, **kwargs)
        self.numbers = {symbol: number for number, symbol in enumerate(self.hparams.symbols, start=1)}

    def encode_text(
        self, texts: list[str], pace: float = 1.0, pitch_rate: float = 1.0, energy_rate: float = 1.0
    ) -> tuple[Tensor, ...]:
        """Returns mels ``(B, n_mels, T)``, logarithms of durations, pitch, energy; ``T`` is the longest text's.

        Phonemes without a symbol are left out, with a warning that names them.

        Raises:
            ValueError: a text has no known symbol; the message quotes it.
        """
        return self.encode_phoneme([list(phonemize(text)) for text in texts], pace, pitch_rate, energy_rate)

    def encode_phoneme(
        self, phonemes: list[list[str]], pace: float = 1.0, pitch_rate: float = 1.0, energy_rate: float = 1.0
    ) -> tuple[Tensor, ...]:
        """Encodes phonemes like `encode_text`."""
        tokens = []
        for spoken in phonemes:
            known = [phoneme for phoneme in spoken if phoneme in self.numbers]
            if not any(phoneme.isalpha() for phoneme in known):
                raise ValueError(f"no known symbol in {''.join(spoken)!r}")
            if len(known) < len(spoken):
                warnings.warn(f"left out of {''.join(spoken)!r}: {self.unknown(spoken)}", stacklevel=2)
            tokens.append(torch.tensor([self.numbers[phoneme] for phoneme in (START, *known, END)], device=self.device))
        padded = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
        return self.encode_batch(padded, pace=pace, pitch_rate=pitch_rate, energy_rate=energy_rate)

    def unknown(self, phonemes: Iterable[str]) -> str:
        """Those of a text's phonemes that the model has no symbol for, in a row."""
        return " ".join(sorted(set(phonemes) - set(self.numbers)))


CustomInterface = EspeakFastSpeech2
