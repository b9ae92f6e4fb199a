"""NeMo: ``generate_spectrogram`` of FastPitch, ``convert_spectrogram_to_audio`` of the vocoder."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import vocos_nemo.vocoder  # noqa: F401 - makes VocosModel known to NeMo
from job import Say, Stopwatch, run, timed
from nemo.collections.tts.models import FastPitchModel, HifiGanModel
from torch import Tensor
from vocos_nemo.export import export
from vocos_nemo.mel import from_nemo
from vocos_nemo.spoken import find_unknown, normalize_text

from vocos_plugins import Vocos
from vocos_plugins.evaluation.griffin_lim import griffin_lim
from vocos_plugins.evaluation.systems import N_ITER


class NemoPipeline:
    """A FastPitch that reads words by its own dictionary; the model is the one ``.nemo`` file of a folder."""

    def __init__(self, model: Path) -> None:
        self.path = next(iter(sorted(model.glob("*.nemo"))))
        self.acoustic: Any = FastPitchModel.restore_from(str(self.path), map_location="cpu").eval()
        self.mel = from_nemo(self.acoustic.cfg.preprocessor)
        self.sample_rate = self.mel.sample_rate

    def missing(self, text: str) -> list[str]:
        vocab = self.acoustic.vocab
        symbols = [vocab.tokens[number] for number in self.acoustic.parse(text)[0].tolist()]
        if not any(map(str.isalnum, symbols)):
            raise ValueError(f"no known symbol in {text!r}")
        return find_unknown(vocab, normalize_text(self.acoustic, text))

    def voice(self, vocos: Vocos | None, folder: Path) -> Say:
        decode: Callable[..., Tensor]
        if vocos is None:

            def decode(spec: Tensor) -> Tensor:
                return griffin_lim(spec, self.mel, n_iter=N_ITER)
        else:
            file = folder / "vocos.nemo"
            export(vocos, file, tts=self.path)
            vocoder: Any = HifiGanModel.restore_from(str(file), map_location="cpu").eval()
            decode = vocoder.convert_spectrogram_to_audio
        watch = Stopwatch(decode)

        def speak(text: str) -> Tensor:
            with torch.no_grad():
                spectrogram = self.acoustic.generate_spectrogram(tokens=self.acoustic.parse(text))
                audio: Tensor = watch(spec=spectrogram)
            return audio.cpu()

        return timed(speak, watch)

    def facts(self) -> dict[str, str]:
        n_parameters = sum(parameter.numel() for parameter in self.acoustic.parameters())
        return {
            "acoustic model": f"FastPitch, {n_parameters / 1e6:.1f} M parameters",
            "Griffin-Lim": f"{N_ITER} iterations, by vocos-plugins",
            "version": f"nemo-toolkit {importlib.metadata.version('nemo-toolkit')}",
        }


if __name__ == "__main__":
    run(NemoPipeline)
