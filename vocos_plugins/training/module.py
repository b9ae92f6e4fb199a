"""One training step of generator and discriminators, as a Lightning module."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import lightning
import torch
from torch import Tensor, nn

from ..model import Vocos
from .config import TrainingConfig
from .data import Clip
from .discriminators import Judgement, build_discriminators
from .inputs import build_inputs
from .losses import MelLoss, PhaseLoss, discriminator_loss, feature_matching_loss, generator_loss, low_pass

Logged = dict[str, Tensor]


class Signals(NamedTuple):
    """Real and generated audio ``(B, N)``, band-limited alike, and what the discriminators are conditioned on."""

    real: Tensor
    fake: Tensor
    bandwidth_id: Tensor | None


class VocosTraining(lightning.LightningModule):
    """Trains a `Vocos` with the paper's losses (section 3.4): hinge GAN, feature matching, mel L1.

    Optimization is manual, as two networks take turns. `generator_step` counts the generator's steps, which is what
    every number of steps in the configuration means; Lightning's own ``global_step`` counts both networks'.

    Args:
        config: of the run.

    Raises:
        ConfigError: the model takes EnCodec codes, and EnCodec's weights are not named or can't be loaded.
    """

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.config = config
        self.generator_step = 0
        self.vocos = Vocos(config.model)
        self.inputs = build_inputs(config, self.vocos)
        self.average = copy.deepcopy(self.vocos).requires_grad_(False).eval()
        self.multi_period, self.multi_resolution = build_discriminators(
            config.discriminators, config.model.n_bandwidths
        )
        losses, sample_rate = config.losses, self.vocos.sample_rate
        self.mel_loss = MelLoss(
            sample_rate,
            losses.mel_resolutions,
            mel_scale=losses.mel_scale,
            mel_norm=losses.mel_norm,
            floor=losses.mel_floor,
        )
        self.phase_loss = PhaseLoss(losses.phase_n_ffts, sample_rate)
        self.resolution_weight = losses.resolution_at(sample_rate)

    @property
    def discriminators(self) -> Sequence[nn.Module]:
        """Both discriminators."""
        return (self.multi_period, self.multi_resolution)

    @property
    def adversarial(self) -> bool:
        """Whether the discriminators have joined."""
        return self.generator_step >= self.config.losses.pretrain_steps

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Generator's and discriminators' AdamW."""
        options = self.config.optimization

        def adam(parameters: Any) -> torch.optim.Optimizer:
            betas = (options.betas[0], options.betas[1])
            return torch.optim.AdamW(parameters, options.learning_rate, betas, weight_decay=options.weight_decay)

        trainable = [parameter for parameter in self.vocos.parameters() if parameter.requires_grad]
        return [adam(trainable), adam(chain(*(part.parameters() for part in self.discriminators)))]

    def training_step(self, batch: Clip, batch_idx: int) -> None:
        """One step of the discriminators, if they have joined, and one of the generator."""
        optimizers: Any = self.optimizers()
        rate = self.config.optimization.rate_at(self.generator_step, self.config.run.max_steps)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        bandwidth_hz = batch["bandwidth_hz"]
        given = self.inputs.train(self.vocos, batch["audio"], self.generator_step)
        fake = self.vocos.synthesize(given.features, given.bandwidth_id)
        n_samples = min(fake.shape[1], given.audio.shape[1])
        # What lies above a source's own band trains nothing.
        real, fake = (low_pass(x[:, :n_samples], bandwidth_hz, self.vocos.sample_rate) for x in (given.audio, fake))
        signals = Signals(real, fake, given.bandwidth_id)
        logged: Logged = {}
        if self.adversarial:
            logged |= self._step_discriminators(optimizers[1], signals)
        logged |= self._step_generator(optimizers[0], signals, bandwidth_hz)
        self._update_average()
        self.generator_step += 1
        self.log_dict(
            {**{f"train/{name}": value for name, value in logged.items()}, "train/learning_rate": rate},
            batch_size=real.shape[0],
        )
        self.log("step", float(self.generator_step))  # what loggers count by

    def validation_step(self, batch: Clip, batch_idx: int) -> Tensor:
        """Mel distance of the averaged generator; gives its audio ``(B, N)``."""
        real = batch["audio"]
        given = self.inputs.validate(self.average, real)
        with torch.no_grad():
            fake = self.average.synthesize(given.features, given.bandwidth_id)[:, : real.shape[1]]
        loss = self.mel_loss(fake, real[:, : fake.shape[1]], batch["bandwidth_hz"])
        self.log("validation/mel", loss, prog_bar=True, sync_dist=True, batch_size=real.shape[0])
        self.log("step", float(self.generator_step))
        return fake

    def _step_discriminators(self, optimizer: Any, signals: Signals) -> Logged:
        real, fake, ids = signals.real, signals.fake.detach(), signals.bandwidth_id
        period, resolution = (
            discriminator_loss(part(real, ids).scores, part(fake, ids).scores) for part in self.discriminators
        )
        self._descend(optimizer, period + self.resolution_weight * resolution)
        return {"discriminator/period": period.detach(), "discriminator/resolution": resolution.detach()}

    def _step_generator(self, optimizer: Any, signals: Signals, bandwidth_hz: Tensor) -> Logged:
        weights = self.config.losses
        mel = self.mel_loss(signals.fake, signals.real, bandwidth_hz)
        total, logged = weights.mel * mel, {"generator/mel": mel.detach()}
        if weights.phase:
            phase = self.phase_loss(signals.fake, signals.real, bandwidth_hz)
            total, logged["generator/phase"] = total + weights.phase * phase, phase.detach()
        if self.adversarial:
            adversarial, terms = self._judge(signals)
            total, logged = total + adversarial, logged | terms
        self._descend(optimizer, total)
        return logged | {"generator/total": total.detach()}

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

    def _descend(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        if self.config.optimization.gradient_clip is not None:
            self.clip_gradients(optimizer, self.config.optimization.gradient_clip, "norm")
        optimizer.step()

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = self.config.optimization.average_decay_at(self.generator_step)
        for mean, new in zip(self.average.parameters(), self.vocos.parameters(), strict=True):
            mean.lerp_(new, 1 - decay)
