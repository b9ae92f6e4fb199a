"""One training step of generator and discriminators, as a Lightning module."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import chain
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from ..model import Vocos
from .averaging import update_average
from .config import TrainingConfig
from .data import Clip
from .inputs import build_inputs
from .objective import Logged, Objective


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
        self.objective = Objective(config.model, config.discriminators, config.losses)

    @property
    def discriminators(self) -> Sequence[nn.Module]:
        """Both discriminators."""
        return self.objective.discriminators

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
        signals = self.objective.signals(given.audio, fake, bandwidth_hz, given.bandwidth_id)
        logged: Logged = {}
        if self.adversarial:
            loss, logged = self.objective.discriminator_loss(signals)
            self._descend(optimizers[1], loss)
        loss, terms = self.objective.generator_loss(signals, bandwidth_hz, adversarial=self.adversarial)
        logged |= terms
        self._descend(optimizers[0], loss)
        decay = self.config.optimization.average_decay_at(self.generator_step)
        update_average(self.average, self.vocos, decay)
        self.generator_step += 1
        self.log_dict(
            {**{f"train/{name}": value for name, value in logged.items()}, "train/learning_rate": rate},
            batch_size=len(fake),
        )
        self.log("step", float(self.generator_step))  # what loggers count by

    def validation_step(self, batch: Clip, batch_idx: int) -> Tensor:
        """Mel distance of the averaged generator; gives its audio ``(B, N)``."""
        real = batch["audio"]
        given = self.inputs.validate(self.average, real)
        with torch.no_grad():
            fake = self.average.synthesize(given.features, given.bandwidth_id)[:, : real.shape[1]]
        loss = self.objective.mel_loss(fake, real[:, : fake.shape[1]], batch["bandwidth_hz"])
        self.log("validation/mel", loss, prog_bar=True, sync_dist=True, batch_size=real.shape[0])
        self.log("step", float(self.generator_step))
        return fake

    def _descend(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        if self.config.optimization.gradient_clip is not None:
            self.clip_gradients(optimizer, self.config.optimization.gradient_clip, "norm")
        optimizer.step()
