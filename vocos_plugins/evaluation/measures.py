"""The table of measures. One that fails or isn't installed is reported, and never ends a run."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import soxr
from numpy.typing import NDArray

from . import distances, opinion, perceptual, pitch

Audio = NDArray[np.float32]  # (N,)
Compute = Callable[[Audio, Audio, int], float]

EXTRA = "'vocos-plugins[eval]'"
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Score:
    """The value of a measure for one signal; None if it can't be computed, with the ``reason``."""

    value: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure.

    Attributes:
        name: the name that selects it.
        title: heading of its column.
        best: the value of equal signals, as text.
        digits: number of decimals to print.
        higher_is_better: whether a higher value is better.
        needs_reference: whether it compares with the recording; otherwise the recording itself is measured too.
        sample_rate: Hz at which it is defined; None for any.
        packages: the packages that it imports.
        install: arguments of ``pip install`` that install them.
        slow: whether it takes longer on a CPU than the audio lasts; such a measure is taken only on request.
        compute: called with the recording, the vocoded signal of the same length, and the sample rate.
    """

    name: str
    title: str
    best: str
    digits: int = 2
    higher_is_better: bool = True
    needs_reference: bool = True
    sample_rate: int | None = None
    packages: tuple[str, ...] = ()
    install: str = EXTRA
    slow: bool = False
    compute: Compute

    def __call__(self, reference: Audio, degraded: Audio, sample_rate: int) -> Score:
        """Measures over the samples that both signals have.

        Args:
            reference: the recording, ``(N,)``.
            degraded: the vocoded signal, ``(N',)``, which begins at the same sample.
            sample_rate: Hz of both signals.
        """
        n_samples = min(len(reference), len(degraded))
        # A mel has whole frames, so a vocoded signal may be a little longer or shorter than its recording.
        reference, degraded = reference[:n_samples], degraded[:n_samples]
        if n_samples == 0:
            return Score(reason="there are no samples")
        if not reference.any():
            return Score(reason="the recording is silent")
        rate = self.sample_rate or sample_rate
        return _take(
            lambda: self.compute(_resample(reference, sample_rate, rate), _resample(degraded, sample_rate, rate), rate)
        )


def _resample(audio: Audio, old: int, new: int) -> Audio:
    resampled: Audio = soxr.resample(np.ascontiguousarray(audio, dtype=np.float32), old, new)
    return resampled


def _take(compute: Callable[[], float]) -> Score:
    """Returns the score; a measure that raises, or warns of a division by zero, has no value."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # some packages print
        warnings.simplefilter("ignore")
        # NumPy only warns of a division by zero; as an error it gives the reason why there is no value.
        warnings.simplefilter("error", RuntimeWarning)
        try:
            value = float(compute())
        except Exception as error:  # third-party code may raise anything, and the other scores must not be lost
            return Score(reason=" ".join(f"{type(error).__name__}: {error}".split()))
    return Score(value=value) if math.isfinite(value) else Score(reason=f"it returned {value}")


# speechmos imports the other three.
_SPEECHMOS = ("speechmos", "onnxruntime", "librosa", "requests")

MEASURES: tuple[Measure, ...] = (
    Measure(
        name="pesq",
        title="PESQ-wb",
        best="to 4.64",
        sample_rate=16000,
        packages=("pesq",),
        compute=perceptual.pesq_wb,
    ),
    Measure(
        name="stoi",
        title="STOI",
        best="to 1",
        digits=3,
        sample_rate=16000,
        packages=("pystoi",),
        compute=perceptual.stoi,
    ),
    Measure(
        name="visqol-speech",
        title="ViSQOL speech",
        best="to 4.5",
        sample_rate=16000,
        packages=("visqol", "ai_edge_litert"),
        compute=perceptual.visqol_speech,
    ),
    Measure(
        name="visqol-audio",
        title="ViSQOL audio",
        best="to 4.73",
        sample_rate=48000,
        packages=("visqol",),
        compute=perceptual.visqol_audio,
    ),
    Measure(
        name="mr-stft",
        title="MR-STFT",
        best="0 is equal",
        digits=3,
        higher_is_better=False,
        compute=distances.multi_resolution_stft,
    ),
    Measure(
        name="mel",
        title="Mel",
        best="0 is equal",
        digits=3,
        higher_is_better=False,
        compute=distances.mel_distance,
    ),
    Measure(
        name="mcd",
        title="MCD, dB",
        best="0 is equal",
        higher_is_better=False,
        sample_rate=16000,
        compute=distances.mel_cepstral_distortion,
    ),
    Measure(
        name="periodicity",
        title="Periodicity",
        best="0 is equal",
        digits=3,
        higher_is_better=False,
        sample_rate=16000,
        packages=("torchcrepe",),
        install="torchcrepe",
        slow=True,
        compute=pitch.periodicity_error,
    ),
    Measure(
        name="vuv-f1",
        title="V/UV F1",
        best="to 1",
        digits=3,
        sample_rate=16000,
        packages=("torchcrepe",),
        install="torchcrepe",
        slow=True,
        compute=pitch.voicing_f1,
    ),
    Measure(
        name="dnsmos",
        title="DNSMOS",
        best="to 5",
        needs_reference=False,
        sample_rate=16000,
        packages=_SPEECHMOS,
        compute=opinion.dnsmos_overall,
    ),
    Measure(
        name="plcmos",
        title="PLCMOS",
        best="to 5",
        needs_reference=False,
        sample_rate=16000,
        packages=_SPEECHMOS,
        compute=opinion.plcmos,
    ),
    Measure(
        name="distillmos",
        title="DistillMOS",
        best="to 5",
        needs_reference=False,
        sample_rate=16000,
        packages=("distillmos",),
        # With its dependencies, pip would also install torchaudio, which has to match torch's build.
        install="--no-deps distillmos xls-r-sqa",
        compute=opinion.distillmos,
    ),
)


def choose(names: Sequence[str] = ()) -> tuple[tuple[Measure, ...], dict[str, str]]:
    """Chooses the measures to take.

    Args:
        names: names of measures, or ``all``; by default all but the slow ones.

    Returns:
        the measures, and for each one that is left out, by name, the reason.

    Raises:
        ValueError: a name isn't in the table.
    """
    unknown = sorted(set(names) - {measure.name for measure in MEASURES} - {ALL})
    if unknown:
        known = ", ".join(measure.name for measure in MEASURES)
        raise ValueError(f"unknown measure {', '.join(unknown)}; known are {known}, and {ALL}")
    chosen, left_out = [], {}
    for measure in MEASURES:
        wanted = ALL in names or measure.name in names
        if names and not wanted:
            continue
        if measure.slow and not wanted:
            left_out[measure.name] = "slow; ask for it by name"
        elif (reason := _why_unavailable(measure)) is not None:
            left_out[measure.name] = reason
        else:
            chosen.append(measure)
    return tuple(chosen), left_out


def _why_unavailable(measure: Measure) -> str | None:
    """Returns why a measure can't be taken here; None if it can."""
    # Missing packages first, since importing those that are there takes seconds.
    if any(find_spec(package) is None for package in measure.packages):
        return f"not installed; pip install {measure.install}"
    return next((reason for package in measure.packages if (reason := _import_failure(package))), None)


@functools.cache
def _import_failure(package: str) -> str | None:
    """Returns why an installed package can't be imported; None if it can. A binary package may not fit this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            importlib.import_module(package)
        except Exception as error:
            return f"{package} is installed but can't be imported ({' '.join(str(error).split())[:120]})"
    return None
