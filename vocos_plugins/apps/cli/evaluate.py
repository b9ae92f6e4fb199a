"""``vocos eval``: the quality of checkpoints, by measures and by listening."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .batch import BatchProgress
from .options import SIDE, Device, Json, fail, load_mel_model, resolve_source

if TYPE_CHECKING:
    from ...evaluation.evaluate import Evaluation
    from ...evaluation.pairs import Pair
    from ...mel.speech import Clip


def evaluate(
    checkpoints: Annotated[
        list[str],
        typer.Argument(metavar="CHECKPOINT...", help="Bundled names, directories, or Hugging Face repositories."),
    ],
    data: Annotated[
        Path | None, typer.Option("--data", help="Recordings: a folder, a list of files, or a manifest (.csv).")
    ] = None,
    predicted: Annotated[
        Path | None,
        typer.Option(
            "--predicted",
            help="Mels that an acoustic model predicted: a folder, with --data for their recordings (same names), or "
            "JSON lines with mel_filepath and, if known, audio_filepath and text.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the table, the data and the page.")] = Path(
        "evaluation"
    ),
    measure: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Take only this measure; may be repeated. 'all' includes slow ones."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help="Compute the mel that this names, and convert it to the one that each checkpoint takes: "
            f"{SIDE}. By default each checkpoint's own mel is computed."
        ),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure checkpoints and Griffin-Lim on recordings, and write a page for listening.

    Every recording is turned into the mel that a checkpoint takes, or that --source names, and back into audio. The
    results are written to OUT as results.md, results.json and report.html.

    With --predicted, mels that an acoustic model predicted are turned into audio too, next to the mels of their
    recordings. The table then has how far they are from those, the word error rate if there are texts, and how blurred
    they are. Without recordings, only measures without a reference are taken.
    """
    from ...evaluation.evaluate import evaluate as run
    from ...evaluation.measures import choose
    from ...evaluation.predicted import evaluate_predicted
    from ...evaluation.report import facts_of, write_evaluation
    from ...evaluation.systems import build_systems
    from ...evaluation.tables import left_out_as_text
    from ...plugins import mel_conventions
    from ...storage.claims import FolderInUseError, claim

    if len(set(checkpoints)) < len(checkpoints):
        fail("each CHECKPOINT must be named only once")
    try:
        # Before the models are loaded, which takes longer than finding a mistake here.
        pairs = _find_pairs(predicted, data)
        clips = _find_clips(data) if data is not None and predicted is None else []
        measures, left_out = choose(measure or ())
    except (ValueError, OSError) as error:
        fail(str(error))
    models = {name: load_mel_model(name, device) for name in checkpoints}
    # Checked here against one model only; `build_systems` aligns it with each.
    convention = resolve_source(source, models[checkpoints[0]].mel) if source else None
    try:
        systems = build_systems(models, convention)
    except ValueError as error:
        fail(str(error))
    if left_out:
        typer.echo(f"Not measured: {left_out_as_text(left_out)}", err=True)
    progress = BatchProgress(len(pairs or clips))
    try:
        with claim(out):  # fails now instead of after an hour
            if pairs:
                candidates = mel_conventions().values()
                evaluation = evaluate_predicted(systems, pairs, measures, left_out, candidates, progress)
            else:
                evaluation = run(systems, clips, measures, left_out, progress)
            progress.stop()
            paths = write_evaluation(evaluation, out, facts_of(models))
    except (FolderInUseError, ValueError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"can't write to {out}: {error.strerror or error}")
    finally:
        progress.stop()
    _report(evaluation, paths, as_json=as_json)


def _find_pairs(predicted: Path | None, data: Path | None) -> list[Pair]:
    """Returns the predicted mels; none without --predicted, which --data then replaces."""
    from ...evaluation.pairs import find_pairs

    if predicted is not None:
        return find_pairs(predicted, data)
    if data is None:
        fail("--data is missing: the recordings to measure on; or --predicted, for mels of an acoustic model")
    return []


def _find_clips(data: Path) -> list[Clip]:
    """Returns the recordings, named by their paths below `data`."""
    from ...mel.speech import Clip
    from ...training.sources import find_recordings

    root = data if data.is_dir() else data.parent
    clips = []
    for recording in find_recordings(data):
        path = recording.path
        name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
        source = ", ".join(part for part in (recording.attribution, recording.licence) if part)
        clips.append(Clip(path=path, text=name, speaker=recording.speaker, source=source))
    return clips


def _report(evaluation: Evaluation, paths: list[Path], *, as_json: bool) -> None:
    from ...evaluation.tables import as_data, markdown

    if as_json:
        typer.echo(json.dumps(as_data(evaluation) | {"written": [str(path) for path in paths]}, indent=2))
    else:
        typer.echo(markdown(evaluation))
        typer.echo("Wrote " + ", ".join(str(path) for path in paths))
    for failure in evaluation.failures:
        typer.secho(f"failed: {failure.file}: {failure.system or 'all'}: {failure.error}", fg="red", err=True)
    raise typer.Exit(1 if evaluation.failures else 0)
