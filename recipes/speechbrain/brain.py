"""SpeechBrain ``Brain`` that trains Vocos adversarially, with the losses and weights of `vocos_plugins`."""

from __future__ import annotations

import copy
import signal
from collections import defaultdict
from types import FrameType
from typing import Any

import speechbrain as sb
import torch
from models import write_models
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.logger import get_logger
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from validation import Validation

from vocos_plugins.training.averaging import update_average
from vocos_plugins.training.divergence import check_weights
from vocos_plugins.training.objective import Logged, Objective, Signals

logger = get_logger(__name__)
BEST = "mel_distance"


class DiscriminatorLoss(nn.Module):
    """`Objective.discriminator_loss` as a module, since DDP synchronizes gradients of module calls only.

    The generator's loss calls the objective directly, as it has no gradient for the discriminators.
    """

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Logged]:
        """Returns the loss for audio ``(B, N)``, and the values to log."""
        return self.objective.discriminator_loss(Signals(real, fake, None))


class VocosBrain(sb.Brain):  # type: ignore[misc]  # SpeechBrain has no types
    """Trains discriminators and generator in turn; validates and writes a moving average of the generator.

    ``optimizer_step`` counts the generator's steps; every number of steps refers to it. SIGTERM ends the run with a
    checkpoint after the current step.
    """

    def __init__(self, *, hparams: dict[str, Any], run_opts: Any, checkpointer: Any) -> None:
        generator, objective = hparams["generator"], hparams["objective"]
        modules = {**hparams["modules"], "discriminators": DiscriminatorLoss(objective)}
        super().__init__(modules, None, hparams, run_opts, checkpointer)
        if self.grad_accumulation_factor != 1:
            raise ValueError(
                f"grad_accumulation_factor is {self.grad_accumulation_factor}, but two networks take turns here; "
                "change batch_size and learning_rate instead"
            )
        self.generator, self.objective = generator, objective
        self.average = copy.deepcopy(generator).requires_grad_(False).eval()
        self.optimization = hparams["optimization"]
        self.sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.device))
        self.train_stats: dict[str, float] = {}
        self.board: Any = None
        self.stopped = False
        self.loaders: list[Any] = []
        if checkpointer is not None:
            checkpointer.add_recoverable("average", self.average)

    def init_optimizers(self) -> None:
        """Makes one AdamW for the generator and one for the discriminators."""
        options = self.optimization
        self.optimizers_dict = {
            name: torch.optim.AdamW(
                self.modules[name].parameters(), options.learning_rate, options.betas, weight_decay=options.weight_decay
            )
            for name in ("generator", "discriminators")
        }
        for name, optimizer in self.optimizers_dict.items():
            if self.checkpointer is not None:
                self.checkpointer.add_recoverable(f"optimizer_{name}", optimizer)

    def compute_forward(self, batch: Any, stage: sb.Stage) -> tuple[Tensor, Tensor]:
        """Returns real and generated audio, ``(B, N)`` each, of the generator in training and its average otherwise."""
        batch = batch.to(self.device)
        real = batch.sig.data
        mel = batch.mel.data if hasattr(batch, "mel") else self.generator.vocos.feature_extractor(real)
        # By self.modules, since DDP wraps what is there; the average has no gradients to share.
        generate = self.modules.generator if stage == sb.Stage.TRAIN else self.average
        return real, generate(mel)[:, 0, : real.shape[1]].float()

    def fit_batch(self, batch: Any) -> Tensor:
        """Takes one step of the discriminators, once they have joined, and one of the generator."""
        # Set in each step, by the steps so far: there is no scheduler whose state would have to be saved.
        rate = self.optimization.rate_at(self.optimizer_step, self.hparams.max_steps)
        for optimizer in self.optimizers_dict.values():
            optimizer.param_groups[0]["lr"] = rate
        adversarial = self.optimizer_step >= self.objective.weights.pretrain_steps
        logged: Logged = {}
        with self.training_ctx:
            real, fake = self.compute_forward(batch, sb.Stage.TRAIN)
        bandwidth_hz = batch.bandwidth_hz.to(fake)
        signals = self.objective.signals(real, fake, bandwidth_hz)
        if adversarial:
            with self.training_ctx:
                loss, logged = self.modules.discriminators(signals.real, signals.fake.detach())
            self._descend("discriminators", loss)
        with self.training_ctx:
            loss, terms = self.objective.generator_loss(signals, bandwidth_hz, adversarial=adversarial)
        self._descend("generator", loss)
        self.scaler.update()
        update_average(self.average, self.generator, self.optimization.average_decay_at(self.optimizer_step))
        self.optimizer_step += 1
        for name, value in {**logged, **terms, "steps": torch.ones_like(loss)}.items():
            self.sums[name] += value.detach()
        distance: Tensor = terms["generator/mel"].cpu()
        return distance

    def evaluate_batch(self, batch: Any, stage: sb.Stage) -> Tensor:
        """Returns the mel distance of the averaged generator on whole recordings."""
        with self.evaluation_ctx:
            real, fake = self.compute_forward(batch, stage)
        bandwidth_hz = batch.bandwidth_hz.to(fake)
        real = real[:, : fake.shape[1]]
        self.validation.add(batch.id[0], real[0], fake[0])
        distance: Tensor = self.objective.mel_loss(fake, real, bandwidth_hz).cpu()
        return distance

    def make_dataloader(self, dataset: Any, stage: sb.Stage, **options: Any) -> Any:
        """Makes the loader like ``Brain``; refuses training data without a whole batch: its epochs would be empty."""
        loader = super().make_dataloader(dataset, stage, **options)
        if stage == sb.Stage.TRAIN and not len(loader):
            raise ValueError(
                f"{len(dataset)} recordings to train on are fewer than batch_size on all processes, "
                f"{options.get('batch_size')} on each; lower it"
            )
        self.loaders.append(loader)
        return loader

    def on_fit_start(self) -> None:
        """Recovers like ``Brain``, and handles SIGTERM, which schedulers send some time before SIGKILL."""
        super().on_fit_start()
        signal.signal(signal.SIGTERM, self._on_sigterm)
        # The loader's processes inherit this mask. Schedulers signal them too, but the step still needs its batch.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        logger.info("From now on, SIGTERM saves the state and ends the run")

    def fit(self, *args: Any, **options: Any) -> None:
        """Fits like ``Brain``, and restores the SIGTERM handler afterwards."""
        handler = signal.getsignal(signal.SIGTERM)
        try:
            super().fit(*args, **options)
        finally:
            self._end_loaders()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            signal.signal(signal.SIGTERM, handler)

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Clears the values that a stage collects."""
        self.sums.clear()
        self.validation = Validation(self.hparams)

    def on_stage_end(self, stage: sb.Stage, stage_loss: float, epoch: int | None = None) -> None:
        """Logs; after a validation also saves, and writes the models if they are the best so far."""
        if stage == sb.Stage.TRAIN:
            steps = float(self.sums.pop("steps", 1))
            self.train_stats = {name: float(value) / steps for name, value in self.sums.items()}
            return
        stats = {BEST: stage_loss, **self.validation.scores()}
        rate = self.optimization.rate_at(self.optimizer_step, self.hparams.max_steps)
        meta = {"epoch": epoch, "step": self.optimizer_step, "learning_rate": rate}
        if stage == sb.Stage.TEST:
            self.hparams.train_logger.log_stats({"step loaded": self.optimizer_step}, test_stats=stats)
            return
        self.hparams.train_logger.log_stats(meta, self.train_stats, stats)
        if self.board is not None:
            scalars = {f"train/{name}": value for name, value in self.train_stats.items()}
            scalars |= {f"valid/{name}": value for name, value in stats.items()} | {"learning_rate": rate}
            self.validation.show(self.board, self.optimizer_step, scalars)
        self.checkpointer.save_and_keep_only(meta={BEST: stage_loss, **meta}, min_keys=[BEST])
        best = self.checkpointer.find_checkpoint(min_key=BEST)
        if if_main_process() and best is not None and best.meta["step"] == self.optimizer_step:
            write_models(self.average.vocos, self.objective, self.hparams.output_folder, self.optimizer_step)
        # For a signal that came during the validation.
        self._agree_to_stop()
        self._exit_if_stopped()

    def _descend(self, name: str, loss: Tensor) -> None:
        if not torch.isfinite(loss):
            raise ValueError(
                f"the loss of the {name} is {float(loss)} at step {self.optimizer_step}. The last checkpoint is not "
                f"affected; resume from it with a learning_rate below {self.optimization.learning_rate}"
            )
        optimizer = self.optimizers_dict[name]
        # Before, not after: the generator's loss also leaves gradients in the discriminators.
        optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.optimization.gradient_clip is not None:
            self.scaler.unscale_(optimizer)
            clip_grad_norm_(self.modules[name].parameters(), self.optimization.gradient_clip)
        self.scaler.step(optimizer)
        check_weights(self.modules[name], self.optimizer_step)

    def _end_loaders(self) -> None:
        """Ends the loaders' processes, which would outlive an epoch that ended early.

        At exit, Python would send them SIGTERM, which they block, and wait for them forever.
        """
        for loader in self.loaders:
            end = getattr(loader._speechbrain_iterator, "_shutdown_workers", None)
            if end is not None:
                end()

    def _should_save_intra_epoch_ckpt(self, last_ckpt_time: float, steps_since_ckpt: int) -> bool:
        # Brain asks this after each step and then saves, so a stop loses no steps. All processes have to take part.
        wanted: bool = self._agree_to_stop() or super()._should_save_intra_epoch_ckpt(last_ckpt_time, steps_since_ckpt)
        return wanted

    def _save_intra_epoch_ckpt(self) -> None:
        super()._save_intra_epoch_ckpt()
        self._exit_if_stopped()

    def _agree_to_stop(self) -> bool:
        """Returns whether any process has received SIGTERM; they may do so at different steps."""
        # The main thread blocks SIGTERM (see `on_fit_start`), so it stays pending and calls no handler.
        self.stopped |= signal.SIGTERM in signal.sigpending()
        if torch.distributed.is_initialized():
            stopped = torch.tensor(float(self.stopped), device=self.device)
            torch.distributed.all_reduce(stopped, torch.distributed.ReduceOp.MAX)
            self.stopped = bool(stopped)
        return self.stopped

    def _exit_if_stopped(self) -> None:
        if self.stopped:
            logger.info("SIGTERM: the state is saved; run the same command to continue")
            raise SystemExit(0)

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
