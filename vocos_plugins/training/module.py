"""Training step of generator and discriminators, as a Lightning module."""

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
from .divergence import check_gradients, check_weights
from .inputs import build_inputs
from .objective import Logged, Objective


class VocosTraining(lightning.LightningModule):
    """Trains a `Vocos` with the paper's losses (section 3.4): hinge GAN, feature matching, mel L1.

    Optimization is manual, since two networks take turns. `generator_step` counts the generator's steps; every number
    of steps in the configuration refers to it. Lightning's own ``global_step`` counts both networks' steps.

    Args:
        config: configuration of the run.

    Raises:
        ConfigError: the model takes EnCodec codes, and EnCodec's weights are not named or cannot be loaded.
    """

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.config = config
        self.generator_step = 0
        self.vocos = Vocos(config.model)
        self.inputs = build_inputs(config, self.vocos)
        # Without gradients, so that DDP waits for none of its parameters.
        self.average = copy.deepcopy(self.vocos).requires_grad_(False).eval()
        self.objective = Objective(config.model, config.discriminators, config.losses)

    @property
    def discriminators(self) -> Sequence[nn.Module]:
        """The multi-period and the multi-resolution discriminator."""
        return self.objective.discriminators

    @property
    def adversarial(self) -> bool:
        """Whether the discriminators have joined."""
        return self.generator_step >= self.config.losses.pretrain_steps

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Returns one AdamW for the generator and one for the discriminators."""
        options = self.config.optimization

        def adam(parameters: Any) -> torch.optim.Optimizer:
            betas = (options.betas[0], options.betas[1])
            return torch.optim.AdamW(parameters, options.learning_rate, betas, weight_decay=options.weight_decay)

        # All but EnCodec's codebooks.
        trainable = [parameter for parameter in self.vocos.parameters() if parameter.requires_grad]
        return [adam(trainable), adam(chain(*(part.parameters() for part in self.discriminators)))]

    def training_step(self, batch: Clip, batch_idx: int) -> None:
        """Takes one step of the discriminators, if they have joined, and one of the generator.

        Raises:
            DivergenceError: a loss, a gradient or a weight is not finite.
        """
        optimizers: Any = self.optimizers()
        # Set by the step rather than by a scheduler, which would have a state of its own to resume.
        rate = self.config.optimization.rate_at(self.generator_step, self.config.run.max_steps)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        bandwidth_hz = batch["bandwidth_hz"]
        step_input = self.inputs.train(self.vocos, batch["audio"], self.generator_step)
        # Both networks learn from this one signal (the reference computes it twice). The generator steps last, since
        # its step makes the signal out of date.
        fake = self.vocos.synthesize(step_input.features, step_input.bandwidth_id)
        signals = self.objective.signals(step_input.audio, fake, bandwidth_hz, step_input.bandwidth_id)
        logged: Logged = {}
        if self.adversarial:
            loss, logged = self.objective.discriminator_loss(signals)
            self._descend(optimizers[1], loss, logged, nn.ModuleList(self.discriminators))
        loss, terms = self.objective.generator_loss(signals, bandwidth_hz, adversarial=self.adversarial)
        logged |= terms
        self._descend(optimizers[0], loss, terms, self.vocos)
        decay = self.config.optimization.average_decay_at(self.generator_step)
        update_average(self.average, self.vocos, decay)
        self.generator_step += 1
        self.log_dict(
            {**{f"train/{name}": value for name, value in logged.items()}, "train/learning_rate": rate},
            batch_size=len(fake),
        )
        self.log("step", float(self.generator_step))  # loggers use it in place of Lightning's global_step

    def validation_step(self, batch: Clip, batch_idx: int) -> Tensor:
        """Logs the mel distance of the averaged generator; returns its audio ``(B, N)``."""
        real = batch["audio"]
        step_input = self.inputs.validate(self.average, real)
        with torch.no_grad():
            fake = self.average.synthesize(step_input.features, step_input.bandwidth_id)[:, : real.shape[1]]
        loss = self.objective.mel_loss(fake, real[:, : fake.shape[1]], batch["bandwidth_hz"])
        self.log("validation/mel", loss, prog_bar=True, sync_dist=True, batch_size=real.shape[0])
        self.log("step", float(self.generator_step))
        return fake

    def _descend(self, optimizer: Any, loss: Tensor, logged: Logged, part: nn.Module) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        check_gradients(part, logged, self.generator_step + 1)
        if self.config.optimization.gradient_clip is not None:
            self.clip_gradients(optimizer, self.config.optimization.gradient_clip, "norm")
        optimizer.step()
        check_weights(part, self.generator_step + 1)
