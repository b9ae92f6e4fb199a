"""Results of a validation: scores of `vocos eval`'s measures, and audio and spectrograms for TensorBoard."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from speechbrain.utils.distributed import if_main_process
from torch import Tensor

from vocos_plugins.evaluation.measures import choose
from vocos_plugins.spectral import stft

PICTURE_N_FFT = 512  # samples
PICTURE_DB = 80.0


class Validation:
    """Collects clips as they are decoded; only the main process measures them.

    Args:
        hparams: with ``measures``, ``n_measured``, ``n_shown`` and ``sample_rate``.
    """

    def __init__(self, hparams: SimpleNamespace) -> None:
        self.sample_rate = hparams.sample_rate
        self.n_measured, self.n_shown = hparams.n_measured, hparams.n_shown
        self.measures = choose(hparams.measures)[0] if hparams.measures and if_main_process() else ()
        self.values: dict[str, list[float]] = {measure.name: [] for measure in self.measures}
        self.clips: list[tuple[str, Tensor, Tensor]] = []
        self.n_added = 0

    def add(self, name: str, real: Tensor, fake: Tensor) -> None:
        """Adds a clip ``(N,)`` and its copy."""
        if self.n_added < self.n_shown:
            self.clips.append((name, real.cpu(), fake.cpu()))
        if self.n_added < self.n_measured:
            for measure in self.measures:
                score = measure(_to_numpy(real), _to_numpy(fake), self.sample_rate)
                if score.value is not None:
                    self.values[measure.name].append(score.value)
        self.n_added += 1

    def scores(self) -> dict[str, float]:
        """Returns the mean of each measure that has values."""
        return {name: float(np.mean(values)) for name, values in self.values.items() if values}

    def show(self, board: Any, step: int, scalars: dict[str, float]) -> None:
        """Writes numbers, audio and spectrograms at a step; SpeechBrain's own logger restarts at 0 on each resume."""
        if board.writer is None:
            return
        for name, value in scalars.items():
            board.writer.add_scalar(name, value, step)
        for name, real, fake in self.clips:
            for kind, audio in (("recording", real), ("vocos", fake)):
                board.writer.add_audio(f"{name}/{kind}", audio.clamp(-1, 1)[None], step, self.sample_rate)
                board.writer.add_image(f"{name}/{kind}", draw(audio), step)
        board.writer.flush()


def draw(audio: Tensor) -> Tensor:
    """Draws the log spectrogram of a clip ``(N,)`` as a grey image ``(1, F, T)`` in [0, 1], 0 Hz at the bottom."""
    window = torch.hann_window(PICTURE_N_FFT)
    spectrum = stft(audio[None].float(), window, n_fft=PICTURE_N_FFT, hop_length=PICTURE_N_FFT // 4)
    decibels = 20 * spectrum[0].abs().clamp_min(1e-7).log10().flip(0)
    return ((decibels - decibels.max()) / PICTURE_DB + 1).clamp(0, 1)[None]


def _to_numpy(audio: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = audio.float().cpu().numpy()
    return array
