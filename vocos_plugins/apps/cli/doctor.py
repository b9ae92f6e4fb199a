"""``vocos doctor``: whether a model and a vocoder are compatible, what a mel is, and whether the installation works."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ..batch.jobs import describe, printable
from .doctor_text import blur_lines, comparison_lines, guess_lines, installation_lines, show
from .options import DEFAULT_MODEL, Failure, Json, fail
from .plugins import report, survey

if TYPE_CHECKING:
    from ..doctor import Endpoint

SIDE = (
    "A checkpoint directory or name, a Coqui config.json, a NeMo .nemo or YAML, a SpeechBrain hyperparams.yaml, "
    "or a mel convention's name."
)


def doctor(
    tts: Annotated[str | None, typer.Argument(metavar="TTS", help=SIDE)] = None,
    vocoder: Annotated[str | None, typer.Argument(metavar="VOCODER", help="Takes the same as TTS.")] = None,
    mel: Annotated[
        Path | None, typer.Option("--mel", help="List the conventions that the mel in this file could have.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare a text-to-speech model's mel with a vocoder's; without arguments, check the installation.

    Nothing is downloaded, and nothing in a file is run.

    Exit code of a comparison: 0 compatible, 1 compatible by a lossy conversion, 2 incompatible. It is also 2 if a side
    can't be read: --json then prints an object with the key error.

    Exit code of the installation check: 1 if something is broken. Exit code of --mel: 1 if no known convention fits.
    """
    try:
        if mel is not None:
            if tts is not None:
                fail("--mel takes no TTS or VOCODER: it looks for the mel's convention")
            _guess(mel, as_json)
        if tts is None:
            _check(as_json)
        if vocoder is None:
            fail(f"VOCODER is missing; for example: vocos doctor {tts} {DEFAULT_MODEL}")
        _compare(tts, vocoder, as_json)
    except Failure as failure:
        if as_json:  # a pair that doesn't fit has a verdict, and the same exit code
            _print_json({"error": failure.message, "exit_code": failure.exit_code})
        raise


def _compare(tts: str, vocoder: str, as_json: bool) -> NoReturn:
    from ...plugins import PluginError
    from ..doctor import compare
    from ..doctor.report import comparison_report

    # First, as it loads the plugins: their warnings are caught there, and printed once as problems.
    _, problems = survey()
    report(problems)
    comparison = compare(_endpoint("TTS", tts), _endpoint("VOCODER", vocoder))
    try:
        if as_json:
            _print_json(comparison_report(comparison))
        else:
            show(comparison_lines(comparison))
    except PluginError as error:  # the checkpoints that are known contradict each other
        fail(str(error))
    raise typer.Exit(comparison.exit_code)


def _endpoint(place: str, text: str) -> Endpoint:
    from ..doctor import resolve_endpoint

    try:
        return resolve_endpoint(text)
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
    from ...evaluation.blur import measure_against_speech
    from ...mel.guess import guess
    from ...plugins import mel_conventions
    from ...storage.mel_files import read_mel
    from ..doctor.report import guess_exit_code, guess_report

    _, problems = survey()
    report(problems)
    try:
        mel = read_mel(path)
        guesses = guess(mel, mel_conventions().values())
    except OSError as error:
        fail(describe(error))
    except Exception as error:
        fail(printable(f"{path}: {describe(error)}"))
    shape = tuple(mel.shape[1:])
    likely = next((each.convention for each in guesses if each.possible), None)
    blur = measure_against_speech([mel[0].double().numpy()], likely) if likely is not None else None
    blur = blur if blur is not None and blur.significant else None  # else it may be the speaker
    if as_json:
        blurred = None if blur is None else asdict(blur)
        _print_json({"mel": str(path), "shape": shape, **guess_report(guesses), "blur": blurred})
    else:
        show(guess_lines(str(path), shape, guesses))
        show(blur_lines(blur))
    raise typer.Exit(guess_exit_code(guesses))


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content, indent=2))
