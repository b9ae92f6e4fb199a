"""The table of measures, and how one is taken: what fails or isn't installed is said, and never ends a run."""

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
    """What a measure says of one signal; where it can't, ``value`` is None and ``reason`` says why."""

    value: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure.

    Attributes:
        name: by which it is asked for.
        title: heading of its column.
        best: what equal signals get, in words.
        digits: decimals worth printing.
        higher_is_better: direction.
        needs_reference: whether it compares with the recording; else the recording itself can be measured too.
        sample_rate: Hz that it is defined at; None for the signals' own.
        packages: what it imports.
        install: what pip needs to be told for them.
        slow: whether it takes longer than the sound lasts, on a CPU; taken only where asked for.
        compute: of recording, vocoded signal of the same length, and sample rate.
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
            degraded: what a vocoder made of it, ``(N',)``, beginning at the same sample.
            sample_rate: Hz, of both.
        """
        n_samples = min(len(reference), len(degraded))
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
    """The score; a measure that raises, or warns that it divides by zero, has none."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # some of them print
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        try:
            value = float(compute())
        except Exception as error:  # other people's code, and one number less is no reason to lose the others
            return Score(reason=" ".join(f"{type(error).__name__}: {error}".split()))
    return Score(value=value) if math.isfinite(value) else Score(reason=f"it gave {value}")


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
        install="--no-deps distillmos xls-r-sqa",
        compute=opinion.distillmos,
    ),
)


def choose(names: Sequence[str] = ()) -> tuple[tuple[Measure, ...], dict[str, str]]:
    """The measures to take, and why others are left out, by name.

    Args:
        names: of measures, or ``all``; none for all but the slow ones.

    Raises:
        ValueError: a name isn't in the table.
    """
    unknown = sorted(set(names) - {measure.name for measure in MEASURES} - {ALL})
    if unknown:
        known = ", ".join(measure.name for measure in MEASURES)
        raise ValueError(f"no measure {', '.join(unknown)}; there are {known}, and {ALL}")
    chosen, left_out = [], {}
    for measure in MEASURES:
        wanted = ALL in names or measure.name in names
        if names and not wanted:
            continue
        if measure.slow and not wanted:
            left_out[measure.name] = "slow; taken where asked for by name"
        elif (lack := _lack(measure)) is not None:
            left_out[measure.name] = lack
        else:
            chosen.append(measure)
    return tuple(chosen), left_out


def _lack(measure: Measure) -> str | None:
    """Why a measure can't be taken here; None if it can."""
    if any(find_spec(package) is None for package in measure.packages):
        return f"not installed; pip install {measure.install}"
    return next((reason for package in measure.packages if (reason := _import_failure(package))), None)


@functools.cache
def _import_failure(package: str) -> str | None:
    """What importing an installed package raises: a binary one may not fit this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            importlib.import_module(package)
        except Exception as error:
            return f"{package} is installed but can't be imported ({' '.join(str(error).split())[:120]})"
    return None
