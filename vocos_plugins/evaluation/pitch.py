"""Periodicity and voicing by torchcrepe, as in CARGAN (Morrison et al., ICLR 2022) and the Vocos paper.

The full CREPE model, 50 to 550 Hz, one frame per 10 ms without padding. Frames with an A-weighted level below -60 dB
have a periodicity of 0, and frames with at least 0.21 are voiced.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray

Audio = NDArray[np.float32]  # (N,)

HOP_S = 0.01
F_MIN, F_MAX = 50.0, 550.0  # Hz
SILENCE_DB = -60.0
VOICED_FROM = 0.21
BATCH_FRAMES = 128


def periodicity_error(reference: Audio, degraded: Audio, sample_rate: int) -> float:
    """RMS difference of the two periodicities, frame by frame; 0 is equal."""
    expected, actual = (periodicity(signal, sample_rate) for signal in (reference, degraded))
    return float(np.sqrt(np.mean((expected - actual) ** 2)))


def voicing_f1(reference: Audio, degraded: Audio, sample_rate: int) -> float:
    """F1 score of the decision "this frame is voiced", with the recording as the truth; 1 is equal.

    Raises:
        ValueError: neither signal has a voiced frame.
    """
    expected, actual = (periodicity(signal, sample_rate) >= VOICED_FROM for signal in (reference, degraded))
    n_voiced = int(expected.sum()) + int(actual.sum())
    if n_voiced == 0:
        raise ValueError("no frame is voiced")
    return 2 * int((expected & actual).sum()) / n_voiced


def periodicity(audio: Audio, sample_rate: int) -> NDArray[np.float32]:
    """Returns CREPE's confidence in each frame, ``(T,)``; cached for a few signals, since two measures need it."""
    # As bytes, since a cache needs hashable arguments.
    return _periodicity(np.ascontiguousarray(audio, dtype=np.float32).tobytes(), sample_rate)


@functools.lru_cache(maxsize=4)
def _periodicity(samples: bytes, sample_rate: int) -> NDArray[np.float32]:
    # Not even in an extra, since it needs torchaudio: see pyproject.toml.
    import torchcrepe

    # Copied: torch warns of memory that can't be written to.
    audio = torch.frombuffer(bytearray(samples), dtype=torch.float32)[None]
    hop_length = round(HOP_S * sample_rate)
    with torch.inference_mode():
        _, confidence = torchcrepe.predict(
            audio,
            sample_rate,
            hop_length,
            F_MIN,
            F_MAX,
            "full",
            return_periodicity=True,
            batch_size=BATCH_FRAMES,
            device="cuda" if torch.cuda.is_available() else "cpu",
            pad=False,
        )
        silenced = torchcrepe.threshold.Silence(SILENCE_DB)(confidence, audio, sample_rate, hop_length, False)
    result: NDArray[np.float32] = silenced[0].numpy()
    return result
