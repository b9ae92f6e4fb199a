"""Where a training begins, and what it leaves for inference."""

from __future__ import annotations

from pathlib import Path

from vocos_speechbrain.export import WEIGHTS_FILE, export
from vocos_speechbrain.generator import PREFIX

from vocos_plugins import Vocos
from vocos_plugins.storage.safe_files import read_weights
from vocos_plugins.training.discriminator_files import load_discriminators, save_discriminators
from vocos_plugins.training.objective import Objective
from vocos_plugins.training.warm_start import copy_generator, warm_start

MODEL = "model"
SPEECHBRAIN = "speechbrain"


def start_from(source: str, vocos: Vocos, objective: Objective) -> list[str]:
    """Copies every layer that fits from a checkpoint, and its discriminators if they lie beside it.

    SpeechBrain's ``Pretrainer`` would only log what doesn't fit, and train on from random weights.

    Args:
        source: what `Vocos.from_pretrained` takes, or a folder with a ``generator.ckpt``: an exported vocoder, or one
            of the checkpoints that this recipe or SpeechBrain's HiFi-GAN script saves.
        vocos, objective: to be trained; both are changed.

    Returns:
        what is not as it was in the checkpoint, in sentences for the user.

    Raises:
        CheckpointError: the source can't be loaded, or is of another architecture.
    """
    file = Path(source) / WEIGHTS_FILE
    if not file.exists():
        return warm_start(vocos, objective, source)
    weights = {key.removeprefix(PREFIX): value for key, value in read_weights(file).items()}
    return copy_generator(weights, vocos, source) + load_discriminators(objective, file.parent)


def write_models(vocos: Vocos, objective: Objective, folder: str, steps: int) -> None:
    """Writes ``model``, for `Vocos.from_pretrained` and fine-tuning, and ``speechbrain``, for ``HIFIGAN``."""
    vocos.provenance = {**vocos.provenance, "steps": steps}
    vocos.save_pretrained(Path(folder) / MODEL)
    save_discriminators(objective, Path(folder) / MODEL)
    export(vocos, Path(folder) / SPEECHBRAIN, tts=vocos.mel)
