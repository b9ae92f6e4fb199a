"""The numbers of an evaluation: mean and worst file of each measure, as a Markdown table and as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from .evaluate import Evaluation
from .measures import Measure
from .systems import RECORDING

NOTHING = "–"  # noqa: RUF001


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Summary of a measure of one system over the files where it has a value."""

    mean: float
    worst: float
    worst_file: str
    n_files: int


def summarize(evaluation: Evaluation, system: str, measure: Measure) -> Summary | None:
    """Returns the summary of a measure of one system; None if no file has a value."""
    values = [
        (score.value, row.file)
        for row in evaluation.rows
        if row.system == system and (score := row.scores.get(measure.name)) is not None and score.value is not None
    ]
    if not values:
        return None
    worst, file = (min if measure.higher_is_better else max)(values)
    return Summary(mean=fmean(value for value, _ in values), worst=worst, worst_file=file, n_files=len(values))


def columns(evaluation: Evaluation) -> list[str]:
    """Returns the names of the columns: the recording, if a measure applies to it, and the systems."""
    named = [system.name for system in evaluation.systems]
    free = any(not measure.needs_reference for measure in evaluation.measures)
    return [RECORDING, *named] if free else named


def times_real_time(evaluation: Evaluation, system: str) -> float | None:
    """Returns the seconds of audio that a system makes per second; None for the recording."""
    rows = [row for row in evaluation.rows if row.system == system]
    elapsed_s = sum(row.elapsed_s for row in rows)
    # A ratio of sums: each second of audio counts the same, in whatever file it is.
    return sum(row.duration_s for row in rows) / elapsed_s if elapsed_s else None


def left_out_as_text(left_out: Mapping[str, str]) -> str:
    """Returns the measures that weren't taken as text, grouped by reason; empty if there are none."""
    groups: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        groups.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(names)} ({reason})" for reason, names in groups.items())


def markdown(evaluation: Evaluation) -> str:
    """Returns tables of means (and worst values), of the worst files, and of failures."""
    names = columns(evaluation)
    n_files = len(evaluation.files)
    parts = [
        f"Mean (and worst) of {n_files} file{'' if n_files == 1 else 's'}; each measure's better direction is marked.",
        _table(
            "measure",
            names,
            [_numbers(evaluation, measure, names) for measure in evaluation.measures]
            + [["times real time", *(_speed(times_real_time(evaluation, name)) for name in names)]],
        ),
    ]
    if n_files > 1:
        worst = [_worst_files(evaluation, measure, names) for measure in evaluation.measures]
        parts += ["The worst files:", _table("measure", names, worst)]
    parts += evaluation.notes
    if evaluation.left_out:
        parts.append(f"Not measured: {left_out_as_text(evaluation.left_out)}.")
    if evaluation.failures:
        failed = [[_cell(f.file), _cell(f.system or "all"), _cell(f.error)] for f in evaluation.failures]
        parts += ["Failed:", _table("file", ["system", "error"], failed)]
    return "\n\n".join(parts) + "\n"


def as_data(evaluation: Evaluation) -> dict[str, Any]:
    """Returns everything but the audio as plain values, for JSON."""
    return {
        "measures": [
            {
                "name": measure.name,
                "title": measure.title,
                "higher_is_better": measure.higher_is_better,
                "needs_reference": measure.needs_reference,
                "sample_rate": measure.sample_rate,
            }
            for measure in evaluation.measures
        ],
        "left_out": dict(evaluation.left_out),
        "summary": {
            name: {
                "times_real_time": times_real_time(evaluation, name),
                **{measure.name: _as_dict(summarize(evaluation, name, measure)) for measure in evaluation.measures},
            }
            for name in columns(evaluation)
        },
        "rows": [
            {
                "file": row.file,
                "system": row.system,
                "duration_s": round(row.duration_s, 3),
                "elapsed_s": round(row.elapsed_s, 4),
                "scores": {name: score.value for name, score in row.scores.items()},
                "unmeasured": {name: score.reason for name, score in row.scores.items() if score.value is None},
            }
            for row in evaluation.rows
        ],
        "notes": list(evaluation.notes),
        "failed": [asdict(failure) for failure in evaluation.failures],
    }


def _as_dict(summary: Summary | None) -> dict[str, Any] | None:
    return None if summary is None else asdict(summary)


def _numbers(evaluation: Evaluation, measure: Measure, names: list[str]) -> list[str]:
    arrow = "↑" if measure.higher_is_better else "↓"
    cells = [f"{_cell(measure.title)} {arrow}"]
    for name in names:
        summary = summarize(evaluation, name, measure)
        cells.append(
            NOTHING if summary is None else f"{summary.mean:.{measure.digits}f} ({summary.worst:.{measure.digits}f})"
        )
    return cells


def _worst_files(evaluation: Evaluation, measure: Measure, names: list[str]) -> list[str]:
    summaries = (summarize(evaluation, name, measure) for name in names)
    return [_cell(measure.title), *(NOTHING if each is None else _cell(each.worst_file) for each in summaries)]


def _speed(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}"


def _table(first: str, others: list[str], rows: list[list[str]]) -> str:
    head = f"| {first} | " + " | ".join(_cell(name) for name in others) + " |"
    rule = "|---" + "|--:" * len(others) + "|"
    return "\n".join([head, rule, *("| " + " | ".join(row) + " |" for row in rows)])


def _cell(text: str) -> str:
    """Returns text that can't break a table."""
    return " ".join(text.replace("|", "\\|").split())
