"""Trains and fine-tunes Vocos in SpeechBrain.

    python train.py hparams/vocos.yaml --data_folder /path/to/LJSpeech-1.1
    torchrun --nproc_per_node=4 train.py hparams/vocos.yaml --data_folder /path/to/LJSpeech-1.1

The same command resumes an interrupted run.
"""

from __future__ import annotations

import copy
import sys
from typing import Any

import speechbrain as sb
from brain import BEST, VocosBrain
from dataio import prepare_datasets
from hyperparameters import find_base, load_hyperparameters
from models import certify_models, start_from
from prepare import prepare
from speechbrain.utils.distributed import run_on_main
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)


def prepare_data(hparams: dict[str, Any]) -> None:
    names = ("data_folder", "save_folder", "splits", "split_ratio", "seed", "mel", "segment_size", "mels_folder")
    run_on_main(prepare, kwargs={name: hparams[name] for name in (*names, "crops", "skip_prep")})


def main(arguments: list[str]) -> None:
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    hparams = load_hyperparameters(hparams_file, overrides)
    sb.utils.distributed.ddp_init_group(run_opts)
    base, changes = find_base(hparams_file, overrides)
    sb.create_experiment_directory(
        experiment_directory=hparams["output_folder"], hyperparams_to_save=base, overrides=copy.deepcopy(changes)
    )
    # A frame less than the mel has is decoded.
    hparams["objective"].check_length(hparams["segment_size"] - hparams["hop_length"], "segment_size")
    prepare_data(hparams)
    datasets = prepare_datasets(hparams)
    if hparams["init_from"] is not None:
        for note in start_from(str(hparams["init_from"]), hparams["generator"].vocos, hparams["objective"]):
            logger.warning(note)
    brain = VocosBrain(hparams=hparams, run_opts=run_opts, checkpointer=hparams["checkpointer"])
    if hparams["use_tensorboard"]:
        brain.board = sb.utils.train_logger.TensorboardLogger(save_dir=hparams["tensorboard_logs"])
    brain.fit(
        hparams["epoch_counter"],
        train_set=datasets["train"],
        valid_set=datasets["valid"],
        train_loader_kwargs=hparams["train_dataloader_opts"],
        valid_loader_kwargs=hparams["valid_dataloader_opts"],
    )
    recordings = [entry["wav"] for entry in datasets["valid"].data.values()]
    run_on_main(certify_models, kwargs={"folder": hparams["output_folder"], "recordings": recordings})
    if "test" in datasets:
        brain.evaluate(datasets["test"], min_key=BEST, test_loader_kwargs=hparams["test_dataloader_opts"])


if __name__ == "__main__":
    main(sys.argv[1:])
