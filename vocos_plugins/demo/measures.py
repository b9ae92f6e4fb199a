"""PESQ and STOI of a resynthesis against its original, where the packages for them are installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import soxr
from numpy.typing import NDArray

Audio = NDArray[np.float32]  # (N,)

PACKAGES = ("pesq", "pystoi")
MEASURE_RATE = 16000  # Hz: wide-band PESQ is defined at this rate


@dataclass(frozen=True, kw_only=True)
class Measures:
    """None where a measure's package isn't installed, or where the clip is too short or too quiet for it.

    Attributes:
        pesq: wide-band PESQ (ITU-T P.862.2), about 1 (bad) to 4.64 (equal).
        stoi: intelligibility, 0 to 1 (Taal et al., 2011).
    """

    pesq: float | None
    stoi: float | None


def missing_packages() -> tuple[str, ...]:
    """The measures' packages that aren't installed."""
    return tuple(name for name in PACKAGES if find_spec(name) is None)


def measure(reference: Audio, degraded: Audio, sample_rate: int) -> Measures:
    """Both measures at 16 kHz, over the samples that both signals have.

    Args:
        reference: the original, ``(N,)``.
        degraded: begins at the same sample, ``(N',)``.
        sample_rate: Hz, of both.
    """
    n_samples = min(len(reference), len(degraded))
    signals = [soxr.resample(signal[:n_samples], sample_rate, MEASURE_RATE) for signal in (reference, degraded)]
    if not signals[0].any():
        return Measures(pesq=None, stoi=None)
    missing = missing_packages()
    return Measures(
        pesq=None if "pesq" in missing else _pesq(*signals),
        stoi=None if "pystoi" in missing else _stoi(*signals),
    )


def _pesq(reference: Audio, degraded: Audio) -> float | None:
    from pesq import PesqError, pesq

    return _or_none(lambda: pesq(MEASURE_RATE, reference, degraded, "wb"), PesqError)


def _stoi(reference: Audio, degraded: Audio) -> float | None:
    from pystoi import stoi

    return _or_none(lambda: stoi(reference, degraded, MEASURE_RATE))


def _or_none(compute: Callable[[], float], *errors: type[Exception]) -> float | None:
    """The measure; None where it fails, or warns that its result means nothing, on scraps and silence."""
    expected: tuple[type[Exception], ...] = (RuntimeWarning, ValueError, *errors)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(compute())
        except expected:
            return None
