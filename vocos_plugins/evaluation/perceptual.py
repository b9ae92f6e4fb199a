"""Wrappers of the perceptual measures that compare with a recording: PESQ, STOI and ViSQOL."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]  # (N,)


def pesq_wb(reference: Audio, degraded: Audio, sample_rate: int) -> float:
    """Wide-band PESQ (ITU-T P.862.2), about 1 (bad) to 4.64 (equal)."""
    # Each package is imported when its measure is taken: all of them are extras, and one may be missing.
    from pesq import pesq

    return float(pesq(sample_rate, reference, degraded, "wb"))


def stoi(reference: Audio, degraded: Audio, sample_rate: int) -> float:
    """Short-time objective intelligibility, 0 to 1 (Taal et al., 2011)."""
    from pystoi import stoi as compute

    return float(compute(reference, degraded, sample_rate))


def visqol_speech(reference: Audio, degraded: Audio, sample_rate: int) -> float:
    """ViSQOL v3 in speech mode with the deep-lattice mapping, 1 to about 4.5."""
    return _visqol("speech", reference, degraded, sample_rate)


def visqol_audio(reference: Audio, degraded: Audio, sample_rate: int) -> float:
    """ViSQOL v3 in audio mode, 1 to about 4.73. It hardly notices broken phase, so don't rely on it alone."""
    return _visqol("audio", reference, degraded, sample_rate)


def _visqol(mode: str, reference: Audio, degraded: Audio, sample_rate: int) -> float:
    signals = (signal.astype(np.float64) for signal in (reference, degraded))
    return float(_visqol_model(mode).measure_from_arrays(*signals, sample_rate).moslqo)


# One per mode: each loads its own model.
@functools.lru_cache(maxsize=2)
def _visqol_model(mode: str) -> Any:
    from visqol import VisqolApi

    model = VisqolApi()
    model.create(mode=mode, use_lattice_model=mode == "speech")
    return model
