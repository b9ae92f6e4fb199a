"""A job for a toolkit's process: texts to say by several vocoders; and how they are said and timed.

``speak.py`` and ``speak_corpus.py`` start a process for each toolkit, ``TOOLKIT_pipeline.py JOB.json``. It writes the
audio, the mels and ``result.json`` into the job's folder.
"""

from __future__ import annotations

import json
import re
import sys
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from vocos_plugins import Vocos
from vocos_plugins.storage.atomic import atomic_write, write_text

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
from layout import write_audio

RESULT, MELS = "result.json", "mels"
Audio = NDArray[np.float32]  # (N,)


@dataclass(frozen=True)
class Vocoder:
    """A vocoder to speak with: Griffin-Lim where there is no checkpoint; perhaps with the file of a postfilter."""

    name: str
    checkpoint: str | None = None
    refinement_steps: int | None = None
    postfilter: str | None = None

    def load(self) -> Vocos | None:
        """Returns the model; None for Griffin-Lim."""
        if self.checkpoint is None:
            return None
        vocos = Vocos.from_pretrained(self.checkpoint, refinement_steps=self.refinement_steps)
        if self.postfilter is not None:
            vocos.set_postfilter(**load_file(self.postfilter))
        return vocos

    @property
    def folder(self) -> str:
        """The name as a folder's."""
        return "-".join(re.findall(r"[a-z0-9]+", self.name.lower()))


@dataclass(frozen=True)
class Job:
    """Texts by their ids, each to be said by each vocoder.

    Of ``rounds`` timed runs the median counts, after one that warms up; 0 is a single run.
    """

    model: str
    out: str
    texts: dict[str, str]
    vocoders: Sequence[Vocoder]
    rounds: int = 0


@dataclass(frozen=True)
class Utterance:
    """One text said by one vocoder; the vocoder's seconds are among the total."""

    id: str
    vocoder: str
    path: str
    total_s: float
    vocoder_s: float


@dataclass
class Result:
    """Everything that was said, what couldn't be, and facts about the model by heading."""

    utterances: list[Utterance] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """Audio, the mel ``(n_mels, T)`` that the vocoder got, and the seconds that they took."""

    audio: Audio
    mel: NDArray[np.float32]
    total_s: float
    vocoder_s: float


Say = Callable[[str], Said]


class Pipeline(Protocol):
    """A toolkit with an acoustic model."""

    sample_rate: int

    def missing(self, text: str) -> list[str]:
        """Returns what the model has no symbol for and leaves out.

        Raises:
            ValueError: there is no known symbol.
        """

    def voice(self, vocos: Vocos | None, folder: Path) -> Say:
        """Returns the way from text to audio by a vocoder, which is exported into a new folder; None is Griffin-Lim."""

    def facts(self) -> dict[str, str]:
        """Returns facts about the model by heading."""


class Stopwatch:
    """A vocoder that adds up the seconds that it takes, and keeps the mels that it gets, of one text.

    Args:
        vocode: its first argument, by whatever name, is the mel: ``(n_mels, T)`` or ``(1, n_mels, T)``.
    """

    def __init__(self, vocode: Callable[..., Any]) -> None:
        self._call = vocode
        self.clear()

    def clear(self) -> None:
        """Begins a text."""
        self.seconds = 0.0
        self.mels: list[NDArray[np.float32]] = []

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        mel = next(iter((*arguments, *options.values())))
        self.mels.append(np.array(mel, dtype=np.float32).reshape(mel.shape[-2:]))
        start = time.perf_counter()
        try:
            return self._call(*arguments, **options)
        finally:
            self.seconds += time.perf_counter() - start


def timed(speak: Callable[[str], Any], vocoder: Stopwatch) -> Say:
    """Makes a `Say` of a function from text to audio inside of which a vocoder runs."""

    def say(text: str) -> Said:
        vocoder.clear()
        start = time.perf_counter()
        spoken = np.asarray(speak(text), dtype=np.float32)
        total_s = time.perf_counter() - start
        # Coqui TTS puts silence behind each sentence.
        audio = np.trim_zeros(spoken.reshape(-1), "b")
        return Said(audio, np.concatenate(vocoder.mels, axis=1), total_s, vocoder.seconds)

    return say


def run(load: Callable[[Path], Pipeline]) -> None:
    """Does the job whose file is the first argument."""
    fields = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    job = Job(**{**fields, "vocoders": [Vocoder(**vocoder) for vocoder in fields["vocoders"]]})
    out = Path(job.out)
    pipeline = load(Path(job.model))
    result = Result(facts=pipeline.facts())
    texts = {row_id: text for row_id, text in job.texts.items() if _is_sayable(pipeline, row_id, text, result.problems)}
    voices = {}
    for vocoder in job.vocoders if texts else ():
        voices[vocoder] = pipeline.voice(vocoder.load(), out / vocoder.folder / "vocoder")
    for row_id, text in texts.items():
        for vocoder, said in _say_in_turns(voices, text, job.rounds).items():
            path = out / vocoder.folder / "wavs" / f"{row_id}.wav"
            write_audio(path, said.audio, pipeline.sample_rate)
            write_mel(out / MELS / f"{row_id}.npy", said.mel)  # the same for all vocoders
            result.utterances.append(Utterance(row_id, vocoder.name, str(path), said.total_s, said.vocoder_s))
    write_text(out / RESULT, json.dumps(asdict(result), indent=2, ensure_ascii=False))


def write_mel(path: Path, mel: NDArray[np.float32]) -> None:
    """Writes a mel in half precision."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, sweep=False) as partial, partial.open("wb") as file:
        np.save(file, mel.astype(np.float16))


def _is_sayable(pipeline: Pipeline, row_id: str, text: str, problems: list[str]) -> bool:
    try:
        missing = pipeline.missing(text)
    except ValueError as error:
        problems.append(f"{row_id}: {error}")
        return False
    heard = [symbol for symbol in missing if not unicodedata.category(symbol[0]).startswith(("P", "Z"))]
    if heard:  # marks and spaces aren't
        symbols = ", ".join(map(repr, heard))
        problems.append(f"{row_id}: the model has no symbol for {symbols} of {text!r}; left out")
    return True


def _say_in_turns(voices: Mapping[Vocoder, Say], text: str, rounds: int) -> dict[Vocoder, Said]:
    """Says a text by each voice, in turns, so that a busy machine slows all of them."""
    said = [{vocoder: say(text) for vocoder, say in voices.items()} for _ in range(rounds + 1)]
    counted = said[1:] or said
    return {
        vocoder: Said(
            said[-1][vocoder].audio,
            said[-1][vocoder].mel,
            median(one[vocoder].total_s for one in counted),
            median(one[vocoder].vocoder_s for one in counted),
        )
        for vocoder in voices
    }


def read_result(out: Path) -> Result:
    """Reads what a process handed back.

    Raises:
        FileNotFoundError: it ended before.
    """
    fields = json.loads((out / RESULT).read_text(encoding="utf-8"))
    return Result([Utterance(**one) for one in fields["utterances"]], fields["problems"], fields["facts"])
