"""Ends a training cleanly on SIGTERM, which schedulers send before they kill."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

import lightning.pytorch as pl


class StopOnSigterm(pl.Callback):
    """Callback that ends the training after the current step; ``exp_manager`` then saves ``-last.ckpt``.

    NeMo's own ``PreemptionCallback`` only works with CUDA and ``torch.distributed``, and Lightning's handler ends a run
    without saving.
    """

    def __init__(self) -> None:
        self._stop = False
        self._before: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Installs the handler."""
        # Python allows signal handlers only there.
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._on_sigterm)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stops all processes after the same step, as each may have received the signal in another."""
        if trainer.strategy.reduce_boolean_decision(self._stop, all=False):
            trainer.should_stop = True

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Restores the previous handler."""
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        self._stop = True
