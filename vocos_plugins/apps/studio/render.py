"""An outcome or an error as HTML that contains its audio and pictures and loads nothing from elsewhere."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from ...evaluation.measures import Measure
from ...evaluation.page import flac
from ...evaluation.report import note_on_top_band
from ...evaluation.systems import GRIFFIN_LIM, N_ITER, describe
from ...evaluation.tables import left_out_as_text
from ...mel.difference import top_frequency
from ..doctor import FieldComparison, remedies, verdict
from ..doctor.report import group_equal
from .compute import Column, Outcome
from .pictures import DIFFERENCE_DB, RANGE_DB

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
STATES = {"lossy": "lossy", "refused": "refused"}  # CSS classes of verdicts; any other is "good"
LONGEST_VALUE = 40  # characters; statistics per band have hundreds


def render_outcome(outcome: Outcome) -> str:
    """Returns the whole outcome as HTML."""
    # File names come from uploads, and texts from plugins and exceptions: all of them are escaped.
    parts = (
        _head(outcome),
        _doubt(outcome),
        _columns(outcome),
        _measures(outcome),
        _doctor(outcome),
        _guesses(outcome),
    )
    return f'<style>{STYLE}</style><div class="studio" data-done="yes">{"".join(parts)}</div>'


def render_error(message: str) -> str:
    """Returns an error message as HTML."""
    return (
        f'<style>{STYLE}</style><div class="studio"><p class="box refused" role="alert">'
        f"<b>That did not work.</b> {escape(message)}.</p></div>"
    )


def _head(outcome: Outcome) -> str:
    upload = outcome.upload
    mel = f"{upload.convention.name or 'a mel without a name'} ({describe(upload.convention)})"
    what = "decoded as a mel of" if upload.recording is None else "converted to the mel"
    notes = "".join(f"<li>{escape(note)}</li>" for note in upload.notes)
    return (
        f'<p class="head"><b>{escape(upload.name)}</b>, {upload.duration_s:.1f} s, {what} {escape(mel)}; '
        f"checkpoint {escape(outcome.model)}</p>" + (f"<ul>{notes}</ul>" if notes else "")
    )


def _doubt(outcome: Outcome) -> str:
    if outcome.doubt is None:
        return ""
    names = ", ".join(convention.name for convention in outcome.doubt.instead)
    advice = f" It could be {escape(names)}: choose that convention and listen again." if names else ""
    return (
        f'<p class="box lossy"><b>This does not look like a {escape(outcome.upload.convention.name)} mel:</b> '
        f"it {escape('; '.join(outcome.doubt.reasons))}.{advice}</p>"
    )


def _columns(outcome: Outcome) -> str:
    columns = "".join(_column(outcome, column) for column in outcome.columns)
    legend = (
        f"Mels on one scale of {RANGE_DB:g} dB, the lowest band at the bottom. Differences: blue is quieter than the "
        f"first picture, orange is louder, with full colour at {DIFFERENCE_DB:g} dB and more."
    )
    griffin_lim = f"Griffin-Lim: {N_ITER} iterations from the same mel, no training."
    top = note_on_top_band(outcome.upload.convention)
    return f'<div class="columns">{columns}</div><p class="faint">{legend} {griffin_lim}{top}</p>'


def _column(outcome: Outcome, column: Column) -> str:
    title = escape(column.title)
    audio = '<p class="faint silent">A mel has no sound of its own.</p>'
    if column.audio is not None:
        sound = _data_uri("audio/flac", flac(column.audio, column.sample_rate))
        audio = f'<audio controls preload="metadata" aria-label="{title}" src="{sound}"></audio>'
    pictures = _picture(outcome, column.picture, f"Mel, {title}")
    if column.difference is not None:
        pictures += '<p class="faint caption">difference</p>'
        pictures += _picture(outcome, column.difference, f"Difference of the mel, {title}")
    return f"<section><h3>{title}</h3>{audio}{pictures}</section>"


def _picture(outcome: Outcome, picture: bytes, text: str) -> str:
    convention = outcome.upload.convention
    high, low = top_frequency(convention) / 1000, convention.f_min / 1000
    return (
        f'<div class="picture"><span>{high:.3g} kHz</span><span class="bottom">{low:.2g}</span>'
        f'<img alt="{text}" src="{_data_uri("image/png", picture)}">'
        f'<span class="seconds"><span>0</span><span>{outcome.upload.duration_s:.1f} s</span></span></div>'
    )


def _measures(outcome: Outcome) -> str:
    if not outcome.measures:
        return ""
    made = outcome.columns[1:]
    head = "".join(f"<th>{escape(column.title)}</th>" for column in made)
    rows = "".join(_measure(measure, made) for measure in outcome.measures)
    missing = f'<p class="faint">Not measured: {escape(left_out_as_text(outcome.left_out))}.</p>'
    return (
        f"<h3>Measures, against the original</h3><table><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>" + (missing if outcome.left_out else "")
    )


def _measure(measure: Measure, made: tuple[Column, ...]) -> str:
    arrow = "&uarr;" if measure.higher_is_better else "&darr;"
    cells = []
    for column in made:
        score = column.scores[measure.name]
        number = "&ndash;" if score.value is None else f"{score.value:.{measure.digits}f}"
        cells.append(f'<td title="{escape(score.reason)}">{number}</td>')
    return f"<tr><th>{escape(measure.title)} {arrow} <small>{escape(measure.best)}</small></th>{''.join(cells)}</tr>"


def _doctor(outcome: Outcome) -> str:
    comparison = outcome.comparison
    state = STATES.get(comparison.kind, "good")
    refused = f" Only {GRIFFIN_LIM}, which takes any mel, is shown." if comparison.kind == "refused" else ""
    doubted = "" if outcome.doubt is None else "If the mel is of the convention that you chose: "
    text = f'<h3>The doctor</h3><p class="box {state}">{doubted}{escape(verdict(comparison))}{refused}</p>'
    differing = [row for row in comparison.fields if row.state != "equal"]
    if differing:
        rows = "".join(map(_field, differing))
        text += (
            f"<details><summary>Differences, and how they sound if ignored</summary>"
            f'<div class="wide"><table><thead><tr><th>field</th><th>mel</th><th>checkpoint</th><th></th></tr></thead>'
            f"<tbody>{rows}</tbody></table></div></details>"
        )
    advice = "".join(f"<p>{escape(each.what)}:</p><pre>{escape(each.command)}</pre>" for each in remedies(comparison))
    return text + (f"<details><summary>What to do</summary>{advice}</details>" if advice else "")


def _field(row: FieldComparison) -> str:
    cells = (row.field, *map(_short, (row.tts, row.vocoder)), ": ".join(filter(None, (row.state, row.effect))))
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _guesses(outcome: Outcome) -> str:
    """Returns the conventions that an uploaded mel could be of; empty for a recording."""
    if outcome.upload.recording is not None:
        return ""
    n_mels = outcome.upload.mel.shape[1]
    groups = [(", ".join(names), guess) for names, guess in group_equal(outcome.upload.guesses)]
    rows = "".join(
        f'<li class="{"" if guess.possible else "faint"}"><b>{escape(names)}</b> '
        f"{'possible' if guess.possible else 'impossible'}: {escape('; '.join(guess.reasons))}</li>"
        for names, guess in groups
        if guess.convention.n_mels == n_mels
    )
    return (
        "<details><summary>Which convention this mel could be, by its values</summary>"
        f"<ul>{rows or f'<li>No known convention has {n_mels} bands.</li>'}</ul></details>"
    )


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
