"""Lightning callbacks: checkpoints, a clean end on SIGTERM, and audio and spectrograms in TensorBoard."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from torch import Tensor

from ..spectral import stft
from .divergence import DivergenceError, check_weights
from .module import VocosTraining
from .state import LAST, MODEL, restore_optimizers, save_model, save_state
from .termination import StopRequest

PICTURE_N_FFT = 512  # samples
N_SHOWN = 3  # validation clips whose audio and spectrogram are logged


class Checkpoints(lightning.Callback):
    """Saves the whole state every ``every`` generator steps, at the end, and on SIGTERM, which then ends the run.

    ``out`` gets ``last.ckpt`` to resume from, and ``model``, a directory for `Vocos.from_pretrained` with the averaged
    generator and, for fine-tuning, the discriminators.

    Args:
        out: output folder.
        every: generator steps between saves.
        keep_every: generator steps between models that are kept, as ``model-0010000``; None keeps only the last.
        optimizers: optimizer states of a run that is resumed.
    """

    def __init__(
        self, out: Path, *, every: int, keep_every: int | None, optimizers: list[dict[str, Any]] | None = None
    ) -> None:
        self.out = out
        self.every = every
        self.keep_every = keep_every
        self._optimizers = optimizers
        self._stop = StopRequest()

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Restores the optimizers, and handles SIGTERM, which schedulers send some time before SIGKILL."""
        # Only now: Lightning creates the optimizers when it starts to train.
        if self._optimizers is not None:
            restore_optimizers(trainer.optimizers, self._optimizers)
        self._stop.install()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves if this step is due, and stops the run after a SIGTERM."""
        step = module.generator_step
        # Under DDP every process gets the signal, but maybe at different steps, so they have to agree on one.
        stop = trainer.strategy.reduce_boolean_decision(self._stop.requested, all=False)
        if trainer.is_global_zero:
            if stop or step % self.every == 0 or step == module.config.run.max_steps:
                self.save(trainer, module)
            if self.keep_every and step % self.keep_every == 0:
                save_model(module, self.out / f"{MODEL}-{step:07d}")
        if stop:
            trainer.should_stop = True

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Saves a run that has diverged before its first save, if its weights are still finite."""
        if not isinstance(exception, DivergenceError) or (self.out / LAST).exists() or not trainer.is_global_zero:
            return
        with suppress(DivergenceError):
            check_weights(pl_module, 0)
            self.save(trainer, cast(VocosTraining, pl_module))

    def save(self, trainer: lightning.Trainer, module: VocosTraining) -> None:
        """Writes state and model."""
        save_state(module, trainer.optimizers, self.out / LAST)
        save_model(module, self.out / MODEL)


class Examples(lightning.Callback):
    """Logs audio and spectrogram of the first validation clips to TensorBoard: original and copy."""

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Logs the first batch's clips."""
        board: Any = getattr(trainer.logger, "experiment", None)
        # Other loggers than TensorBoard's have no add_audio.
        if batch_idx or not trainer.is_global_zero or not hasattr(board, "add_audio"):
            return
        step = module.generator_step
        for clip in range(min(N_SHOWN, len(outputs))):
            for name, audio in (("original", batch["audio"][clip]), ("copy", outputs[clip])):
                board.add_audio(f"{clip}/{name}", audio.float().clamp(-1, 1)[None], step, module.vocos.sample_rate)
                board.add_image(f"{clip}/{name}", picture(audio), step)


def picture(audio: Tensor) -> Tensor:
    """Draws the log spectrogram of a clip ``(N,)`` as a grey image ``(1, F, T)`` in [0, 1].

    The range is 80 dB; 0 Hz is at the bottom.
    """
    window = torch.hann_window(PICTURE_N_FFT, device=audio.device)
    spectrum = stft(audio[None].float(), window, n_fft=PICTURE_N_FFT, hop_length=PICTURE_N_FFT // 4)
    decibels = 20 * spectrum[0].abs().clamp_min(1e-7).log10().flip(0)
    return ((decibels - decibels.max()) / 80 + 1).clamp(0, 1)[None].cpu()
