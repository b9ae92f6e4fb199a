"""Ends a training cleanly on SIGTERM, which schedulers send before they kill."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl

from vocos_plugins.training.termination import StopRequest


class StopOnSigterm(pl.Callback):
    """Callback that ends the training after the current step; ``exp_manager`` then saves ``-last.ckpt``.

    NeMo's own ``PreemptionCallback`` only works with CUDA and ``torch.distributed``, and Lightning's handler ends a run
    without saving.
    """

    def __init__(self) -> None:
        self._stop = StopRequest()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Installs the handler."""
        self._stop.install()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stops all processes after the same step, as each may have received the signal in another."""
        if trainer.strategy.reduce_boolean_decision(self._stop.requested, all=False):
            trainer.should_stop = True

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Restores the previous handler."""
        self._stop.restore()
