"""Trains Vocos with NeMo: from scratch, from a checkpoint, or resuming a run. README.md has the commands."""

from pathlib import Path

import lightning.pytorch as pl
from nemo.core.config import hydra_runner
from nemo.utils import logging
from nemo.utils.exp_manager import exp_manager
from omegaconf import DictConfig
from vocos_nemo.vocoder import VocosModel

from vocos_plugins import Vocos
from vocos_plugins.evaluation.certify import certify_trained
from vocos_plugins.training.divergence import DivergenceError


@hydra_runner(config_path="conf", config_name="fastpitch_22050")
def main(cfg: DictConfig) -> None:
    trainer = pl.Trainer(**cfg.trainer)
    exp_manager(trainer, cfg.get("exp_manager"))
    model = VocosModel(cfg=cfg.model, trainer=trainer)
    # Reads NeMo's init_from_ options and ours, init_from_vocos. A run that is resumed loads its own checkpoint in
    # fit().
    model.maybe_init_from_pretrained_checkpoint(cfg=cfg)
    try:
        trainer.fit(model)
    except DivergenceError as error:
        raise SystemExit(str(error)) from error  # exit code 1
    # Not after a stop, from which the run is resumed.
    if trainer.is_global_zero and not trainer.should_stop and trainer.checkpoint_callback is not None:
        certify(model, Path(trainer.checkpoint_callback.dirpath))


def certify(model: VocosModel, folder: Path) -> None:
    """Measures what 8 bits cost the models of a finished run, so that they are used where that is little.

    Args:
        model: whose validation recordings it is measured on.
        folder: with ``X.nemo`` and, next to it, the folder ``X``; both get the certificate.
    """
    recordings = [entry.audio for entry in model._validation_dl.dataset.entries]
    for file in folder.glob("*.nemo"):
        logging.info(certify_trained(file.with_suffix(""), recordings))
        model.vocos.provenance = Vocos.from_pretrained(file.with_suffix(""), precision="float32").provenance
        model.save_to(str(file))


if __name__ == "__main__":
    main()
