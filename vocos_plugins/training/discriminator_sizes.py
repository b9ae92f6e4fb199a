"""Sizes of the discriminators, and the shortest audio that they can judge."""

from __future__ import annotations

from dataclasses import dataclass

from ..config.mapping import ConfigError


@dataclass(frozen=True, kw_only=True)
class Discriminators:
    """Sizes of both discriminators; the defaults are the reference's.

    Attributes:
        periods: samples; the signal is folded into rows of this length.
        period_channels: channels of the strided layers of each period; the two layers after them have the last value.
        period_stride: stride of those layers along time.
        n_ffts: samples, one spectrogram each.
        hop_factor: hop length as a share of ``n_fft``.
        resolution_channels: channels of every layer of a band.
        resolution_bands: lower and upper edge as shares of the bins; the upper one is exclusive.
        frequency_strides: strides of a band's layers; the kernel is 3 frames by 9 bins, 3 by 3 in the last.
        weight_norm: whether weights are split into direction and length, as in the reference.
    """

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_channels: tuple[int, ...] = (32, 128, 512, 1024)
    period_stride: int = 3
    n_ffts: tuple[int, ...] = (2048, 1024, 512)
    hop_factor: float = 0.25
    resolution_channels: int = 32
    resolution_bands: tuple[tuple[float, float], ...] = ((0.0, 0.1), (0.1, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))
    frequency_strides: tuple[int, ...] = (1, 2, 2, 2, 1)
    weight_norm: bool = True

    def __post_init__(self) -> None:
        for name in ("periods", "period_channels", "n_ffts", "resolution_bands", "frequency_strides"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        sizes = ("periods", "period_channels", "period_stride", "resolution_channels", "frequency_strides")
        for name in sizes:
            value = getattr(self, name)
            if min(value if isinstance(value, tuple) else (value,)) < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if len(self.frequency_strides) < 2:
            raise ValueError(f"frequency_strides must have at least 2 values, got {self.frequency_strides}")
        self._check_spectra()

    def _check_spectra(self) -> None:
        if any(n_fft < 2 or n_fft % 2 for n_fft in self.n_ffts):
            raise ValueError(f"every value of n_ffts must be even and at least 2, got {self.n_ffts}")
        if not 1 / min(self.n_ffts) <= self.hop_factor <= 1:
            raise ValueError(
                f"hop_factor must be at most 1 and make a hop of at least one sample, got {self.hop_factor} "
                f"for n_ffts={self.n_ffts}"
            )
        for band in self.resolution_bands:
            if len(band) != 2 or not 0 <= band[0] < band[1] <= 1:
                raise ValueError(f"every band must be (low, high) with 0 <= low < high <= 1, got {band}")
            for n_fft in self.n_ffts:
                low, high = bins_of(band, n_fft)
                if low == high:
                    raise ValueError(f"band {band} contains no bin at n_fft={n_fft}")


def check_length(options: Discriminators, n_samples: int, name: str) -> None:
    """Raises ConfigError if audio is too short for the discriminators: before a training, not once they join it.

    Args:
        options: their sizes.
        n_samples: shortest length of the audio that they get.
        name: the setting that the length follows from.
    """
    needed = max(min_period_samples(max(options.periods)), min_spectrum_samples(max(options.n_ffts)))
    if n_samples < needed:
        raise ConfigError(
            f"{name} is too small: it leaves {n_samples} samples, and the discriminators need {needed}, for n_ffts="
            f"{options.n_ffts} and periods={options.periods}; raise it, or choose smaller discriminators"
        )


def min_period_samples(period: int) -> int:
    """Returns the length of the shortest signal whose end can be mirrored to a whole period."""
    return period // 2 + 1


def min_spectrum_samples(n_fft: int) -> int:
    """Returns the length of the shortest signal whose ends can be mirrored into a whole frame."""
    return n_fft // 2 + 1


def bins_of(band: tuple[float, float], n_fft: int) -> tuple[int, int]:
    """Returns the first bin of a band and the one after its last."""
    n_bins = n_fft // 2 + 1
    # Truncated as in the reference: another rounding would move the edges of bands for which weights were trained.
    return int(band[0] * n_bins), int(band[1] * n_bins)
