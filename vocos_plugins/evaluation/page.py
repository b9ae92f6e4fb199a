"""An evaluation as a single HTML page that contains its audio and pictures and loads nothing from elsewhere."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template

import numpy as np
import soundfile
from numpy.typing import NDArray

from .comparison import ClipResult, Rendition
from .evaluate import Evaluation
from .measures import Measure
from .picture import draw_spectrograms
from .systems import GRIFFIN_LIM
from .tables import columns, left_out_as_text, summarize, times_real_time

TEMPLATE = Path(__file__).parent / "template.html"
NOTHING = "&ndash;"


def render(evaluation: Evaluation, *, title: str, intro: str, facts: Mapping[str, str]) -> str:
    """Returns the page.

    Args:
        evaluation: an evaluation that kept at least one clip.
        title: title of the page.
        intro: what was done and how to read it, as HTML.
        facts: facts about the models and the machine, by heading.
    """
    names = columns(evaluation)
    # string.Template marks values by $; braces, which str.format uses, occur in the page's CSS.
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(title),
        intro=intro,
        note=_notes(evaluation),
        head="".join(f"<th>{escape(name)}</th>" for name in names),
        n_files=_count(len(evaluation.files)),
        summary="\n".join(
            [_summary_row(evaluation, measure, names) for measure in evaluation.measures]
            + [_speed_row(evaluation, names)]
        ),
        speed=_speed_text(evaluation),
        sections="\n".join(_section(result, evaluation) for result in evaluation.clip_results),
        failures=_failures(evaluation),
        facts="\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items()),
    )


def _notes(evaluation: Evaluation) -> str:
    missing = [f"Not measured: {left_out_as_text(evaluation.left_out)}."] if evaluation.left_out else []
    lines = (escape(line, quote=False) for line in [*evaluation.notes, *missing])
    return "\n".join('<p class="note">' + re.sub("`(.+?)`", r"<code>\1</code>", line) + "</p>" for line in lines)


def _summary_row(evaluation: Evaluation, measure: Measure, names: list[str]) -> str:
    cells = []
    for name in names:
        summary = summarize(evaluation, name, measure)
        if summary is None:
            cells.append(f"<td>{NOTHING}</td>")
            continue
        mean, worst = (_number(value, measure.digits) for value in (summary.mean, summary.worst))
        small = "" if summary.n_files == 1 else f"<small>{worst}</small>"
        cells.append(f'<td title="worst: {escape(summary.worst_file)}">{mean}{small}</td>')
    arrow = "&uarr;" if measure.higher_is_better else "&darr;"
    return f"<tr><th>{escape(measure.title)} {arrow} <small>{escape(measure.best)}</small></th>{''.join(cells)}</tr>"


def _speed_row(evaluation: Evaluation, names: list[str]) -> str:
    speeds = (times_real_time(evaluation, name) for name in names)
    return f"<tr><th>times real time</th>{''.join(f'<td>{_number(speed, 1)}</td>' for speed in speeds)}</tr>"


def _speed_text(evaluation: Evaluation) -> str:
    speeds = {system.name: times_real_time(evaluation, system.name) for system in evaluation.systems}
    yardstick = speeds.get(GRIFFIN_LIM)
    if yardstick is None:
        return ""
    faster = (
        f"{escape(name)} was <b>{_number(speed / yardstick, 1)} times as fast</b> as Griffin-Lim."
        for name, speed in speeds.items()
        if speed is not None and name != GRIFFIN_LIM
    )
    return (
        " ".join(faster)
        + " Compare speeds by this ratio: the times themselves depend on the machine and its other load."
    )


def _section(result: ClipResult, evaluation: Evaluation) -> str:
    clip = result.clip
    shown = ({} if result.original is None else {"Original": result.original}) | {**result.renditions}
    pictures = draw_spectrograms([rendition.audio for rendition in shown.values()])
    divisions = "\n".join(
        column(name, rendition, picture, _measured(rendition, evaluation))
        for (name, rendition), picture in zip(shown.items(), pictures, strict=True)
    )
    origin = " · ".join(escape(part) for part in (clip.speaker, clip.source) if part)
    return (
        f'<section>\n<h2>{escape(clip.text)}</h2>\n<p class="origin">{origin}</p>\n'
        f'<div class="columns">\n{divisions}\n</div>\n</section>'
    )


def _measured(rendition: Rendition, evaluation: Evaluation) -> str:
    parts = []
    # Only the recording took no time.
    if not rendition.seconds:
        parts.append(f"read at {rendition.sample_rate / 1000:g} kHz")
    for measure in evaluation.measures:
        score = rendition.scores.get(measure.name)
        if score is not None:
            why = f' title="{escape(score.reason)}"' if score.reason else ""
            parts.append(f"{escape(measure.title)} <b{why}>{_number(score.value, measure.digits)}</b>")
    if rendition.seconds:
        parts.append(f"<b>{_number(rendition.duration_s / rendition.seconds, 1)}</b>&times; real time")
    return " · ".join(parts)


def column(name: str, rendition: Rendition, picture: bytes, line: str) -> str:
    """Returns one rendition as HTML; `line` is HTML."""
    sound = _data_uri("audio/flac", flac(rendition.audio, rendition.sample_rate))
    return f"""<div>
<h3>{escape(name)}</h3>
<audio controls preload="metadata" aria-label="{escape(name)}" src="{sound}"></audio>
<div class="picture axis">
<span>{rendition.sample_rate / 2000:.3g} kHz</span>
<span class="bottom">0</span>
<img alt="Spectrogram, {escape(name)}" src="{_data_uri("image/png", picture)}">
<span class="seconds"><span>0</span><span>{rendition.duration_s:.1f} s</span></span>
</div>
<p class="measures">{line}</p>
</div>"""


def _failures(evaluation: Evaluation) -> str:
    if not evaluation.failures:
        return ""
    items = "\n".join(
        f"<dt>{escape(failure.file)}</dt><dd>{escape(': '.join(filter(None, (failure.system, failure.error))))}</dd>"
        for failure in evaluation.failures
    )
    return f"<section>\n<h2>Failed</h2>\n<dl>\n{items}\n</dl>\n</section>"


def _count(n_files: int) -> str:
    return "the clip" if n_files == 1 else f"mean of {n_files} clips, and the worst"


def flac(audio: NDArray[np.float32], sample_rate: int) -> bytes:
    """Encodes audio as 16-bit FLAC, which every current browser plays and which is a third smaller than WAV."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(audio, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _number(value: float | None, digits: int) -> str:
    """Returns a number that may be missing as HTML."""
    return NOTHING if value is None else f"{value:.{digits}f}"
