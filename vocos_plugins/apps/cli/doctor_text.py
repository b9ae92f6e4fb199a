"""Text output of ``vocos doctor``: tables of at most 80 columns, wrapped prose, and unwrapped commands."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from .table import table

if TYPE_CHECKING:
    from ...evaluation.blur import Blur
    from ...mel.guess import Guess
    from ..doctor import Check, Comparison, Endpoint, FieldComparison

WIDTHS = (40, 80)  # least and most columns of prose
INDENT = "    "
STYLES = {
    "equal": "dim",
    "negligible": "",
    "convertible": "cyan",
    "lossy": "yellow",
    "fatal": "bold red",
    "ok": "green",
    "missing": "dim",
    "off": "dim",
    "broken": "bold red",
}
VERDICTS = {"lossy": "bold yellow", "refused": "bold red"}

Line = tuple[str, str]  # text, style


def show(lines: Iterator[Line]) -> None:
    """Prints lines without wrapping, in colour if standard output is a terminal."""
    # Without soft_wrap, Rich would break table rows and commands, which could then be neither searched nor copied.
    console = Console(highlight=False, soft_wrap=True)
    for text, style in lines:
        # As a Text: in a plain string, Rich would take [nemo] of a pip command for markup and drop it.
        console.print(Text(text, style=style))


def comparison_lines(comparison: Comparison) -> Iterator[Line]:
    """Yields the lines about both sides, each field, the verdict and the remedies."""
    from ..doctor import remedies, verdict

    yield f"TTS      {_describe(comparison.tts)}", ""
    yield f"vocoder  {_describe(comparison.vocoder)}", ""
    for note in (*comparison.tts.notes, *comparison.vocoder.notes):
        yield from _prose(note, "yellow", indent=INDENT)
    yield "", ""
    rows = [(row.field, *_values(row), row.state) for row in comparison.fields]
    header, *lines = table(("field", "TTS", "vocoder", "state"), rows).splitlines()
    yield header, "bold"
    for line, row in zip(lines, comparison.fields, strict=True):
        yield line, STYLES[row.state]
        if row.effect is not None:
            yield from _prose(row.effect, "dim", indent=INDENT)
    yield "", ""
    yield from _prose(verdict(comparison), VERDICTS.get(comparison.kind, "bold green"))
    for remedy in remedies(comparison):
        yield "", ""
        yield from _prose(f"{remedy.what}:")
        for line in remedy.command.splitlines():
            yield INDENT + line, "bold"


def installation_lines(checks: Sequence[Check]) -> Iterator[Line]:
    """Yields one line per check, followed by the problem and its fix."""
    rows = [(check.group, check.name, check.version or "", check.state) for check in checks]
    header, *lines = table(("", "", "version", "state"), rows).splitlines()
    # table() writes a dash for an empty cell, here the first two headings.
    yield header.replace("-", " "), "bold"
    for line, check in zip(lines, checks, strict=True):
        plain = check.state == "broken" or not check.detail
        yield line if plain else f"{line:{max(map(len, lines))}}  {check.detail}", STYLES[check.state]
        if check.state == "broken":
            yield from _prose(check.detail, indent=INDENT)
        for step in check.fix.splitlines():
            yield INDENT + step, ""
    yield "", ""
    broken = [check.name for check in checks if check.state == "broken"]
    yield (f"Broken: {', '.join(broken)}.", "bold red") if broken else ("Nothing is broken.", "bold green")


def guess_lines(name: str, shape: tuple[int, ...], guesses: Sequence[Guess]) -> Iterator[Line]:
    """Yields the conventions that a mel could have, and what rules out the others with the same number of bands."""
    from ..doctor.report import group_equal

    n_mels, n_frames = shape
    yield f"{name}: {n_mels} bands, {n_frames} frames", ""
    groups = group_equal(guesses)
    for title, possible in (("could be", True), ("can't be", False)):
        chosen = [
            (", ".join(names), "; ".join(guess.reasons))
            for names, guess in groups
            if guess.possible is possible and guess.convention.n_mels == n_mels
        ]
        if chosen:
            yield "", ""
            yield title, "bold"
        for names, reasons in chosen:
            yield from _prose(f"{names}: {reasons}", "green" if possible else "dim", indent=INDENT)
    others = sorted({guess.convention.n_mels for _, guess in groups} - {n_mels})
    yield "", ""
    yield from _prose(f"The other conventions have {', '.join(map(str, others))} bands.")
    if n_frames in others and n_mels not in {guess.convention.n_mels for _, guess in groups}:
        yield from _prose(f"If {shape} are (frames, bands), transpose the mel.", "bold")


def blur_lines(blur: Blur | None) -> Iterator[Line]:
    """Yields sentences on how blurred a mel is; none if it isn't more than recordings' mels are."""
    if blur is not None:
        yield "", ""
        advice = "Acoustic models emit such mels; `vocos postfilter` fits a vocoder to them."
        yield from _prose(f"This mel is {blur}. {advice}", "yellow")


def _describe(endpoint: Endpoint) -> str:
    convention = endpoint.convention
    if endpoint.kind == "convention":
        return f"{endpoint.name} (convention)"
    what = "EnCodec codes" if convention is None else f"mel {convention.name}".rstrip()
    if endpoint.exported is not None:
        # As a vocoder it is shown by the mel of the model inside.
        source = endpoint.exported.source
        what = f"for {source.name or 'a mel of its own'}" + (f", {what} inside" if convention != source else "")
    return f"{endpoint.name} ({endpoint.kind}; {what})"


def _values(row: FieldComparison) -> tuple[str, str]:
    tts, vocoder = _value(row.tts), _value(row.vocoder)
    # Values that differ may look alike once they are rounded.
    return (tts, vocoder) if tts != vocoder or row.state == "equal" else (tts, f"{vocoder}, not the same")


def _value(value: object) -> str:
    """Returns a field's value in at most 24 characters."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case tuple():
            return ", ".join(map(_value, value))
    return _normalization(value)


def _normalization(value: object) -> str:
    from ...mel import LevelNormalization, MeanStdNormalization

    match value:
        case LevelNormalization() as level:
            low = -level.max_norm if level.symmetric else 0
            bounds = f"{level.ref_level + level.min_level:g}..{level.ref_level:g} to {low:g}..{level.max_norm:g}"
            return f"{bounds} clip" if level.clip else bounds
        case MeanStdNormalization(mean=tuple() as mean):
            return f"mean {min(mean):.2g}..{max(mean):.2g} per band"
        case MeanStdNormalization(mean=mean, std=std):
            return f"mean {mean:.3g}, std {'per band' if isinstance(std, tuple) else f'{std:.3g}'}"
    return str(value)


def _prose(text: str, style: str = "", indent: str = "") -> Iterator[Line]:
    width = min(max(shutil.get_terminal_size().columns, WIDTHS[0]), WIDTHS[1])
    # Words are never broken, since paths and options are copied.
    for line in textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ):
        yield line, style
