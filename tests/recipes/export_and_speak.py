"""Exports a model by `vocos export` and decodes a mel with the toolkit itself: TOOLKIT MODEL PATH, reads PATH.npy."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vocos_plugins.apps.cli import app


def speak_in_speechbrain(exported: Path, mel: Tensor) -> Tensor:
    from speechbrain.inference.vocoders import HIFIGAN

    return HIFIGAN.from_hparams(source=str(exported), run_opts={"device": "cpu"}).decode_batch(mel)[:, 0]


def speak_in_nemo(exported: Path, mel: Tensor) -> Tensor:
    import vocos_nemo.vocoder  # noqa: F401 - registers the model with NeMo
    from nemo.collections.tts.models import HifiGanModel

    return HifiGanModel.restore_from(str(exported)).eval().convert_spectrogram_to_audio(spec=mel)


def speak_in_coqui(exported: Path, mel: Tensor) -> Tensor:
    import vocos_coqui  # noqa: F401 - makes "model": "vocos" known
    from TTS.config import load_config
    from TTS.vocoder.models import setup_model

    config = load_config(exported / "config.json")
    model = setup_model(config)
    model.load_checkpoint(config, exported / "model.safetensors", eval=True)
    return model.inference(mel)[:, 0]


SPEAK = {"speechbrain": speak_in_speechbrain, "nemo": speak_in_nemo, "coqui": speak_in_coqui}


def main(toolkit: str, model: str, path: Path) -> None:
    exported = path.with_suffix(".nemo") if toolkit == "nemo" else path
    app(["export", toolkit, str(exported), "--model", model], standalone_mode=False)
    audio = SPEAK[toolkit](exported, torch.from_numpy(np.load(path.with_suffix(".npy"))))
    np.save(path.with_name(f"{toolkit}-audio.npy"), audio.detach().numpy())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
