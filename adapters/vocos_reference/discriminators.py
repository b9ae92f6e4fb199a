"""The discriminators of ``vocos.discriminators``: this package's, called with a real and a generated signal."""

from __future__ import annotations

from torch import Tensor

from vocos_plugins.training import discriminators
from vocos_plugins.training.discriminator_sizes import Discriminators

from .blocks import keep_old_names

Judged = tuple[list[Tensor], list[Tensor], list[list[Tensor]], list[list[Tensor]]]


class MultiPeriodDiscriminator(discriminators.MultiPeriodDiscriminator):
    """Judges signals by their samples at several periods.

    Args:
        periods: samples.
        num_embeddings: bandwidths that it is conditioned on; None for none.
    """

    def __init__(self, periods: tuple[int, ...] = (2, 3, 5, 7, 11), num_embeddings: int | None = None) -> None:
        super().__init__(Discriminators(periods=tuple(periods)), num_embeddings)
        keep_old_names(self)

    def forward(self, y: Tensor, y_hat: Tensor, bandwidth_id: Tensor | None = None) -> Judged:  # type: ignore[override]
        """Returns the scores of real signals and of generated ones, then the layer outputs of both."""
        real, generated = (super(MultiPeriodDiscriminator, self).forward(each, bandwidth_id) for each in (y, y_hat))
        return real.scores, generated.scores, real.features, generated.features


class MultiResolutionDiscriminator(discriminators.MultiResolutionDiscriminator):
    """Judges signals by complex spectra at several resolutions.

    Args:
        fft_sizes: samples.
        num_embeddings: bandwidths that it is conditioned on; None for none.
    """

    def __init__(self, fft_sizes: tuple[int, ...] = (2048, 1024, 512), num_embeddings: int | None = None) -> None:
        super().__init__(Discriminators(n_ffts=tuple(fft_sizes)), num_embeddings)
        keep_old_names(self)

    def forward(self, y: Tensor, y_hat: Tensor, bandwidth_id: Tensor | None = None) -> Judged:  # type: ignore[override]
        """Returns the scores of real signals and of generated ones, then the layer outputs of both."""
        real, generated = (super(MultiResolutionDiscriminator, self).forward(each, bandwidth_id) for each in (y, y_hat))
        return real.scores, generated.scores, real.features, generated.features
