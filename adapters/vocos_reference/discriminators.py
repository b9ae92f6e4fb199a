"""The discriminators of ``vocos.discriminators``: this package's, called with a real and a generated signal."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from vocos_plugins.storage.weights import WEIGHT_NORM
from vocos_plugins.training import discriminators
from vocos_plugins.training.discriminator_sizes import Discriminators

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


def keep_old_names(module: nn.Module) -> None:
    """Lets a module's state dict call weight norm's factors ``weight_g`` and ``weight_v``, as published checkpoints do.

    Both names load: torch's weight norm knows the old ones.
    """
    module._register_state_dict_hook(_with_old_names)  # type: ignore[no-untyped-call]


def _with_old_names(_: nn.Module, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    # All keys are put in again, so that their order stays.
    for key in [key for key in state if key.startswith(prefix)]:
        value = state.pop(key)
        for old, new in WEIGHT_NORM.items():
            if key.endswith(new):
                key = key.removesuffix(new) + old  # noqa: PLW2901 - the name to store it by
        state[key] = value
