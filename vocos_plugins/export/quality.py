"""Measures how much a lower precision changes the audio."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..config import EncodecCodes
from ..inference.calibration import speech_features
from ..network.network import Network
from .exportable import Exportable
from .sessions import Session


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How close a session's audio is to the model's in float32.

    Attributes:
        snr_db: signal to error, over everything that was decoded; infinite where they are equal.
        worst_db: of the worst piece.
        signals: what was decoded.
    """

    snr_db: float
    worst_db: float
    signals: str

    def __str__(self) -> str:
        return f"{self.snr_db:.1f} dB signal to error against float32 (worst {self.worst_db:.1f}) on {self.signals}"


def measure(session: Session, network: Network) -> Quality:
    """Decodes shipped speech, or an EnCodec model's random codes, with both.

    Waveforms are compared. Where a phase depends on a small difference, they differ and sound the same: PESQ, by
    `vocos eval`, says more, and docs/export.md has both.
    """
    signal, error, worst = 0.0, 0.0, math.inf
    # The exported form, so that only the precision differs and not the transforms.
    exact = Exportable(network)
    for features, bandwidth_id in speech_features(network):
        ids = None if bandwidth_id is None else bandwidth_id[:, 0]
        expected = exact.audio(features, ids).double().numpy()
        difference = session(features.numpy(), None if ids is None else ids.numpy()) - expected
        powers = float(np.square(expected).sum()), float(np.square(difference).sum())
        signal, error = signal + powers[0], error + powers[1]
        worst = min(worst, _decibels(*powers))
    signals = "random codes" if isinstance(network.config.features, EncodecCodes) else "the shipped clips"
    return Quality(snr_db=_decibels(signal, error), worst_db=worst, signals=signals)


def _decibels(signal: float, error: float) -> float:
    return math.inf if error == 0 else 10 * math.log10(max(signal, 1e-30) / error)
