"""Which conventions a mel of unknown origin could be of, told from its numbers alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from .compression import compress, expand
from .convention import LevelNormalization, MeanStdNormalization, MelConvention
from .spectrogram import make_window

# A text-to-speech model's mels leave the range that recordings keep to by about this much.
SLACK = 1.0  # nepers
# Share of cells with exactly the lowest value from which it counts as a floor; a recording's own minimum is one cell.
FLOOR_SHARE = 0.002
FLOOR_TOLERANCE = 1e-3  # nepers: float16 rounds -11.5 by more, and such a file then has no known floor
# Between the quietest tenth and the loudest hundredth of recorded speech lie 6 nepers and more; 4 are 35 dB.
LEAST_RANGE = 4.0
# Of a bin's magnitude, by a window whose sum is 512: the quietest tenth of recorded speech is at most at 0.025, and of
# speech that was clipped at a tenth of its peak at 0.15.
LOUDEST_QUIET = 0.2
USUAL_WINDOW_SUM = 512
# What `doubt` looks at: a few wild values of a model are no evidence, and an hour tells no more than some seconds.
WILD_SHARE = 0.01
ENOUGH_FRAMES = 1000


@dataclass(frozen=True, kw_only=True)
class Guess:
    """Whether a mel could be of a convention.

    Attributes:
        convention: in question.
        possible: whether nothing speaks against it.
        reasons: what speaks for it, or what speaks against it.
    """

    convention: MelConvention
    possible: bool
    reasons: tuple[str, ...]


def guess(mel: Tensor, candidates: Iterable[MelConvention]) -> list[Guess]:
    """Judges candidates by number of bands, range, floor and loudness; possible ones first, matching floors before.

    Args:
        mel: ``(n_mels, T)`` or ``(B, n_mels, T)``, of speech.
        candidates: conventions.

    Raises:
        ValueError: the mel is empty or not finite.
    """
    mel = (mel if mel.dim() == 3 else mel[None]).double()
    if mel.numel() == 0:
        raise ValueError(f"a mel without values: shape {tuple(mel.shape)}")
    bad = (~torch.isfinite(mel)).nonzero()
    if len(bad):
        _, band, frame = bad[0].tolist()
        raise ValueError(f"{len(bad)} of its values are NaN or infinite, the first in band {band}, frame {frame}")
    guesses = [_judge(mel, candidate) for candidate in candidates]
    return sorted(guesses, key=lambda found: (not found.possible, -len(found.reasons)))


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Why a mel can hardly be of the convention that it is said to be of.

    Attributes:
        reasons: what speaks against it.
        instead: those of the candidates that it could be of.
    """

    reasons: tuple[str, ...]
    instead: tuple[MelConvention, ...]


def doubt(mel: Tensor, convention: MelConvention, candidates: Iterable[MelConvention]) -> Doubt | None:
    """Strong evidence against a convention, None without it: for a warning where nobody asked.

    Unlike `guess` it is silent about floors and dynamics: silence, a constant tone and a few frames are mels, too. A
    mel that is never quiet is doubted only if it could be of a candidate.

    Args:
        mel: ``(1, n_mels, T)``, with the convention's number of bands.
        convention: what it is said to be of.
        candidates: what else it could be of.
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
    instead = tuple(found.convention for found in guess(mel, candidates) if found.possible)
    return Doubt(reasons=(*impossible, *loud), instead=instead) if impossible or instead else None


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
    found = []
    if lowest < _lowest(convention) - slack:
        found.append(f"goes down to {lowest:.4g}, below {_lowest(convention):.4g}")
    if highest > _highest(convention) + slack:
        found.append(f"goes up to {highest:.4g}, above {_highest(convention):.4g}")
    return tuple(found)


def _implausible(mel: Tensor, convention: MelConvention) -> tuple[str, ...]:
    """What no speech does: never being quiet, or being even."""
    quiet, loud = _loudness(mel, convention)
    if found := _never_quiet(quiet):
        return found
    if math.log(loud / quiet) < LEAST_RANGE:
        return (f"would have hardly any dynamics: {20 * math.log10(loud / quiet):.0f} dB",)
    return ()


def _loudness(mel: Tensor, convention: MelConvention) -> tuple[float, float]:
    """Magnitudes of a bin, by a window of the usual sum: of the quietest tenth, and of the loudest hundredth."""
    linear = expand(mel, convention) / convention.filterbank().double().sum(0).mean()
    scale = USUAL_WINDOW_SUM / float(make_window(convention).sum())
    ordered = (scale * linear.pow(1 / convention.power)).clamp_min(1e-9).flatten().sort().values
    return float(ordered[len(ordered) // 10]), float(ordered[int(0.99 * (len(ordered) - 1))])


def _never_quiet(quiet: float) -> tuple[str, ...]:
    if quiet <= LOUDEST_QUIET:
        return ()
    return (f"would have no quiet moment: nine tenths of it above a magnitude of {quiet:.2g}",)


def _floor(mel: Tensor, convention: MelConvention) -> tuple[float, bool | None]:
    """The mel's lowest value, and whether it is the convention's floor; None where it has none that can be told."""
    lowest = float(mel.min())
    share = float((mel == lowest).double().mean())
    clips = isinstance(convention.normalization, LevelNormalization) and convention.normalization.clip
    if share < FLOOR_SHARE:
        return lowest, None
    matches = abs(lowest - _lowest(convention)) <= FLOOR_TOLERANCE * _unit(convention)
    if convention.guard == "add" and convention.log is not None and not clips and not matches:
        return lowest, None  # digital silence alone reaches such a floor
    return lowest, matches


def _lowest(convention: MelConvention) -> float:
    """Of digital silence."""
    below_root = math.sqrt(convention.magnitude_eps) ** convention.power
    silence = convention.filterbank().double().sum(0)[None, :, None] * below_root
    return float(compress(silence, convention).min())


def _highest(convention: MelConvention) -> float:
    """What a full-scale square wave at a band's centre can reach: window sum times the filter's highest weights."""
    loudest = float(make_window(convention).sum()) * convention.filterbank().max(0).values.double()
    linear = (loudest**convention.power)[None, :, None]
    return float(compress(linear, convention).max())


def _unit(convention: MelConvention) -> float:
    """One neper in the convention's own units."""
    if convention.log is None:
        return 0.1
    unit = convention.log_gain * (1.0 if convention.log == "natural" else 1 / math.log(10))
    match convention.normalization:
        case LevelNormalization() as level:
            return unit / -level.min_level * level.max_norm * (2 if level.symmetric else 1)
        case MeanStdNormalization() as statistics:
            return unit / (min(statistics.std) if isinstance(statistics.std, tuple) else statistics.std)
    return unit
