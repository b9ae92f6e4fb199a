"""Guesses the convention of a mel of unknown origin from its values alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from .compression import compress, expand
from .convention import LevelNormalization, MeanStdNormalization, MelConvention
from .spectrogram import make_window

# Mels that a text-to-speech model predicts exceed the range of recordings by about this much.
SLACK = 1.0  # nepers
# The lowest value counts as a floor if at least this share of the cells has it; a recording's own minimum is one cell.
FLOOR_SHARE = 0.002
FLOOR_TOLERANCE = 1e-3  # nepers: float16 rounds -11.5 by more, and such a file then has no known floor
# Recorded speech has 6 nepers and more between its quietest tenth and its loudest hundredth; 4 nepers are 35 dB.
MIN_RANGE = 4.0
# Magnitude of a bin, for a window whose sum is 512. The quietest tenth of recorded speech reaches at most 0.025, or
# 0.15 in speech that was clipped at a tenth of its peak.
LOUDEST_QUIET = 0.2
USUAL_WINDOW_SUM = 512
# `find_mismatch` ignores this share of extreme values, which a model may produce now and then, and looks at no more
# frames than this: some seconds are as conclusive as an hour.
WILD_SHARE = 0.01
ENOUGH_FRAMES = 1000


@dataclass(frozen=True, kw_only=True)
class Guess:
    """Judgement of whether a mel could be in a convention.

    Attributes:
        convention: the candidate.
        possible: whether there is no evidence against it.
        reasons: the evidence for it if it is possible, else the evidence against it.
    """

    convention: MelConvention
    possible: bool
    reasons: tuple[str, ...]


def guess(mel: Tensor, candidates: Iterable[MelConvention]) -> list[Guess]:
    """Judges candidates by number of bands, range, floor and loudness.

    Args:
        mel: ``(n_mels, T)`` or ``(B, n_mels, T)``, of speech.
        candidates: conventions.

    Returns:
        A guess for each candidate: possible ones first, and among them those whose floor matches.

    Raises:
        ValueError: the mel is empty or not finite.
    """
    mel = (mel if mel.dim() == 3 else mel[None]).double()
    if mel.numel() == 0:
        raise ValueError(f"the mel is empty: its shape is {tuple(mel.shape)}")
    bad = (~torch.isfinite(mel)).nonzero()
    if len(bad):
        _, band, frame = bad[0].tolist()
        raise ValueError(f"the mel holds {len(bad)} NaN or infinite values, the first in band {band}, frame {frame}")
    guesses = [_judge(mel, candidate) for candidate in candidates]
    return sorted(guesses, key=lambda guessed: (not guessed.possible, -len(guessed.reasons)))


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """Evidence that a mel is not in the convention that it is said to be in.

    Attributes:
        reasons: the evidence.
        instead: the candidates that the mel could be in.
    """

    reasons: tuple[str, ...]
    instead: tuple[MelConvention, ...]


def find_mismatch(mel: Tensor, convention: MelConvention, candidates: Iterable[MelConvention]) -> Mismatch | None:
    """Returns strong evidence that a mel is not in a convention, or None: for a warning that the user didn't ask for.

    Unlike `guess` it ignores floors and dynamics, since silence, a constant tone and a few frames are valid mels. A mel
    that is never quiet counts as a mismatch only if it could be in one of the candidates.

    Args:
        mel: ``(1, n_mels, T)``, with the convention's number of bands.
        convention: the convention that the mel is said to be in.
        candidates: other conventions that it could be in.
    """
    mel = mel[:, :, :: max(1, -(-mel.shape[2] // ENOUGH_FRAMES))].double()
    if mel.numel() == 0 or not bool(torch.isfinite(mel).all()):
        return None
    wild = int(WILD_SHARE * mel.numel()) + 1
    ordered = mel.flatten().sort().values
    impossible = _out_of_range(float(ordered[wild - 1]), float(ordered[-wild]), convention)
    loud = _never_quiet(_loudness(mel, convention)[0])
    if not (impossible or loud):
        return None
    instead = tuple(guessed.convention for guessed in guess(mel, candidates) if guessed.possible)
    return Mismatch(reasons=(*impossible, *loud), instead=instead) if impossible or instead else None


def _judge(mel: Tensor, convention: MelConvention) -> Guess:
    if mel.shape[1] != convention.n_mels:
        bands = f"has {mel.shape[1]} bands, not {convention.n_mels}"
        return Guess(convention=convention, possible=False, reasons=(bands,))
    lowest, highest = float(mel.min()), float(mel.max())
    against: tuple[str, ...] = (*_out_of_range(lowest, highest, convention), *_implausible(mel, convention))
    floor, floor_matches = _floor(mel, convention)
    if floor_matches is False:
        against += (f"its floor is {floor:.4g}, not {_lowest(convention):.4g}",)
    if against:
        return Guess(convention=convention, possible=False, reasons=against)
    supports: tuple[str, ...] = ("bands and range fit",)
    if floor_matches:
        supports += (f"its floor is {floor:.4g}",)
    return Guess(convention=convention, possible=True, reasons=supports)


def _out_of_range(lowest: float, highest: float, convention: MelConvention) -> tuple[str, ...]:
    slack = SLACK * _unit(convention)
    reasons = []
    if lowest < _lowest(convention) - slack:
        reasons.append(f"goes down to {lowest:.4g}, below {_lowest(convention):.4g}")
    if highest > _highest(convention) + slack:
        reasons.append(f"goes up to {highest:.4g}, above {_highest(convention):.4g}")
    return tuple(reasons)


def _implausible(mel: Tensor, convention: MelConvention) -> tuple[str, ...]:
    """Returns what rules out speech: it is never quiet, or its level hardly changes."""
    quiet, loud = _loudness(mel, convention)
    if reasons := _never_quiet(quiet):
        return reasons
    if math.log(loud / quiet) < MIN_RANGE:
        return (f"has a dynamic range of only {20 * math.log10(loud / quiet):.0f} dB",)
    return ()


def _loudness(mel: Tensor, convention: MelConvention) -> tuple[float, float]:
    """Returns the 10th and the 99th percentile of a bin's magnitude, for a window whose sum is `USUAL_WINDOW_SUM`."""
    # A band's mean over its bins can be compared between filterbanks, and a share of the window's sum between windows.
    linear = expand(mel, convention) / convention.filterbank().double().sum(0).mean()
    scale = USUAL_WINDOW_SUM / float(make_window(convention).sum())
    ordered = (scale * linear.pow(1 / convention.power)).clamp_min(1e-9).flatten().sort().values
    return float(ordered[len(ordered) // 10]), float(ordered[int(0.99 * (len(ordered) - 1))])


def _never_quiet(quiet: float) -> tuple[str, ...]:
    if quiet <= LOUDEST_QUIET:
        return ()
    return (f"is never quiet: 90 % of it lies above magnitude {quiet:.2g}",)


def _floor(mel: Tensor, convention: MelConvention) -> tuple[float, bool | None]:
    """Returns the mel's lowest value, and whether it is the convention's floor; None if that cannot be decided."""
    lowest = float(mel.min())
    share = float((mel == lowest).double().mean())
    clips = isinstance(convention.normalization, LevelNormalization) and convention.normalization.clip
    if share < FLOOR_SHARE:
        return lowest, None
    matches = abs(lowest - _lowest(convention)) <= FLOOR_TOLERANCE * _unit(convention)
    if convention.guard == "add" and convention.log is not None and not clips and not matches:
        return lowest, None  # only digital silence reaches a floor that is added
    return lowest, matches


def _lowest(convention: MelConvention) -> float:
    """Returns the lowest value in a convention, that of digital silence."""
    below_root = math.sqrt(convention.magnitude_eps) ** convention.power
    silence = convention.filterbank().double().sum(0)[None, :, None] * below_root
    return float(compress(silence, convention).min())


def _highest(convention: MelConvention) -> float:
    """Returns the highest value in a convention, reached by a full-scale square wave at a band's centre.

    Its linear value is the sum of the window times the filter's highest weight.
    """
    loudest = float(make_window(convention).sum()) * convention.filterbank().max(0).values.double()
    linear = (loudest**convention.power)[None, :, None]
    return float(compress(linear, convention).max())


def _unit(convention: MelConvention) -> float:
    """Returns one neper in the convention's own units."""
    if convention.log is None:
        return 0.1  # a linear mel has no fixed unit; this keeps the slack small
    unit = convention.log_gain * (1.0 if convention.log == "natural" else 1 / math.log(10))
    match convention.normalization:
        case LevelNormalization() as level:
            return unit / -level.min_level * level.max_norm * (2 if level.symmetric else 1)
        case MeanStdNormalization() as statistics:
            # The band with the largest unit, so that the slack is enough for every band.
            return unit / (min(statistics.std) if isinstance(statistics.std, tuple) else statistics.std)
    return unit
