"""A page to listen to: what each toolkit said by each vocoder, measured; it holds its audio and pictures."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

import soundfile
import torch
from reading import MISSING, is_installed, read_back
from toolkits import Result, Toolkit, Utterance

from vocos_plugins.evaluation.comparison import Rendition
from vocos_plugins.evaluation.measures import Measure, choose
from vocos_plugins.evaluation.page import TEMPLATE, column
from vocos_plugins.evaluation.picture import draw_spectrograms
from vocos_plugins.evaluation.tables import left_out_as_text

OPINION = "distillmos"
NOTHING = "&ndash;"
INTRO = """<p>Each toolkit turned the sentence into a mel spectrogram by its own small acoustic model, and the mel into
sound by each vocoder, in a fresh process. The speech is synthetic, and so was the voice that the models learned. Models
of this size blur their mels: listen first, and compare the vocoders rather than the toolkits.</p>"""


@dataclass(frozen=True)
class Voice:
    """One vocoder's audio of the sentence; ``heard`` is what a recogniser read in it, if there is one."""

    utterance: Utterance
    rendition: Rendition
    heard: str | None
    wrong: float | None


@dataclass(frozen=True)
class Spoken:
    """A sentence as a toolkit said it."""

    toolkit: Toolkit
    voices: Sequence[Voice]
    facts: Mapping[str, str]


def measure(toolkit: Toolkit, text: str, result: Result) -> Spoken:
    """Reads a toolkit's audio and measures it with what is installed."""
    measures, _ = choose((OPINION,))
    return Spoken(toolkit, [_measure(one, text, measures) for one in result.utterances], result.facts)


def _measure(utterance: Utterance, text: str, measures: Sequence[Measure]) -> Voice:
    audio, rate = soundfile.read(Path(utterance.path), dtype="float32")
    scores = {measure.name: measure(audio, audio, rate) for measure in measures}
    rendition = Rendition(audio=audio, sample_rate=rate, scores=scores, seconds=utterance.vocoder_s)
    heard, wrong = read_back(audio, rate, text) if is_installed() else (None, None)
    return Voice(utterance, rendition, heard, wrong)


def render(text: str, spoken: Sequence[Spoken], problems: Sequence[str]) -> str:
    """Returns the page as HTML."""
    names = list(dict.fromkeys(voice.utterance.vocoder for one in spoken for voice in one.voices))
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(text),
        intro=INTRO,
        note=_note(problems),
        head="".join(f"<th>{escape(name)}</th>" for name in names),
        n_files="",
        summary="\n".join(row for one in spoken for row in _rows(one, names)),
        speed="Times are of this machine and its other load; compare them by their ratios.",
        sections="\n".join(map(_section, spoken)),
        failures="",
        facts="\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in _facts(spoken).items()),
    )


def _note(problems: Sequence[str]) -> str:
    left_out = left_out_as_text(choose((OPINION,))[1])
    unread = "" if is_installed() else f"words read wrong ({MISSING})"
    unmeasured = "; ".join(filter(None, [left_out, unread]))
    missing = [f"Not measured: {unmeasured}."] if unmeasured else []
    return "".join(f'<p class="note">{escape(line, quote=False)}</p>' for line in [*problems, *missing])


def _rows(spoken: Spoken, names: Sequence[str]) -> list[str]:
    voices = {voice.utterance.vocoder: voice for voice in spoken.voices}
    cells = {
        "DistillMOS &uarr;": {name: _opinion(voice) for name, voice in voices.items()},
        "words read wrong &darr;": {name: _percent(voice.wrong) for name, voice in voices.items()},
        "seconds, text to audio": {name: f"{voice.utterance.total_s:.2f}" for name, voice in voices.items()},
        "the vocoder's share": {
            name: _percent(voice.utterance.vocoder_s / voice.utterance.total_s) for name, voice in voices.items()
        },
    }
    return [
        f"<tr><th>{escape(spoken.toolkit.title)}: {heading}</th>"
        + "".join(f"<td>{values.get(name, NOTHING)}</td>" for name in names)
        + "</tr>"
        for heading, values in cells.items()
    ]


def _section(spoken: Spoken) -> str:
    pictures = draw_spectrograms([voice.rendition.audio for voice in spoken.voices])
    columns = "\n".join(
        column(voice.utterance.vocoder, voice.rendition, picture, _line(voice))
        for voice, picture in zip(spoken.voices, pictures, strict=True)
    )
    return (
        f'<section>\n<h2>{escape(spoken.toolkit.title)}</h2>\n<p class="origin">{escape(spoken.toolkit.command)}</p>\n'
        f'<div class="columns">\n{columns}\n</div>\n</section>'
    )


def _line(voice: Voice) -> str:
    speed = f"<b>{voice.rendition.duration_s / voice.utterance.vocoder_s:.1f}</b>&times; real time"
    return speed if voice.heard is None else f"{speed} &middot; read as &ldquo;{escape(voice.heard)}&rdquo;"


def _opinion(voice: Voice) -> str:
    score = voice.rendition.scores.get(OPINION)
    return NOTHING if score is None or score.value is None else f"{score.value:.2f}"


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0%}"


def _facts(spoken: Sequence[Spoken]) -> dict[str, str]:
    facts = {f"{one.toolkit.title}: {name}": value for one in spoken for name, value in one.facts.items()}
    machine = f"{os.cpu_count()} cores, {platform.system()}; PyTorch's threads: {torch.get_num_threads()}"
    return {**facts, "Machine": machine, "PyTorch": torch.__version__}
