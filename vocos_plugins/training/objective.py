"""Training objective of generator and discriminators, independent of the trainer (paper, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..config import VocosConfig
from .discriminator_sizes import Discriminators, check_length
from .discriminators import Judgement, build_discriminators
from .losses import MelLoss, PhaseLoss, discriminator_loss, feature_matching_loss, generator_loss, low_pass
from .schedule import LossWeights

Logged = dict[str, Tensor]


class Signals(NamedTuple):
    """Real and generated audio ``(B, N)`` with the same bandwidth, and the condition of the discriminators."""

    real: Tensor
    fake: Tensor
    bandwidth_id: Tensor | None


class Objective(nn.Module):
    """Discriminators and losses: hinge GAN, feature matching, mel L1, and optionally the distance of phases.

    A step calls `signals`; then `discriminator_loss`, which the discriminators' optimizer minimizes; then
    `generator_loss`, which the generator's minimizes. Both return the loss and the values to log.

    Args:
        model: the generator's configuration.
        discriminators: sizes of the discriminators.
        losses: weights and resolutions of the losses.
    """

    def __init__(self, model: VocosConfig, discriminators: Discriminators, losses: LossWeights) -> None:
        super().__init__()
        self.weights = losses
        self.sizes = discriminators
        self.sample_rate = model.sample_rate
        self.multi_period, self.multi_resolution = build_discriminators(discriminators, model.n_bandwidths)
        self.mel_loss = MelLoss(
            self.sample_rate,
            losses.mel_resolutions,
            mel_scale=losses.mel_scale,
            mel_norm=losses.mel_norm,
            floor=losses.mel_floor,
        )
        self.phase_loss = PhaseLoss(losses.phase_n_ffts, self.sample_rate)
        self.resolution_weight = losses.resolution_at(self.sample_rate)

    @property
    def discriminators(self) -> Sequence[nn.Module]:
        """The multi-period and the multi-resolution discriminator."""
        return (self.multi_period, self.multi_resolution)

    def check_length(self, n_samples: int, name: str) -> None:
        """Raises ConfigError for audio that is too short for the discriminators; see `discriminators.check_length`."""
        check_length(self.sizes, n_samples, name)

    def signals(
        self, real: Tensor, fake: Tensor, bandwidth_hz: Tensor | None = None, bandwidth_id: Tensor | None = None
    ) -> Signals:
        """Prepares two signals for comparison: cut to the shorter one's length and to the recording's bandwidth.

        Args:
            real, fake: ``(B, N)``.
            bandwidth_hz: bandwidth of each row's recording, ``(B,)``; None for the full band.
            bandwidth_id: EnCodec bandwidth of the step, ``(B, 1)`` or ``(1, 1)``; None for mels.
        """
        # A decoded signal has whole hops, so it can be shorter or longer than the crop.
        n_samples = min(fake.shape[1], real.shape[1])
        real, fake = real[:, :n_samples], fake[:, :n_samples]
        if bandwidth_hz is not None:
            # Above the bandwidth the generator is free, so the discriminators must not judge what it makes there.
            real, fake = (low_pass(audio, bandwidth_hz, self.sample_rate) for audio in (real, fake))
        return Signals(real, fake, bandwidth_id)

    def discriminator_loss(self, signals: Signals) -> tuple[Tensor, Logged]:
        """Returns the loss of both discriminators and the values to log; no gradient flows into the generator."""
        real, fake, ids = signals.real, signals.fake.detach(), signals.bandwidth_id
        period, resolution = (
            discriminator_loss(part(real, ids).scores, part(fake, ids).scores) for part in self.discriminators
        )
        logged = {"discriminator/period": period.detach(), "discriminator/resolution": resolution.detach()}
        return period + self.resolution_weight * resolution, logged

    def generator_loss(
        self, signals: Signals, bandwidth_hz: Tensor | None = None, *, adversarial: bool = True
    ) -> tuple[Tensor, Logged]:
        """Returns the loss of the generator and the values to log; no gradient flows into the discriminators.

        Args:
            signals: as returned by `signals`.
            bandwidth_hz: as passed to `signals`.
            adversarial: whether the discriminators take part.
        """
        weights = self.weights
        mel = self.mel_loss(signals.fake, signals.real, bandwidth_hz)
        total, logged = weights.mel * mel, {"generator/mel": mel.detach()}
        if weights.phase:
            phase = self.phase_loss(signals.fake, signals.real, bandwidth_hz)
            total, logged["generator/phase"] = total + weights.phase * phase, phase.detach()
        if adversarial:
            judged, terms = self._judge(signals)
            total, logged = total + judged, logged | terms
        return total, logged | {"generator/total": total.detach()}

    def _judge(self, signals: Signals) -> tuple[Tensor, Logged]:
        """Returns the adversarial and feature matching losses of the generator, and the values to log."""
        total = torch.zeros((), device=signals.real.device)
        logged: Logged = {}
        names = ("period", "resolution")
        for name, part, weight in zip(names, self.discriminators, (1.0, self.resolution_weight), strict=True):
            part.requires_grad_(False)  # gradients of its weights are unused here and cost as much as the generator's
            # Feature matching takes the real side as a constant.
            with torch.no_grad():
                of_real: Judgement = part(signals.real, signals.bandwidth_id)
            of_fake: Judgement = part(signals.fake, signals.bandwidth_id)
            part.requires_grad_(True)
            adversarial = generator_loss(of_fake.scores)
            matching = feature_matching_loss(of_real.features, of_fake.features)
            total = total + weight * (adversarial + matching)
            logged |= {f"generator/{name}": adversarial.detach(), f"generator/{name}_matching": matching.detach()}
        return total, logged
