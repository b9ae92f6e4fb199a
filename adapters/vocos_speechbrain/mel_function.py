"""SpeechBrain's mel function under a stable name: its own was renamed in 1.1.2. Importing it imports no SpeechBrain."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vocos_plugins.mel import MelSpectrogram

from .mel import from_speechbrain


class MelFunction(MelSpectrogram):
    """Replacement for ``!name:speechbrain.lobes.models.HifiGAN.mel_spectrogram`` in a recipe's YAML; same values.

    Shape: ``(N,)``, ``(B, N)`` or ``(B, 1, N)`` -> the same with ``n_mels, T`` in place of ``N``.

    Args:
        fields: fields of the mel by the recipes' names, as for `from_speechbrain`.

    Raises:
        ConventionError: as raised by `from_speechbrain`.
    """

    def __init__(self, **fields: Any) -> None:
        super().__init__(from_speechbrain(fields))

    def forward(self, audio: Tensor) -> Tensor:
        # SpeechBrain's function takes audio without a batch as well; the core's takes (B, N).
        mel = super().forward(audio.reshape(-1, audio.shape[-1]))
        return mel.reshape(*audio.shape[:-1], *mel.shape[1:])
