"""What generator and discriminators are trained for, whoever's trainer takes the steps (paper, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..config import VocosConfig
from .discriminators import Discriminators, Judgement, build_discriminators
from .losses import MelLoss, PhaseLoss, discriminator_loss, feature_matching_loss, generator_loss, low_pass
from .schedule import LossWeights

Logged = dict[str, Tensor]


class Signals(NamedTuple):
    """Real and generated audio ``(B, N)``, band-limited alike, and what the discriminators are conditioned on."""

    real: Tensor
    fake: Tensor
    bandwidth_id: Tensor | None


class Objective(nn.Module):
    """Discriminators and losses: hinge GAN, feature matching, mel L1, and the distance of phases if it is wanted.

    A step is: `signals`; `discriminator_loss`, to be minimized by the discriminators' optimizer; then
    `generator_loss`, by the generator's. Both give what to log beside the loss.

    Args:
        model: the generator's configuration.
        discriminators: their sizes.
        losses: what counts how much.
    """

    def __init__(self, model: VocosConfig, discriminators: Discriminators, losses: LossWeights) -> None:
        super().__init__()
        self.weights = losses
        self.sample_rate = model.features.sample_rate
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
        """Both discriminators."""
        return (self.multi_period, self.multi_resolution)

    def signals(
        self, real: Tensor, fake: Tensor, bandwidth_hz: Tensor | None = None, bandwidth_id: Tensor | None = None
    ) -> Signals:
        """What is compared: as long as the shorter of the two, and without what lies above a source's own band.

        Args:
            real, fake: ``(B, N)``.
            bandwidth_hz: how far each row's recording goes, ``(B,)``; None for all the way.
            bandwidth_id: of an EnCodec model's step, ``(B, 1)`` or ``(1, 1)``.
        """
        n_samples = min(fake.shape[1], real.shape[1])
        real, fake = real[:, :n_samples], fake[:, :n_samples]
        if bandwidth_hz is not None:
            real, fake = (low_pass(audio, bandwidth_hz, self.sample_rate) for audio in (real, fake))
        return Signals(real, fake, bandwidth_id)

    def discriminator_loss(self, signals: Signals) -> tuple[Tensor, Logged]:
        """Of both discriminators; no gradient goes into the generator."""
        real, fake, ids = signals.real, signals.fake.detach(), signals.bandwidth_id
        period, resolution = (
            discriminator_loss(part(real, ids).scores, part(fake, ids).scores) for part in self.discriminators
        )
        logged = {"discriminator/period": period.detach(), "discriminator/resolution": resolution.detach()}
        return period + self.resolution_weight * resolution, logged

    def generator_loss(
        self, signals: Signals, bandwidth_hz: Tensor | None = None, *, adversarial: bool = True
    ) -> tuple[Tensor, Logged]:
        """Of the generator; no gradient goes into the discriminators.

        Args:
            signals: of `signals`.
            bandwidth_hz: what `signals` was given.
            adversarial: whether the discriminators count.
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
        """What the discriminators tell the generator: adversarial and feature matching losses."""
        total = torch.zeros((), device=signals.real.device)
        logged: Logged = {}
        names = ("period", "resolution")
        for name, part, weight in zip(names, self.discriminators, (1.0, self.resolution_weight), strict=True):
            part.requires_grad_(False)  # their own gradients aren't wanted here, and cost as much as the generator's
            with torch.no_grad():
                wanted: Judgement = part(signals.real, signals.bandwidth_id)
            judged: Judgement = part(signals.fake, signals.bandwidth_id)
            part.requires_grad_(True)
            fooled = generator_loss(judged.scores)
            matching = feature_matching_loss(wanted.features, judged.features)
            total = total + weight * (fooled + matching)
            logged |= {f"generator/{name}": fooled.detach(), f"generator/{name}_matching": matching.detach()}
        return total, logged
