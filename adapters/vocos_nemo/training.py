"""The training methods of `vocos_nemo.vocoder.VocosModel`, which NeMo's trainer calls; imports no NeMo."""

from __future__ import annotations

import copy
import os
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import DictConfig, ListConfig, base, nodes, open_dict
from torch import Tensor

from vocos_plugins import Vocos
from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.mel import MelSpectrogram
from vocos_plugins.training.averaging import update_average
from vocos_plugins.training.callbacks import Examples
from vocos_plugins.training.discriminator_files import save_discriminators
from vocos_plugins.training.divergence import check_gradients, check_weights
from vocos_plugins.training.objective import Objective
from vocos_plugins.training.schedule import Optimization
from vocos_plugins.training.warm_start import warm_start

from .callbacks import StopOnSigterm
from .generator import VocosGenerator
from .training_config import inference_state, read_loader, read_measures, read_objective, read_section

# Types of the settings in Lightning's checkpoints, as `exp_manager` and hydra store them.
CONFIG_TYPES = (
    DictConfig,
    ListConfig,
    base.ContainerMetadata,
    base.Metadata,
    nodes.AnyNode,
    Any,
    dict,
    list,
    int,
    defaultdict,
)
SOURCES = ("init_from_nemo_model", "init_from_pretrained_model")

Batch = Mapping[str, Tensor]

# A mixin: VocosModel brings the LightningModule, by NeMo's Vocoder. Only type checkers need it here.
if TYPE_CHECKING:
    from lightning.pytorch import LightningModule as Base
else:
    Base = object


