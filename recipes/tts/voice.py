"""A Piper voice that also returns the duration of each of its phonemes.

Such a voice is a VITS: its graph rounds durations up to whole frames in its one Ceil node. Made an output, that node
gives them. The voice's input is ``^``, each phoneme with a blank behind it, and ``$``; here each blank counts to the
symbol before it.
"""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

HOP_LENGTH = 256
START, BLANK, END = "^", "_", "$"


@dataclass(frozen=True)
class Utterance:
    """Speech and what was spoken.

    Attributes:
        audio: float32 ``(N,)``, ``N`` is ``HOP_LENGTH`` times the sum of the durations.
        phonemes: symbols, with `START` and `END`.
        durations: of each symbol, in frames of `HOP_LENGTH` samples.
    """

    audio: NDArray[np.float32]
    phonemes: list[str]
    durations: list[int]


def merge_blanks(symbols: list[str], durations: list[int]) -> tuple[list[str], list[int]]:
    """Symbols without blanks; each blank's frames go to the symbol before it.

    Raises:
        ValueError: the first symbol is a blank, or the lists are of two lengths.
    """
    if len(symbols) != len(durations) or symbols[:1] == [BLANK]:
        raise ValueError(f"{len(symbols)} symbols that begin with {symbols[:1]}, {len(durations)} durations")
    merged: list[tuple[str, int]] = []
    for symbol, duration in zip(symbols, durations, strict=True):
        if symbol == BLANK:
            merged[-1] = merged[-1][0], merged[-1][1] + duration
        else:
            merged.append((symbol, duration))
    return [symbol for symbol, _ in merged], [duration for _, duration in merged]


class PiperVoice:
    """A voice from the folder of an unpacked wheel, or of Piper's two files.

    Args:
        folder: holds ``*.onnx`` and ``*.onnx.json`` at any depth.
        noise: how much the sound varies, 0 to 1.
        noise_of_durations: how much the durations vary, 0 to 1.
        seed: of both. The noise goes on from sentence to sentence, so a run that was stopped and went on gives other
            takes of its later sentences.
        n_threads: of onnxruntime.

    Raises:
        ValueError: there isn't exactly one voice, or its graph isn't such a VITS.
    """

    def __init__(
        self, folder: Path, noise: float = 0.4, noise_of_durations: float = 0.4, seed: int = 0, n_threads: int = 1
    ) -> None:
        paths = sorted(folder.rglob("*.onnx"))
        if len(paths) != 1:
            raise ValueError(f"{folder} holds {len(paths)} .onnx files, expected one: the unpacked wheel of a voice")
        config = json.loads(Path(f"{paths[0]}.json").read_text(encoding="utf-8"))
        self.sample_rate: int = config["audio"]["sample_rate"]
        self.symbols: dict[str, list[int]] = config["phoneme_id_map"]
        self.language: str = config["espeak"]["voice"]
        self._scales = np.array([noise, 1.0, noise_of_durations], np.float32)
        self._session = _load(paths[0], seed, n_threads)

    def unknown(self, phonemes: str) -> str:
        """Those characters that the voice has no symbol for."""
        return "".join(sorted(set(phonemes) - set(self.symbols)))

    def speak(self, phonemes: str) -> Utterance:
        """Speaks what `phonemize` gives; characters that the voice doesn't know are left out.

        Raises:
            ValueError: no character is known, or only punctuation is.
        """
        known = [phoneme for phoneme in phonemes if phoneme in self.symbols]
        if not any(phoneme.isalpha() for phoneme in known):
            raise ValueError(f"no known symbol in {phonemes!r}")
        symbols = [START, BLANK, *(symbol for phoneme in known for symbol in (phoneme, BLANK)), END]
        ids = np.array([[number for symbol in symbols for number in self.symbols[symbol]]], np.int64)
        inputs = {"input": ids, "input_lengths": np.array([ids.shape[1]], np.int64), "scales": self._scales}
        audio, durations = self._session.run(None, inputs)
        frames = durations.ravel().astype(int).tolist()
        if sum(frames) * HOP_LENGTH != audio.size:
            raise ValueError(f"durations of {sum(frames)} frames for {audio.size} samples: not a voice of this kind")
        return Utterance(audio.ravel().astype(np.float32), *merge_blanks(symbols, frames))


def _load(path: Path, seed: int, n_threads: int) -> Any:
    model = onnx.load(path)
    rounding = [node for node in model.graph.node if node.op_type == "Ceil"]
    if len(rounding) != 1:
        raise ValueError(f"{path} has {len(rounding)} Ceil nodes, expected the one that rounds durations")
    durations = onnx.helper.make_tensor_value_info(rounding[0].output[0], onnx.TensorProto.FLOAT, None)
    model.graph.output.append(durations)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    onnxruntime.set_seed(seed)
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def read_card(folder: Path) -> str:
    """The voice's own card and the package's licence, to be quoted."""
    cards = [path.read_text(encoding="utf-8").strip() for path in sorted(folder.rglob("MODEL_CARD"))]
    for metadata in sorted(folder.rglob("*.dist-info/METADATA")):
        fields = importlib.metadata.PathDistribution(metadata.parent).metadata
        cards.append(f"Package {fields['Name']} {fields['Version']}, licence {fields['License-Expression']}.")
    return "\n\n".join(cards)
