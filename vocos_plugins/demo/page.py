"""The report as one HTML page: sound and pictures are inside it, nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import fmean
from string import Template

import numpy as np
import soundfile
from numpy.typing import NDArray

from ..mel import MelConvention
from .clips import Clip
from .measures import Measures, missing_packages
from .picture import draw_spectrograms

TEMPLATE = Path(__file__).parent / "template.html"


@dataclass(frozen=True, kw_only=True)
class Rendition:
    """A clip as one vocoder gives it back.

    Attributes:
        audio: ``(N,)``.
        measures: against the original.
        seconds: that making it took.
    """

    audio: NDArray[np.float32]
    measures: Measures
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One clip: the original ``(N,)`` and what the two vocoders made of its mel."""

    clip: Clip
    original: NDArray[np.float32]
    griffin_lim: Rendition
    vocos: Rendition


def render(comparisons: Sequence[Comparison], *, mel: MelConvention, n_iter: int, facts: Mapping[str, str]) -> str:
    """The page.

    Args:
        comparisons: one a clip, at least one.
        mel: what both vocoders were given; its sample rate is that of all audio.
        n_iter: Griffin-Lim's iterations.
        facts: what to say of model and machine, by heading.
    """
    griffin_lim = [comparison.griffin_lim for comparison in comparisons]
    vocos = [comparison.vocos for comparison in comparisons]
    sample_rate = mel.sample_rate
    ratio = sum(r.seconds for r in griffin_lim) / sum(r.seconds for r in vocos)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        n_clips=f"{len(comparisons)} clip{'s' if len(comparisons) > 1 else ''}",
        mel=f"{mel.n_mels} bands, {sample_rate / 1000:g} kHz, a frame every {mel.hop_length} samples",
        above=_note_on_top_band(mel),
        n_iter=n_iter,
        note=_note_on_missing(),
        summary="\n".join(
            _summary_row(name, renditions, sample_rate)
            for name, renditions in (("Griffin-Lim", griffin_lim), ("Vocos", vocos))
        ),
        speed=f"Vocos was <b>{_number(ratio, 1)} times as fast</b> as Griffin-Lim, both on one thread. "
        "Read speeds as this ratio: the times themselves depend on the machine and on what else it was doing.",
        sections="\n".join(_section(comparison, sample_rate) for comparison in comparisons),
        facts="\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items()),
    )


def _note_on_top_band(mel: MelConvention) -> str:
    if mel.f_max is None or mel.f_max >= mel.sample_rate / 2:
        return ""
    return f" The mel ends at {mel.f_max / 1000:g} kHz: what Vocos puts above that is its guess."


def _note_on_missing() -> str:
    missing = missing_packages()
    if not missing:
        return ""
    return (
        f'<p class="note">Not measured, since not installed: {escape(", ".join(missing))}. '
        "For the numbers: <code>pip install 'vocos-plugins[eval]'</code></p>"
    )


def _summary_row(name: str, renditions: Sequence[Rendition], sample_rate: int) -> str:
    speed = sum(len(r.audio) for r in renditions) / sample_rate / sum(r.seconds for r in renditions)
    cells = (
        _number(_mean(r.measures.pesq for r in renditions), 2),
        _number(_mean(r.measures.stoi for r in renditions), 3),
        _number(speed, 1),
    )
    return f"<tr><th>{name}</th>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _section(comparison: Comparison, sample_rate: int) -> str:
    clip = comparison.clip
    audios = (comparison.original, comparison.griffin_lim.audio, comparison.vocos.audio)
    lines = (
        f"resampled to {sample_rate / 1000:g} kHz",
        _measured(comparison.griffin_lim, sample_rate),
        _measured(comparison.vocos, sample_rate)
        + f" · <b>{_number(comparison.griffin_lim.seconds / comparison.vocos.seconds, 1)}</b>&times; Griffin-Lim",
    )
    columns = "\n".join(
        _column(name, audio, sample_rate, picture, line)
        for name, audio, picture, line in zip(
            ("Original", "Griffin-Lim", "Vocos"), audios, draw_spectrograms(audios), lines, strict=True
        )
    )
    origin = " · ".join(escape(part) for part in (clip.speaker, clip.source) if part)
    return (
        f'<section>\n<h2>{escape(clip.text)}</h2>\n<p class="origin">{origin}</p>\n'
        f'<div class="columns">\n{columns}\n</div>\n</section>'
    )


def _measured(rendition: Rendition, sample_rate: int) -> str:
    speed = len(rendition.audio) / sample_rate / rendition.seconds
    measures = rendition.measures
    return (
        f"PESQ <b>{_number(measures.pesq, 2)}</b> · STOI <b>{_number(measures.stoi, 3)}</b> · "
        f"<b>{_number(speed, 1)}</b>&times; real time"
    )


def _column(name: str, audio: NDArray[np.float32], sample_rate: int, picture: bytes, line: str) -> str:
    """One rendition; `line` is HTML."""
    sound, image = _data_uri("audio/flac", _flac(audio, sample_rate)), _data_uri("image/png", picture)
    return f"""<div>
<h3>{name}</h3>
<audio controls preload="metadata" aria-label="{name}" src="{sound}"></audio>
<div class="picture axis">
<span>{sample_rate / 2000:.3g} kHz</span>
<span class="bottom">0</span>
<img alt="Spectrogram, {name}" src="{image}">
<span class="seconds"><span>0</span><span>{len(audio) / sample_rate:.1f} s</span></span>
</div>
<p class="measures">{line}</p>
</div>"""


def _flac(audio: NDArray[np.float32], sample_rate: int) -> bytes:
    """16 bits, lossless: every current browser plays it, and a third smaller than WAV."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(audio, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _mean(values: Iterable[float | None]) -> float | None:
    """Mean of what could be measured."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _number(value: float | None, digits: int) -> str:
    """HTML of a measure that may be missing."""
    return "&ndash;" if value is None else f"{value:.{digits}f}"
