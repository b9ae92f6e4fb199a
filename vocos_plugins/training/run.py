"""Runs a training from its configuration: a new one, a resumed one, or one from another checkpoint's weights."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from ..storage.claims import claim
from .callbacks import Checkpoints, Examples
from .config import TrainingConfig
from .data_module import VocosData
from .module import VocosTraining
from .state import LAST, MODEL, load_state, save_model
from .warm_start import warm_start

# Where Lightning, torchrun and schedulers tell a process its place among a run's processes and machines.
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")


def train(config: TrainingConfig, out: Path, *, resume: bool = True) -> VocosTraining:
    """Trains up to ``config.run.max_steps`` generator steps, resuming from ``out/last.ckpt`` if there is one.

    No other run may write to ``out`` meanwhile; what a killed one has left there is removed.

    Args:
        config: configuration of the run.
        out: folder for checkpoints and TensorBoard's log.
        resume: whether to continue an earlier run; if False, ``out`` must not hold one.

    Raises:
        DivergenceError: a loss, a gradient or a weight is no longer finite. What was saved before stays as it is.
        ValueError: ``out`` holds a run and ``resume`` is False, another run is writing to it, or the data or a
            checkpoint cannot be used.
    """
    with claim_run(out):
        return train_claimed(config, out, resume=resume)


def is_first_process() -> bool:
    """Whether this is the first of the run's processes."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


@contextmanager
def claim_run(out: Path) -> Iterator[None]:
    """Claims a run's folder, in the first of the run's processes for all of them."""
    if not is_first_process():
        yield
        return
    with claim(out):
        yield


def train_claimed(config: TrainingConfig, out: Path, *, resume: bool = True) -> VocosTraining:
    """Trains like `train` in a folder that this run has claimed."""
    last = out / LAST
    if last.exists() and not resume:
        raise ValueError(f"{out} already holds a run; choose another folder, or continue it")
    out.mkdir(parents=True, exist_ok=True)
    # Before the modules exist: it is the seed of their initial weights.
    torch.manual_seed(config.run.seed)
    module = VocosTraining(config)
    optimizers = load_state(module, last) if last.exists() else None
    if config.run.init_from is not None and optimizers is None:
        for line in warm_start(module.vocos, module.objective, config.run.init_from):
            warnings.warn(line, stacklevel=2)
        # The average was copied before the warm start, from random weights.
        module.average.load_state_dict(module.vocos.state_dict())
    if config.run.compile:
        # In place: wrapping a module in torch.compile would change the names in its state dict.
        module.vocos.backbone.compile()
        for part in module.discriminators:
            part.compile()
    saving = Checkpoints(out, every=config.run.save_every, keep_every=config.run.keep_every, optimizers=optimizers)
    # A finished run has nothing to fit. Its state is left as it is, and its model is written again if it's gone.
    if module.generator_step < config.run.max_steps:
        build_trainer(config, out, saving).fit(module, VocosData(config))
    elif not (out / MODEL).exists() and is_first_process():
        save_model(module, out / MODEL)
    return module


def build_trainer(config: TrainingConfig, out: Path, saving: Checkpoints) -> lightning.Trainer:
    """Builds the Trainer of a run. A single epoch is as long as the run, so that its progress bar shows the end.

    Raises:
        ValueError: the machine does not have the configured devices.
    """
    run = config.run
    several = run.devices not in (1, "auto") or run.num_nodes > 1
    # The two networks take turns, so each backward pass leaves the other one's parameters without a gradient.
    strategy = "ddp_find_unused_parameters_true" if run.strategy == "auto" and several else run.strategy
    try:
        return _trainer(config, out, saving, strategy)
    except (MisconfigurationException, RuntimeError, ImportError, TypeError, ValueError) as error:
        # Lightning names the devices that there are.
        options = f"accelerator {run.accelerator!r}, devices {run.devices!r}, strategy {run.strategy!r}"
        reason = " ".join(str(error).split())
        raise ValueError(f"run: this machine can't train with {options}: {reason}") from error


def _trainer(config: TrainingConfig, out: Path, saving: Checkpoints, strategy: str) -> lightning.Trainer:
    run = config.run
    return lightning.Trainer(
        accelerator=run.accelerator,
        devices=run.devices,
        num_nodes=run.num_nodes,
        strategy=strategy,
        precision=run.precision,
        max_epochs=1,
        log_every_n_steps=run.log_every,
        val_check_interval=run.validate_every,
        check_val_every_n_epoch=None,  # the interval may be longer than the rest of a resumed run
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # `StepSampler` divides the crops itself
        enable_checkpointing=False,  # `Checkpoints` saves instead; see `state`
        enable_model_summary=False,
        logger=TensorBoardLogger(out, name="", version="log"),
        callbacks=[
            saving,
            Examples(),
            TQDMProgressBar(refresh_rate=10),
        ],
    )
