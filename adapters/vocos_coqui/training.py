"""The methods that Coqui TTS's trainer calls: the steps of a GAN, with the losses of `vocos_plugins.training`."""

from __future__ import annotations

import copy
import logging
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from trainer.trainer_utils import get_optimizer
from TTS.vocoder.models.base_vocoder import BaseVocoder
from TTS.vocoder.models.gan import GAN
from TTS.vocoder.utils.generic_utils import plot_results

from vocos_plugins import Vocos
from vocos_plugins.config.mapping import ConfigError, read_dataclass
from vocos_plugins.evaluation.measures import Measure, choose
from vocos_plugins.mel import Alignment, MelConvention
from vocos_plugins.training.averaging import update_average
from vocos_plugins.training.discriminator_sizes import Discriminators
from vocos_plugins.training.divergence import check_gradients, check_losses, check_weights
from vocos_plugins.training.objective import Logged, Objective, Signals
from vocos_plugins.training.schedule import LossWeights, Optimization
from vocos_plugins.training.termination import StopRequest

from .restoring import restore

logger = logging.getLogger("trainer")  # Coqui TTS's console and log file
PARTS = ("multi_period", "multi_resolution")
Step = tuple[dict[str, Any], dict[str, Any]]


class DiscriminatorCriterion(nn.Module):
    """The discriminators' loss, the first criterion of `TrainableVocoder.get_criterion`."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, signals: Signals) -> dict[str, Tensor]:
        loss, logged = self.objective.discriminator_loss(signals)
        return {"loss": loss, **_named(logged)}


class GeneratorCriterion(DiscriminatorCriterion):
    """The generator's loss, the second criterion."""

    def forward(self, signals: Signals, *, adversarial: bool = True) -> dict[str, Tensor]:
        loss, logged = self.objective.generator_loss(signals, adversarial=adversarial)
        return {"loss": loss, **_named(logged)}


