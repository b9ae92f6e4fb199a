"""SpeechBrain: ``foreign_class(source=...)`` encodes text, ``HIFIGAN.from_hparams(source=...)`` decodes the mel."""

from __future__ import annotations

import importlib.metadata
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from job import Say, Stopwatch, run, timed
from speechbrain.inference.interfaces import foreign_class
from speechbrain.inference.vocoders import HIFIGAN
from torch import Tensor
from vocos_speechbrain.export import export
from vocos_speechbrain.mel import DEFAULT

from vocos_plugins import Vocos
from vocos_plugins.evaluation.griffin_lim import griffin_lim
from vocos_plugins.evaluation.systems import N_ITER


class SpeechBrainPipeline:
    """An acoustic model of ``recipes/tts/speechbrain``."""

    sample_rate = DEFAULT.sample_rate

    def __init__(self, model: Path) -> None:
        # SpeechBrain links what it loads into savedir.
        self._links = tempfile.TemporaryDirectory()
        savedir = Path(self._links.name, "acoustic")
        self.acoustic: Any = foreign_class(source=str(model), savedir=str(savedir))

    def missing(self, text: str) -> list[str]:
        from phonemes import phonemize  # noqa: PLC0415 - it lies beside the model's weights

        spoken = phonemize(text)
        if not any(phoneme.isalpha() for phoneme in spoken if phoneme in self.acoustic.numbers):
            raise ValueError(f"no known symbol in {text!r}")
        return sorted(set(spoken) - set(self.acoustic.numbers))

    def voice(self, vocos: Vocos | None, folder: Path) -> Say:
        decode: Callable[[Tensor], Tensor]
        if vocos is None:

            def decode(mel: Tensor) -> Tensor:
                return griffin_lim(mel, DEFAULT, n_iter=N_ITER)
        else:
            export(vocos, folder)
            savedir = Path(self._links.name, folder.parent.name)  # SpeechBrain keeps what it finds there
            decode = HIFIGAN.from_hparams(source=str(folder), savedir=str(savedir)).decode_batch
        watch = Stopwatch(decode)
        return timed(lambda text: watch(self.acoustic.encode_text([text])[0]).detach(), watch)

    def facts(self) -> dict[str, str]:
        n_parameters = sum(parameter.numel() for parameter in self.acoustic.mods.model.parameters())
        return {
            "acoustic model": f"{type(self.acoustic.mods.model).__name__}, {n_parameters / 1e6:.1f} M parameters",
            "Griffin-Lim": f"{N_ITER} iterations, by vocos-plugins",
            "version": f"speechbrain {importlib.metadata.version('speechbrain')}",
        }


if __name__ == "__main__":
    run(SpeechBrainPipeline)
