"""Recordings at the sample rate of a model, and their number of mel frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from vocos_plugins.inference.resampling import resample


def count_samples(path: Path, sample_rate: int) -> int:
    """Returns the number of samples of a file at a sample rate in Hz; only its header is read."""
    header = soundfile.info(path)
    # Rounded up, and `read_recording` resamples to this length.
    n_samples: int = -(-header.frames * sample_rate // header.samplerate)
    return n_samples


def count_frames(n_samples: int, hop_length: int) -> int:
    """Returns the number of frames of a centred mel."""
    return n_samples // hop_length + 1


def read_recording(path: Path, sample_rate: int) -> Tensor:
    """Reads mono audio ``(N,)``, float32, at a sample rate in Hz; ``N`` equals `count_samples`."""
    audio, source_rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = torch.from_numpy(np.ascontiguousarray(audio.mean(axis=1)))
    return resample(mono[None], source_rate, sample_rate, count_samples(path, sample_rate))[0]


def load_mel(path: Path) -> NDArray[np.float32]:
    """Opens a predicted mel ``(n_mels, T)`` as a memory map."""
    mel: NDArray[np.float32] = np.load(path, mmap_mode="r")
    return mel


def check_mel(path: Path, n_mels: int, n_frames: int) -> None:
    """Checks that a predicted mel has the frames of its recording.

    Raises:
        ValueError: the file holds a mel of another shape.
    """
    shape = load_mel(path).shape
    if shape != (n_mels, n_frames):
        raise ValueError(
            f"{path} holds a mel of shape {shape}, its recording has ({n_mels}, {n_frames}): bands, frames. Training "
            "needs mels that are aligned with the recording; predict_mels.py writes such mels"
        )
