"""Trains NeMo's FastPitch; the same command goes on from the last checkpoint.

python recipes/tts/nemo/train.py corpus=CORPUS exp_manager.exp_dir=runs

A corpus without `alignments/` wants known_durations=false and many more steps.
"""

import sys
from pathlib import Path

import lightning.pytorch as pl
from nemo.collections.tts.models import FastPitchModel
from nemo.core.config import hydra_runner
from nemo.utils.exp_manager import exp_manager
from omegaconf import DictConfig

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from known_durations import make_loader
from lacks import find_lacks, report


@hydra_runner(config_path=".", config_name="fastpitch")
def main(cfg: DictConfig) -> None:
    corpus = Path(cfg.corpus)
    if cfg.known_durations and (lacks := find_lacks(corpus, "alignments")):
        sys.exit(report(lacks, 2))
    trainer = pl.Trainer(**cfg.trainer)
    exp_manager(trainer, cfg.get("exp_manager"))
    model = FastPitchModel(cfg=cfg.model, trainer=trainer)
    print(f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.2f} M parameters")
    if cfg.known_durations:
        model._train_dl = make_loader(model, model.cfg.train_ds, corpus, cfg.most_frames, shuffle=True)
        model._validation_dl = make_loader(model, model.cfg.validation_ds, corpus, cfg.most_frames, shuffle=False)
    trainer.fit(model)


if __name__ == "__main__":
    main()
