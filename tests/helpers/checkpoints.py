"""Loads and converts checkpoints for tests."""

from __future__ import annotations

from pathlib import Path

from vocos_plugins import Vocos
from vocos_plugins.storage.convert import read_training_checkpoint


def load_float32(name_or_path: str | Path) -> Vocos:
    """Loads a model that decodes in float32 whatever this CPU has instructions for: its audio can be compared."""
    return Vocos.from_pretrained(name_or_path, precision="float32")


def convert(checkpoint: str | Path, config: str | Path, out: str | Path) -> None:
    """Turns a training checkpoint into a directory, as `vocos convert` does."""
    Vocos.from_checkpoint(read_training_checkpoint(checkpoint, config)).save_pretrained(out)