class TrainableVocoder(GAN):
    """Coqui TTS's GAN around a `Vocos`, with Coqui TTS's order of optimizers: discriminators, then generator.

    The discriminators are made by `get_criterion`, which the trainer calls first: a model for inference has none.

    Attributes:
        model_g: the generator.
        model_d: both discriminators, once the trainer has called `get_criterion`.
        model_average: mean of the generator's last steps, from then on; it is evaluated, and read from checkpoints.
    """

    model_g: Vocos
    model_d: nn.ModuleDict | None
    model_average: Vocos | None
    source: MelConvention
    alignment: Alignment

    def __init__(self, config: Any) -> None:
        BaseVocoder.__init__(self, config)  # GAN.__init__ would build Coqui TTS's own networks
        self.model_d = None
        self.model_average = None
        # GAN.on_train_step_start sets it, from steps_to_start_discriminator.
        self.train_disc = False
        self._signals: Signals | None = None
        self._measures: tuple[Measure, ...] = ()
        self._stop = StopRequest()
        self._steps_done = 0

    def get_criterion(self) -> list[nn.Module]:
        """Returns the losses of discriminators and generator; makes new discriminators and a new average.

        Raises:
            ConfigError: the configuration can't be trained; the message names the value.
        """
        self._check()
        if self.config.eval_measures:
            self._measures, left_out = choose(self.config.eval_measures)
            for name, reason in left_out.items():
                logger.warning(" > eval_measures: %s is left out: %s", name, reason)
        # Coqpit turns an empty dictionary into None when it reads a command line.
        losses, sizes = self.config.losses or {}, self.config.discriminators or {}
        objective = Objective(
            self.model_g.config,
            read_dataclass(Discriminators, sizes, "discriminators"),
            read_dataclass(LossWeights, losses, "losses"),
        )
        # A frame less than the mel has is decoded.
        objective.check_length(self.config.seq_len - self.source.hop_length, "seq_len")
        self.model_d = nn.ModuleDict(dict(zip(PARTS, objective.discriminators, strict=True)))
        self.model_average = copy.deepcopy(self.model_g).requires_grad_(False)
        return [DiscriminatorCriterion(objective), GeneratorCriterion(objective)]

    def get_optimizer(self) -> list[torch.optim.Optimizer]:
        """Returns the discriminators' optimizer and the generator's."""
        config, rates = self.config, self.get_lr()
        return [
            get_optimizer(config.optimizer, config.optimizer_params, rate, parameters=_trainable(part))
            for part, rate in zip((self.model_d, self.model_g), rates, strict=True)
        ]

    def get_data_loader(self, config: Any, **options: Any) -> Any:
        """Returns Coqui TTS's own loader, of clips or of pairs of clip and mel."""
        samples = options.get("samples")
        if not samples:
            what = "evaluation" if options.get("is_eval", True) else "training"
            raise ConfigError(f"there are no clips for {what}: {config.data_path} holds too few, see eval_split_size")
        return super().get_data_loader(config, **options)

    def train_step(self, batch: dict[str, Tensor], criterion: Any, optimizer_idx: int | None = None) -> Step:
        """Steps the discriminators on the generator's audio, then the generator on the same audio.

        Args:
            batch: ``input`` mels ``(B, n_mels, T)`` of the configuration, ``waveform`` ``(B, 1, T * hop_length)``.
            criterion: the one of `get_criterion` for this optimizer.
            optimizer_idx: 0 for the discriminators, 1 for the generator.
        """
        if optimizer_idx == 0:
            # Kept for the generator's step, which follows on the same batch: the generator runs once, not twice.
            # Losses are computed in float32, whatever precision the generator runs in.
            fake = self(batch["input"])[:, 0].float()
            self._signals = criterion.objective.signals(batch["waveform"][:, 0], fake)
            return {}, self._finite(criterion(self._signals)) if self.train_disc else {}
        if self._signals is None:
            raise ValueError("the generator's step must follow the discriminators': optimizer_idx 0, then 1")
        signals, self._signals = self._signals, None
        losses = self._finite(criterion(signals, adversarial=self.train_disc))
        return {"model_outputs": signals.fake[:, None]}, losses

    def before_gradient_clipping(self) -> None:
        """Ends a run whose gradients are not finite; with mixed precision, the trainer skips such a step itself."""
        for part in (self.model_d, self.model_g):
            if part is not None:
                check_gradients(part, {}, self._steps_done + 1)

    @torch.inference_mode()
    def eval_step(self, batch: dict[str, Tensor], criterion: Any, optimizer_idx: int | None = None) -> Step:
        """Returns the losses of one whole clip, without the discriminators, whose judgement changes."""
        if optimizer_idx == 0:
            return {}, {}
        fake = self(batch["input"], self.model_average)[:, 0].float()
        signals = criterion.objective.signals(batch["waveform"][:, 0], fake)
        losses: dict[str, Any] = criterion(signals, adversarial=False)
        real, copy = (audio[0].cpu().numpy() for audio in (signals.real, signals.fake))
        scores = {each.name: each(real, copy, self.source.sample_rate).value for each in self._measures}
        losses |= {f"measure_{name}": value for name, value in scores.items() if value is not None}
        return {"model_outputs": signals.fake[:, None]}, losses

    def train_log(self, batch: dict[str, Tensor], outputs: dict[str, Tensor], logger: Any, steps: int) -> None:
        """Logs audio and spectrograms of a batch's first clip."""
        figures, sound = self._log("train", batch, outputs)
        logger.train_figures(steps, figures)
        logger.train_audios(steps, sound, self.ap.sample_rate)

    def eval_log(self, batch: dict[str, Tensor], outputs: dict[str, Tensor], logger: Any, steps: int) -> None:
        """Logs audio and spectrograms of an evaluation's last clip."""
        figures, sound = self._log("eval", batch, outputs)
        logger.eval_figures(steps, figures)
        logger.eval_audios(steps, sound, self.ap.sample_rate)

    def _log(self, name: str, batch: dict[str, Tensor], outputs: dict[str, Tensor]) -> tuple[Any, Any]:
        # The trainer appends the optimizer's index to the names of outputs: 1 is the generator.
        fake = outputs["model_outputs_1"]
        real = batch["waveform"][..., : fake.shape[-1]]
        clips = {"copy": fake, "original": real}
        sound = {f"{name}/{what}": audio[0, 0].detach().cpu().numpy() for what, audio in clips.items()}
        return plot_results(fake, real, self.ap, name), sound

    def on_init_start(self, trainer: Any) -> None:
        """Restores from any checkpoint in ``--restore_path``; the trainer itself accepts only its own files."""
        if trainer.args.restore_path and not trainer.continue_run:
            for note in restore(self.model_g, trainer.criterion[0].objective, trainer.args.restore_path):
                logger.warning(" > %s", note)
            logger.info(" > Generator restored from %s", trainer.args.restore_path)
            trainer.args.restore_path = ""  # or the trainer would read the file again, in its own way
            self.model_average.load_state_dict(self.model_g.state_dict())

    def on_init_end(self, trainer: Any) -> None:
        """Handles SIGTERM, which schedulers send before they kill, and lets processes share gradients."""
        self._stop.install()
        if dist.is_available() and dist.is_initialized():
            share_gradients(self)

    def on_train_epoch_start(self, trainer: Any) -> None:
        """Shuffles again for each epoch if there are several processes."""
        sampler = getattr(trainer.train_loader, "sampler", None)
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(trainer.epochs_done)

    def on_train_step_start(self, trainer: Any) -> None:
        """Decides as Coqui TTS does whether the discriminators take part."""
        super().on_train_step_start(trainer)
        self._steps_done = trainer.total_steps_done

    def on_train_step_end(self, trainer: Any) -> None:
        """Updates the average; after a SIGTERM, ends the trainer as Ctrl-C would, but between two steps."""
        check_weights(self, self._steps_done + 1)
        decay = Optimization(ema_decay=self.config.ema_decay).average_decay_at(trainer.total_steps_done)
        update_average(self.model_average, self.model_g, decay)
        stop = torch.tensor(float(self._stop.requested), device=next(self.parameters()).device)
        if dist.is_available() and dist.is_initialized():
            # Processes may get the signal in different steps; if one stopped alone, the others would wait forever.
            dist.all_reduce(stop, dist.ReduceOp.MAX)
        if stop:
            raise KeyboardInterrupt

    def _finite(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Returns losses that are finite; raises `DivergenceError` for others, with which the trainer would go on."""
        check_losses(losses, self._steps_done + 1)
        return losses

    def _check(self) -> None:
        config, model, source = self.config, self.model_g, self.source
        if model.mel is None or (model.sample_rate, model.hop_length) != (source.sample_rate, source.hop_length):
            raise ConfigError(
                "training needs a model with sample rate and hop of the audio block, "
                f"{source.sample_rate} and {source.hop_length}; model_args.features has others"
            )
        if config.seq_len % source.hop_length:
            raise ConfigError(f"seq_len must be a multiple of hop_length {source.hop_length}, got {config.seq_len}")
        if config.conv_pad:
            raise ConfigError(f"conv_pad must be 0, got {config.conv_pad}: it shifts mels against the audio")
        if (config.losses or {}).get("pretrain_steps"):
            raise ConfigError("losses.pretrain_steps must be 0: set steps_to_start_discriminator instead")


def share_gradients(model: nn.Module) -> None:
    """Averages each gradient over all processes as soon as it is computed.

    Coqui's trainer wraps a model for that, but then calls the model inside the wrapper, so that no gradient is shared.
    """

    def average(parameter: Tensor) -> None:
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)
            parameter.grad /= dist.get_world_size()

    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(average)


def _trainable(part: nn.Module | None) -> list[nn.Parameter]:
    return [] if part is None else [parameter for parameter in part.parameters() if parameter.requires_grad]


def _named(logged: Logged) -> Logged:
    """Renames losses as Coqui TTS does: ``generator/mel`` to ``G_mel``."""
    return {f"{name[0].upper()}_{name.split('/')[1]}": value for name, value in logged.items()}
