"""Coqui TTS: ``TTS(model_path=..., vocoder_path=...).tts(text)``. Its Griffin-Lim is its own."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import vocos_coqui  # noqa: F401 - makes "model": "vocos" known
from job import Say, Stopwatch, run, timed
from TTS.api import TTS
from vocos_coqui.export import export

from vocos_plugins import Vocos


class CoquiPipeline:
    """A text-to-speech model of Coqui TTS that outputs mels."""

    def __init__(self, model: Path) -> None:
        self.model = model
        self.tts = self._load()
        self.acoustic: Any = self.tts.synthesizer.tts_model
        self.sample_rate = int(self.tts.synthesizer.output_sample_rate)

    def missing(self, text: str) -> list[str]:
        tokenizer = self.acoustic.tokenizer
        tokenizer.not_found_characters = []  # it collects them
        symbols = [tokenizer.characters.id_to_char(number) for number in tokenizer.text_to_ids(text)]
        missing = list(tokenizer.not_found_characters)
        # Its first and last symbols have names such as <BOS>.
        if not any(symbol.isalpha() for symbol in symbols if len(symbol) == 1):
            raise ValueError(f"no known symbol in {text!r}")
        return missing

    def voice(self, vocos: Vocos | None, folder: Path) -> Say:
        if vocos is None:
            tts, owner, name = self._load(), None, "inv_melspectrogram"
            owner = tts.synthesizer.tts_model.ap
        else:
            export(vocos, folder, tts=self.model / "config.json")
            vocoder = {"vocoder_path": folder / "model.safetensors", "vocoder_config_path": folder / "config.json"}
            tts = self._load(**{key: str(path) for key, path in vocoder.items()})
            owner, name = tts.synthesizer.vocoder_model, "inference"
        watch = Stopwatch(getattr(owner, name))
        setattr(owner, name, watch)
        return timed(tts.tts, watch)

    def facts(self) -> dict[str, str]:
        n_parameters = sum(parameter.numel() for parameter in self.acoustic.parameters())
        return {
            "acoustic model": f"{self.acoustic.config.model}, {n_parameters / 1e6:.1f} M parameters",
            "Griffin-Lim": f"Coqui TTS's own, {self.acoustic.ap.griffin_lim_iters} iterations",
            "version": f"coqui-tts {importlib.metadata.version('coqui-tts')}",
        }

    def _load(self, **vocoder: str) -> Any:
        paths = {"model_path": self.model / "model.pth", "config_path": self.model / "config.json"}
        return TTS(**{key: str(path) for key, path in paths.items()}, **vocoder)


if __name__ == "__main__":
    run(CoquiPipeline)
