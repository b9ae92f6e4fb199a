"""``vocos doctor``: whether a model and a vocoder fit, what a mel could be, and whether the installation works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ..corpus.jobs import describe
from .doctor_text import comparison_lines, guess_lines, installation_lines, show
from .options import Json, fail
from .plugins import report, survey

if TYPE_CHECKING:
    from ..doctor import Side

SIDE = (
    "A checkpoint directory or name, a Coqui config.json, a NeMo .nemo or YAML, a SpeechBrain hyperparams.yaml, "
    "or a mel convention's name."
)


def doctor(
    tts: Annotated[str | None, typer.Argument(metavar="TTS", help=SIDE)] = None,
    vocoder: Annotated[str | None, typer.Argument(metavar="VOCODER", help="The same.")] = None,
    mel: Annotated[
        Path | None, typer.Option("--mel", help="Tell instead which conventions the mel in this file could be of.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare a text-to-speech model's mel with a vocoder's, or, given nothing, check the installation.

    Nothing is downloaded, and nothing in a file is run.

    Exit code of a comparison: 0 they fit, 1 they fit with a loss, 2 they don't.

    Exit code of the installation: 1 if something is broken. Of --mel: 1 if no known convention fits.
    """
    if mel is not None:
        if tts is not None:
            fail("--mel stands alone: it looks for the convention that TTS and VOCODER would name")
        _guess(mel, as_json)
    if tts is None:
        _check(as_json)
    if vocoder is None:
        fail(f"compare {tts} with what? Give a VOCODER too, such as vocos-mel-22khz-small")
    _compare(tts, vocoder, as_json)


def _compare(tts: str, vocoder: str, as_json: bool) -> NoReturn:
    from ..doctor import compare
    from ..doctor.report import comparison_report
    from ..plugins import PluginError

    _, problems = survey()
    report(problems)
    comparison = compare(_side("TTS", tts), _side("VOCODER", vocoder))
    try:
        if as_json:
            _print_json(comparison_report(comparison))
        else:
            show(comparison_lines(comparison))
    except PluginError as error:  # the checkpoints that are known contradict each other
        fail(str(error))
    raise typer.Exit(comparison.exit_code)


def _side(place: str, text: str) -> Side:
    from ..doctor import resolve_side

    try:
        return resolve_side(text)
    except ValueError as error:
        fail(f"{place}: {error}")


def _check(as_json: bool) -> NoReturn:
    from ..doctor import check_installation
    from ..doctor.report import installation_exit_code, installation_report

    checks = check_installation()
    if as_json:
        _print_json(installation_report(checks))
    else:
        show(installation_lines(checks))
    raise typer.Exit(installation_exit_code(checks))


def _guess(path: Path, as_json: bool) -> NoReturn:
    from ..doctor.report import guess_exit_code, guess_report
    from ..mel.guess import guess
    from ..plugins import mel_conventions
    from ..storage.mel_files import read_mel

    _, problems = survey()
    report(problems)
    try:
        mel = read_mel(path)
        guesses = guess(mel, mel_conventions().values())
    except OSError as error:
        fail(describe(error))
    except ValueError as error:
        fail(f"{path}: {error}")
    shape = tuple(mel.shape[1:])
    if as_json:
        _print_json({"mel": str(path), "shape": shape, **guess_report(guesses)})
    else:
        show(guess_lines(str(path), shape, guesses))
    raise typer.Exit(guess_exit_code(guesses))


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content, indent=2))
