"""A corpus of ``make_corpus.py`` as Coqui TTS's configurations name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from TTS.config import load_config
from TTS.config.shared_configs import BaseDatasetConfig

FOLDER = "coqui"  # in the corpus: attention masks, and what the trainer caches


def configure(config_path: Path, corpus: Path) -> Any:
    """The configuration with the corpus' lists, masks and caches."""
    config = load_config(str(config_path))
    folder = corpus / FOLDER
    config.datasets = [
        BaseDatasetConfig(
            formatter="ljspeech",
            dataset_name=corpus.name,
            path=str(corpus),
            meta_file_train=f"{FOLDER}/train.csv",
            meta_file_val=f"{FOLDER}/eval.csv",
            meta_file_attn_mask=str(folder / "attention.csv"),
        )
    ]
    config.phoneme_cache_path = str(folder / "phonemes")
    config.f0_cache_path = str(folder / "pitch")
    config.energy_cache_path = str(folder / "energy")
    return config
