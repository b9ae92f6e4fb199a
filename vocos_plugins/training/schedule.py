"""Learning rate and loss weights as pure functions of the generator step, so that a resumed run is identical."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..mel.filterbank import MelNorm, MelScale


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """Settings of AdamW, the same for generator and discriminators, as in the reference's released code.

    Attributes:
        learning_rate: highest learning rate.
        betas: of AdamW.
        weight_decay: of AdamW.
        warmup_steps: generator steps in which the rate rises from zero.
        schedule: ``cosine`` falls to zero over all steps; ``constant`` stays until the last `decay_share` of the steps,
            in which it falls to zero linearly.
        decay_share: share of the steps, for ``constant``.
        gradient_clip: largest norm of the gradients; None for no limit.
        ema_decay: decay of the averaged generator, which is evaluated and exported; 0 for no averaging.
    """

    learning_rate: float = 5e-4
    betas: tuple[float, ...] = (0.8, 0.9)
    weight_decay: float = 0.01
    warmup_steps: int = 0
    schedule: Literal["cosine", "constant"] = "cosine"
    decay_share: float = 0.3
    gradient_clip: float | None = None
    ema_decay: float = 0.999

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be two numbers in [0, 1), got {list(self.betas)}")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must be in [0, 1), got {self.ema_decay}")
        if not 0 < self.decay_share <= 1:
            raise ValueError(f"decay_share must be in (0, 1], got {self.decay_share}")
        if self.warmup_steps < 0:
            raise ValueError(f"warmup_steps must not be negative, got {self.warmup_steps}")

    def rate_at(self, step: int, max_steps: int) -> float:
        """Returns the learning rate of a generator step, counted from 0, in a run of ``max_steps``."""
        # Counted from 1, so that the first step is not lost to a rate of zero.
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if self.schedule == "cosine":
            past = max(0, step - self.warmup_steps) / max(1, max_steps - self.warmup_steps)
            return self.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, past)))
        # In units of the falling part, so above 1 before it begins.
        left = (max_steps - step) / (self.decay_share * max_steps)
        return self.learning_rate * warm * min(1.0, max(0.0, left))

    def average_decay_at(self, step: int) -> float:
        """Returns the decay of the average, which is small at first to forget the random start quickly."""
        # The warm-up of TensorFlow's ExponentialMovingAverage.
        return min(self.ema_decay, (step + 1) / (step + 10))


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weights and resolutions of the generator's losses.

    Attributes:
        mel: weight of the L1 distance of log mels.
        phase: weight of the distance of phase steps along time and frequency; 0 leaves it out.
        resolution: weight of the multi-resolution discriminators' terms relative to the multi-period ones; None for
            the reference's 0.1, or 1.0 at and above 32 kHz, where 0.1 leaves stripes in the top band.
        pretrain_steps: generator steps before the discriminators join; if it is the run's `max_steps`, they never do.
        mel_resolutions: ``(n_fft, hop_length, n_mels)`` of each mel that is compared, at the model's sample rate.
        mel_scale, mel_norm, mel_floor: of those mels; the defaults are the reference's.
        phase_n_ffts: FFT sizes, in samples, of the spectra whose phases are compared.
    """

    mel: float = 45.0
    phase: float = 0.0
    resolution: float | None = None
    pretrain_steps: int = 0
    mel_resolutions: tuple[tuple[int, ...], ...] = ((1024, 256, 100),)
    mel_scale: MelScale = "htk"
    mel_norm: MelNorm | None = None
    mel_floor: float = 1e-7
    phase_n_ffts: tuple[int, ...] = (512, 1024, 2048)

    def __post_init__(self) -> None:
        if self.mel < 0 or self.phase < 0 or (self.resolution is not None and self.resolution < 0):
            raise ValueError("loss weights must not be negative")
        if self.pretrain_steps < 0:
            raise ValueError(f"pretrain_steps must not be negative, got {self.pretrain_steps}")
        if any(len(resolution) != 3 for resolution in self.mel_resolutions):
            raise ValueError("each of mel_resolutions must be [n_fft, hop_length, n_mels]")

    def resolution_at(self, sample_rate: int) -> float:
        """Returns the weight of the multi-resolution discriminators at a sample rate in Hz."""
        if self.resolution is not None:
            return self.resolution
        return 1.0 if sample_rate >= 32000 else 0.1
