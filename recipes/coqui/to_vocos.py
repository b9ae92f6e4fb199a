"""Converts a checkpoint of Coqui TTS's trainer into a Vocos directory.

    python recipes/coqui/to_vocos.py runs/run-.../best_model.pth my-vocos --data held-out

`Vocos.from_pretrained`, ``vocos decode``, ``vocos export`` and all recipes take the directory. It also holds the
discriminators, so that fine-tuning doesn't start from random ones. Coqui TTS itself isn't needed.

``--data`` names recordings that the model was not trained on. On these it measures what 8 bits cost, so that they are
used where that is little: ``vocos certify``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from safetensors.torch import save
from vocos_coqui.checkpoint import read_checkpoint
from vocos_coqui.config_files import parse_config

from vocos_plugins import Vocos
from vocos_plugins.config import OPTIONAL_PARTS, PARTS, VocosConfig
from vocos_plugins.evaluation.certify import certify_trained
from vocos_plugins.storage.safe_files import CheckpointError, write_files
from vocos_plugins.storage.weights import load_weights
from vocos_plugins.training.discriminator_files import DISCRIMINATORS_FILE
from vocos_plugins.training.sources import find_recordings


def to_vocos(checkpoint: Path, out: Path) -> None:
    """Writes ``config.yaml``, ``model.safetensors`` and, if the checkpoint has them, ``discriminators.safetensors``.

    Args:
        checkpoint: ``best_model.pth`` or another one, next to the run's ``config.json``.
        out: output directory; created if necessary.

    Raises:
        CheckpointError: a file is missing, damaged or unsafe, or the two don't belong together.
    """
    config = parse_config(checkpoint.with_name("config.json")) if checkpoint.with_name("config.json").exists() else None
    if config is None or config.get("model") != "vocos":
        raise CheckpointError(f"{checkpoint.with_name('config.json')} does not configure a Vocos for Coqui TTS")
    generator, discriminators = read_checkpoint(str(checkpoint))
    parts = {name: config["model_args"].get(name) for name in (*PARTS, *OPTIONAL_PARTS)}
    architecture = VocosConfig.from_dict({name: part for name, part in parts.items() if part})
    vocos = Vocos(architecture, {**(config["model_args"]["provenance"] or {}), "trained_with": "Coqui TTS"})
    load_weights(vocos, generator, str(checkpoint))
    vocos.save_pretrained(out)
    if discriminators:
        # safetensors refuses tensors that are not contiguous.
        tensors = {name: tensor.contiguous() for name, tensor in discriminators.items()}
        write_files(out, {DISCRIMINATORS_FILE: save(tensors)})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, help="recordings to certify it on: a folder, or a list of files")
    arguments = parser.parse_args()
    to_vocos(arguments.checkpoint, arguments.out)
    if arguments.data is not None:
        print(certify_trained(arguments.out, [recording.path for recording in find_recordings(arguments.data)]))
    print(f"Wrote {arguments.out}: Vocos.from_pretrained({str(arguments.out)!r}) loads it.")
