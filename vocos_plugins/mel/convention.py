"""Mel conventions: every parameter that defines a mel spectrogram, as one value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from torch import Tensor

from ..spectral import FRAMINGS, Framing
from .filterbank import MEL_SCALES, MelNorm, MelScale, mel_filterbank
from .shown import shown

Window = Literal["hann", "hamming"]
PadMode = Literal["reflect", "constant"]
Log = Literal["natural", "log10"]
Guard = Literal["clamp", "add"]


class ConventionError(ValueError):
    """Raised when no mel convention can be read from a configuration; names the field and what is wrong with it."""


class ConventionWarning(UserWarning):
    """Warns that a configuration is not read as the installed toolkit reads it, or not as its author meant it."""


@dataclass(frozen=True, kw_only=True)
class LevelNormalization:
    """Maps ``[ref_level + min_level, ref_level]`` to ``[0, max_norm]``, or to ``[-max_norm, max_norm]`` if symmetric.

    Coqui TTS does this (``utils/audio/processor.py``), with levels in decibels.

    Attributes:
        ref_level: subtracted first, in units of the log mel.
        min_level: negative; a level this far below the reference becomes the lower end.
        max_norm: upper end of the range.
        symmetric: whether the range is centred on 0.
        clip: whether values outside the range are cut off; they cannot be recovered.
    """

    ref_level: float
    min_level: float
    max_norm: float
    symmetric: bool
    clip: bool

    def __post_init__(self) -> None:
        # Written as `not <`, so that NaN is refused as well.
        if not self.min_level < 0:
            raise ValueError(f"min_level must be negative, got {self.min_level}")
        if not self.max_norm > 0:
            raise ValueError(f"max_norm must be positive, got {self.max_norm}")


@dataclass(frozen=True, kw_only=True)
class MeanStdNormalization:
    """Normalization to ``(log mel - mean) / std``, with one number for all bands or one for each."""

    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]

    def __post_init__(self) -> None:
        stds = self.std if isinstance(self.std, tuple) else (self.std,)
        if not all(std > 0 for std in stds):
            raise ValueError(f"every std must be positive, got {self.std}")


# Far beyond any speech model. A file may ask for more, which would take all memory.
LARGEST = {"sample_rate": 768_000, "n_fft": 1 << 16, "win_length": 1 << 16, "hop_length": 1 << 16, "n_mels": 1024}
# An STFT takes this many times the memory of its signal.
MOST_OVERLAP = 128


@dataclass(frozen=True, kw_only=True)
class MelConvention:
    """Everything that two programs must agree on to exchange a mel spectrogram.

    Two conventions are equal when all fields but ``name`` are.

    Attributes:
        name: common name, such as ``hifigan-22khz``.
        sample_rate: Hz.
        n_fft, win_length, hop_length: samples; a shorter window is centred in the frame.
        n_mels: bands.
        f_min, f_max: Hz; ``f_max=None`` is the Nyquist frequency.
        mel_scale: spacing of the bands.
        mel_norm: ``slaney`` for triangles of unit area, None for unit height.
        power: exponent on the magnitude before the filterbank: 1 or 2.
        window, periodic: the window's shape, and whether it is the periodic (FFT) or the symmetric one.
        framing, pad_mode: where frames lie (`vocos_plugins.spectral`), and how the signal is padded at its ends.
        magnitude_eps: added under the root of ``sqrt(re^2 + im^2 + eps)``.
        log: base of the logarithm; None for a linear mel.
        log_gain: factor after the logarithm; 20 with ``log10`` makes decibels.
        guard, guard_value: how the argument of the logarithm is kept above zero: ``log(max(x, v))`` or ``log(x + v)``.
        pre_emphasis: coefficient ``a`` of ``y[n] - a * y[n - 1]`` on the waveform; 0 for none.
        normalization: last step, applied to the log mel.
        pad_value: value of the frames past an item's end in a batch; None if unspecified.
    """

    # Conventions are keys of caches (`alignment`, `estimate`): frozen, and hashed without the name.
    name: str = field(default="", compare=False)
    sample_rate: int
    n_fft: int
    win_length: int
    hop_length: int
    n_mels: int
    f_min: float = 0.0
    f_max: float | None = None
    mel_scale: MelScale = "htk"
    mel_norm: MelNorm | None = None
    power: float = 1.0
    window: Window = "hann"
    periodic: bool = True
    framing: Framing = "center"
    pad_mode: PadMode = "reflect"
    magnitude_eps: float = 0.0
    log: Log | None = "natural"
    log_gain: float = 1.0
    guard: Guard = "clamp"
    guard_value: float = 1e-5
    pre_emphasis: float = 0.0
    normalization: LevelNormalization | MeanStdNormalization | None = None
    pad_value: float | None = None

    def __post_init__(self) -> None:
        self._check_grid()
        self._check_bands()
        self._check_values()

    def filterbank(self) -> Tensor:
        """Returns the weights from frequency bins to bands, ``(n_fft // 2 + 1, n_mels)``, float32."""
        return mel_filterbank(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            n_mels=self.n_mels,
            f_min=self.f_min,
            f_max=self.f_max,
            mel_scale=self.mel_scale,
            mel_norm=self.mel_norm,
        )

    def _check_grid(self) -> None:
        for name, largest in LARGEST.items():
            if not 1 <= getattr(self, name) <= largest:
                bound = "at least 1" if getattr(self, name) < 1 else f"at most {largest}"
                raise ValueError(f"{name} must be {bound}, got {getattr(self, name)}")
        # A hop longer than the window would leave samples that no frame sees.
        if not self.hop_length <= self.win_length <= self.n_fft:
            raise ValueError(
                "expected hop_length <= win_length <= n_fft, got "
                f"hop_length={self.hop_length}, win_length={self.win_length}, n_fft={self.n_fft}"
            )
        if self.n_fft > MOST_OVERLAP * self.hop_length:
            raise ValueError(
                f"n_fft must be at most {MOST_OVERLAP} times hop_length, "
                f"got n_fft={self.n_fft}, hop_length={self.hop_length}"
            )
        for name, allowed in (
            ("framing", FRAMINGS),
            ("pad_mode", get_args(PadMode)),
            ("window", get_args(Window)),
        ):
            _check_choice(name, getattr(self, name), allowed)

    def _check_bands(self) -> None:
        nyquist = self.sample_rate / 2
        top = nyquist if self.f_max is None else self.f_max
        if not 0 <= self.f_min < top <= nyquist:
            raise ValueError(
                f"expected 0 <= f_min < f_max <= {nyquist:g} Hz (half of sample_rate), "
                f"got f_min={self.f_min}, f_max={self.f_max}"
            )
        _check_choice("mel_scale", self.mel_scale, MEL_SCALES)
        _check_choice("mel_norm", self.mel_norm, (None, "slaney"))
        _check_choice("power", self.power, (1, 2))

    def _check_values(self) -> None:
        _check_choice("log", self.log, (None, *get_args(Log)))
        _check_choice("guard", self.guard, get_args(Guard))
        for name in ("guard_value", "log_gain", "magnitude_eps", "pre_emphasis"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite, got {getattr(self, name)}")
        if self.guard_value < 0 or (self.log is not None and self.guard_value == 0):
            raise ValueError(f"guard_value must be positive to keep the logarithm finite, got {self.guard_value}")
        if self.log_gain <= 0:
            raise ValueError(f"log_gain must be positive, got {self.log_gain}")
        if self.magnitude_eps < 0:
            raise ValueError(f"magnitude_eps must not be negative, got {self.magnitude_eps}")
        if isinstance(self.normalization, MeanStdNormalization):
            for statistic in (self.normalization.mean, self.normalization.std):
                if isinstance(statistic, tuple) and len(statistic) != self.n_mels:
                    raise ValueError(f"normalization has {len(statistic)} values for n_mels={self.n_mels}")


def _check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, got {shown(value)}")


def check_convention(convention: object) -> None:
    """Raises TypeError for what is no `MelConvention`, a name for instance."""
    if not isinstance(convention, MelConvention):
        hint = f"; vocos_plugins.plugins.mel_conventions()[{convention!r}] has those with a name"
        raise TypeError(f"expected a MelConvention, got {convention!r}{hint if isinstance(convention, str) else ''}")
