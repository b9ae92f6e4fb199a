"""SpeechBrain's mel function under a name that stays: its own was renamed in 1.1.2. It imports no SpeechBrain."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vocos_plugins.mel import MelSpectrogram

from .mel import from_speechbrain


class MelFunction(MelSpectrogram):
    """What ``!name:speechbrain.lobes.models.HifiGAN.mel_spectrogram`` is in a recipe's YAML, with the same values.

    Shape: ``(N,)``, ``(B, N)`` or ``(B, 1, N)`` -> the same with ``n_mels, T`` for ``N``.

    Args:
        fields: by the recipes' names, as `from_speechbrain` takes them.

    Raises:
        ConventionError: as of `from_speechbrain`.
    """

    def __init__(self, **fields: Any) -> None:
        super().__init__(from_speechbrain(fields))

    def forward(self, audio: Tensor) -> Tensor:
        mel = super().forward(audio.reshape(-1, audio.shape[-1]))
        return mel.reshape(*audio.shape[:-1], *mel.shape[1:])
