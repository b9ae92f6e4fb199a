"""Initial weights of a training, and the models that it writes for inference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from speechbrain.utils.logger import get_logger
from vocos_speechbrain.export import WEIGHTS_FILE, export
from vocos_speechbrain.generator import PREFIX

from vocos_plugins import Vocos
from vocos_plugins.evaluation.certify import certify_trained
from vocos_plugins.storage.safe_files import read_weights
from vocos_plugins.training.discriminator_files import load_discriminators, save_discriminators
from vocos_plugins.training.objective import Objective
from vocos_plugins.training.warm_start import copy_generator, warm_start

logger = get_logger(__name__)

MODEL = "model"
SPEECHBRAIN = "speechbrain"


def start_from(source: str, vocos: Vocos, objective: Objective) -> list[str]:
    """Copies every layer that fits from a checkpoint, and its discriminators if it has any.

    SpeechBrain's ``Pretrainer`` would only log layers that don't fit, and train from random weights.

    Args:
        source: a name or directory for `Vocos.from_pretrained`, or a folder with a ``generator.ckpt``: an exported
            vocoder, or a checkpoint of this recipe or of SpeechBrain's HiFi-GAN script.
        vocos, objective: generator and discriminators to train; both are changed.

    Returns:
        sentences for the user on what differs from the checkpoint.

    Raises:
        CheckpointError: the source cannot be loaded, or has another architecture.
    """
    file = Path(source) / WEIGHTS_FILE
    if not file.exists():
        return warm_start(vocos, objective, source)
    weights = {key.removeprefix(PREFIX): value for key, value in read_weights(file).items()}
    return copy_generator(weights, vocos, source) + load_discriminators(objective, file.parent)


def certify_models(folder: str, recordings: Sequence[str]) -> None:
    """Measures what 8 bits cost the written models, so that they are used where that is little (`vocos certify`)."""
    directory = Path(folder) / MODEL
    logger.info(certify_trained(directory, [Path(recording) for recording in recordings]))
    vocos = Vocos.from_pretrained(directory, precision="float32")
    export(vocos, Path(folder) / SPEECHBRAIN, tts=vocos.mel)


def write_models(vocos: Vocos, objective: Objective, folder: str, steps: int) -> None:
    """Writes ``model``, for `Vocos.from_pretrained` and fine-tuning, and ``speechbrain``, for ``HIFIGAN``."""
    vocos.provenance = {**vocos.provenance, "steps": steps}
    vocos.save_pretrained(Path(folder) / MODEL)
    save_discriminators(objective, Path(folder) / MODEL)
    export(vocos, Path(folder) / SPEECHBRAIN, tts=vocos.mel)