class TrainingMixin(Base):
    """The methods of `VocosModel` that only training needs.

    A model whose configuration has a ``train_ds`` gets, in addition to its `generator`: ``objective``, discriminators
    and losses; ``average``, the averaged generator for validation and inference; ``front_end``, the mel of a recording.
    Lightning's ``.ckpt`` holds all of them, a ``.nemo`` file only the averaged weights.
    """

    cfg: Any
    generator: VocosGenerator
    objective: Objective | None
    sample_rate: int
    _saves_inference_state = False

    def setup_training_data(self, train_data_config: Any) -> None:
        """Makes the loader of ``train_ds``, with ``dataset`` (for `ClipDataset`) and ``dataloader_params``."""
        self._train_dl = read_loader(train_data_config, self.cfg.preprocessor, "train_ds", shuffle=True)
        # NeMo's constructor calls this before there is a generator; VocosModel then prepares the training itself.
        if hasattr(self, "generator"):
            self.prepare_training()

    def setup_validation_data(self, val_data_config: Any) -> None:
        """Makes the loader of ``validation_ds``, which has the fields of ``train_ds``."""
        self._validation_dl = read_loader(val_data_config, self.cfg.preprocessor, "validation_ds", shuffle=False)

    def prepare_training(self) -> None:
        """Builds everything that only training needs, once.

        Raises:
            ConfigError: a section of the configuration is invalid, or the mel conversion is lossy.
        """
        if self.objective is not None:
            return
        if self.generator.alignment.kind == "lossy":
            raise ConfigError(f"training needs an exact mel conversion.\n{self.generator.alignment}")
        if (upsample := self.generator.vocos.config.upsample) > 1:
            raise ConfigError(f"training needs a head at the mel's sample rate, this one has upsample={upsample}")
        self.automatic_optimization = False  # two optimizers take turns in one step
        self.measures = read_measures(self.cfg)
        self.optimization = read_section(Optimization, self.cfg, "optimization")
        self.objective = read_objective(self.generator.vocos.config, self.cfg)
        if self._train_dl is not None:  # a model can be made without data, and given it later
            # A frame less than the mel has is decoded.
            n_samples = self._train_dl.dataset.n_samples - self.generator.source.hop_length
            self.objective.check_length(n_samples, "train_ds.dataset.n_samples")
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.front_end = MelSpectrogram(self.generator.source)

    @property
    def vocos(self) -> Vocos:
        """The core's model."""
        return self.generator.vocos

    @property
    def generator_step(self) -> int:
        """Number of steps so far. Lightning's ``global_step`` is the same: see `training_step`."""
        return int(self.global_step)

    def configure_callbacks(self) -> Any:
        """Returns NeMo's callbacks, a clean end on SIGTERM, and audio and pictures for TensorBoard."""
        return [*super().configure_callbacks(), StopOnSigterm(), Examples()]

    def configure_optimizers(self) -> Any:
        """Returns AdamW for the generator and for the discriminators; `training_step` sets their rate."""
        options, objective = self.optimization, self._objective()
        discriminators = chain(*(part.parameters() for part in objective.discriminators))
        parameters = (filter(lambda each: each.requires_grad, self.vocos.parameters()), discriminators)
        betas = (options.betas[0], options.betas[1])
        return [
            torch.optim.AdamW(each, options.learning_rate, betas, weight_decay=options.weight_decay)
            for each in parameters
        ]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Makes one step of the discriminators, if they take part already, and one of the generator.

        Raises:
            DivergenceError: a loss, a gradient or a weight is not finite.
        """
        objective, step = self._objective(), self.generator_step
        optimizers: Any = self.optimizers()
        # Lightning would count both optimizers' steps, and so reach max_steps, checkpoints and log steps too early.
        # Lightning sets them again before each step (2.4, loops/optimization/manual.py).
        optimizers[1]._on_before_step = optimizers[1]._on_after_step = _count_nothing
        rate = self.optimization.rate_at(step, self._max_steps())
        for group in chain(*(optimizer.param_groups for optimizer in optimizers)):
            group["lr"] = rate
        bandwidth_hz, adversarial = batch["bandwidth_hz"], step >= objective.weights.pretrain_steps
        signals = objective.signals(batch["audio"], self._synthesize(self.generator, batch), bandwidth_hz)
        logged: dict[str, Tensor] = {}
        if adversarial:
            loss, logged = objective.discriminator_loss(signals)
            self._descend(optimizers[1], loss, logged, torch.nn.ModuleList(objective.discriminators))
        loss, terms = objective.generator_loss(signals, bandwidth_hz, adversarial=adversarial)
        self._descend(optimizers[0], loss, terms, self.generator)
        update_average(self.average, self.generator, self.optimization.average_decay_at(step))
        values = {f"train/{name}": value for name, value in (logged | terms).items()}
        self.log_dict({**values, "train/learning_rate": rate}, batch_size=len(signals.fake))
        # The name of HifiGanModel's loss in the progress bar.
        self.log("g_l1_loss", terms["generator/mel"], prog_bar=True, logger=False, batch_size=len(signals.fake))

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Tensor:
        """Logs ``val_loss``, the mel distance of the averaged generator; returns its audio ``(B, N)``."""
        objective = self._objective()
        with torch.no_grad():
            fake = self._synthesize(self.average, batch)
        real, fake, _ = objective.signals(batch["audio"], fake)
        loss = objective.mel_loss(fake, real, batch["bandwidth_hz"])
        # NeMo's exp_manager chooses the best checkpoint by this name.
        self.log("val_loss", loss, prog_bar=True, on_epoch=True, sync_dist=True, batch_size=len(fake))
        self._log_measures(real, fake)
        return fake

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the state dict; for a ``.nemo`` file, that of the averaged generator only."""
        state = super().state_dict(*args, **kwargs)
        return inference_state(state) if self._saves_inference_state else state

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Loads a state dict; a model for inference takes the averaged generator out of a training's checkpoint."""
        return super().load_state_dict(
            state_dict if self.objective is not None else inference_state(state_dict), *args, **kwargs
        )

    def save_to(self, save_path: str) -> None:
        """Saves ``X.nemo``; in training, also writes a folder ``X`` next to it for `Vocos.from_pretrained`.

        Both have the averaged generator. The folder also has the discriminators, for ``init_from_vocos``.
        """
        if self.objective is None:
            super().save_to(save_path)
            return
        provenance = {**self.vocos.provenance, "steps": self.generator_step}
        with open_dict(self.cfg), self._inference_states():
            self.cfg.provenance = provenance
            super().save_to(save_path)
        # NeMo writes its file in one process, too.
        if self.global_rank == 0:
            directory = Path(os.path.expanduser(save_path)).with_suffix("")
            self.average.vocos.provenance = provenance
            self.average.vocos.save_pretrained(directory)
            save_discriminators(self.objective, directory)

    def maybe_init_from_pretrained_checkpoint(self, cfg: Any, map_location: str = "cpu") -> None:
        """Reads NeMo's options and ``init_from_vocos``: a directory, a bundled model, or a Hugging Face repository."""
        # NeMo reads init_from_ptl_ckpt with torch.load, which refuses the settings in Lightning's checkpoints.
        with torch.serialization.safe_globals(list(CONFIG_TYPES)):
            super().maybe_init_from_pretrained_checkpoint(cfg, map_location)
        if self.objective is None:
            return
        if source := cfg.get("init_from_vocos"):
            for line in warm_start(self.vocos, self.objective, str(source)):
                warnings.warn(line, stacklevel=2)
        # These fill only the generator: the average starts from the same weights.
        if source or any(cfg.get(name) for name in SOURCES):
            self.average.load_state_dict(self.generator.state_dict())

    def _synthesize(self, generator: VocosGenerator, batch: Batch) -> Tensor:
        # Mels predicted by a model come from the data set; others are computed from the audio, here on the GPU.
        if "mel" in batch:
            audio: Tensor = generator(x=batch["mel"])
            return audio[:, 0]
        mel = self.front_end(batch["audio"])
        return generator.alignment.trim(generator.vocos.synthesize(generator.alignment(mel)), mel.shape[-1])

    def _log_measures(self, real: Tensor, fake: Tensor) -> None:
        """Logs the means of the configuration's ``measures``, under their names in `vocos_plugins.evaluation`."""
        for measure in self.measures:
            pairs = zip(real.float().cpu().numpy(), fake.float().cpu().numpy(), strict=True)
            values = [measure(*pair, self.sample_rate).value for pair in pairs]
            if known := [value for value in values if value is not None]:
                mean = torch.tensor(sum(known) / len(known), device=self.device)
                self.log(f"val_{measure.name}", mean, on_epoch=True, sync_dist=True, batch_size=len(known))

    def _descend(self, optimizer: Any, loss: Tensor, logged: Mapping[str, Tensor], part: torch.nn.Module) -> None:
        step = self.generator_step + 1
        optimizer.zero_grad()
        self.manual_backward(loss)
        check_gradients(part, logged, step)
        if self.optimization.gradient_clip is not None:
            self.clip_gradients(optimizer, self.optimization.gradient_clip, "norm")
        optimizer.step()
        check_weights(part, step)

    def _max_steps(self) -> int:
        # Lightning's -1 means no limit; then the epochs decide.
        return int(self.trainer.max_steps if self.trainer.max_steps > 0 else self.trainer.estimated_stepping_batches)

    def _objective(self) -> Objective:
        if self.objective is None:
            raise ConfigError("the model has no train_ds: call setup_training_data(config) before it is trained")
        return self.objective

    @contextmanager
    def _inference_states(self) -> Iterator[None]:
        """Makes `state_dict` return the inference state: NeMo's `save_to` calls it without arguments."""
        self._saves_inference_state = True
        try:
            yield
        finally:
            self._saves_inference_state = False


def _count_nothing() -> None:
    """Replaces Lightning's counter of steps."""
