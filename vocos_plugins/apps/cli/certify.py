"""``vocos certify``: measures what each precision costs a model, and stores it with the weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .batch import BatchProgress, end_with, until_done
from .options import fail, load_mel_model
from .table import table

if TYPE_CHECKING:
    from ...evaluation.certify import Certification

TITLES = {"pesq": "PESQ-wb", "distillmos": "DistillMOS", "signal_to_error_db": "signal to error, dB"}
DIGITS = {"pesq": 3, "distillmos": 3, "signal_to_error_db": 1}


def certify(
    model: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="A directory, a bundled name, or a Hugging Face repository.")
    ],
    data: Annotated[
        Path, typer.Option("--data", help="Recordings: a folder, a list of files, or a manifest (.csv) of recordings.")
    ],
    split: Annotated[str | None, typer.Option(help="The rows of the manifest to use: its column `split`.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Directory to write, by default CHECKPOINT if it is a directory.")
    ] = None,
) -> None:
    """Measure what bfloat16 and 8 bits cost CHECKPOINT, and store it with the weights.

    Both are faster than float32 on many processors. `precision="auto"`, the default of the command line and of the
    toolkits' adapters, uses 8 bits for models whose certificate shows that they lose at most 0.02 PESQ and 0.02
    DistillMOS. Take speech that the model wasn't trained on; up to 24 recordings are used, each up to its tenth second.

    A certificate holds for its weights alone: after more training, certify again.
    """
    from ...evaluation.certify import certify as measure
    from ...storage.checkpoint import is_own_directory, write_provenance
    from ...training.sources import find_recordings

    try:
        if out is None and not is_own_directory(Path(model).expanduser()):
            fail(f"{model} is not a directory that vocos-plugins wrote; name one to write by --out")
        recordings = [recording.path for recording in find_recordings(data, split)]
    except (ValueError, OSError) as error:
        fail(str(error))
    vocos = load_mel_model(model, "cpu")
    progress = BatchProgress(len(recordings))
    with until_done(progress):
        done = measure(vocos, recordings, progress)
        if out is None:
            write_provenance(vocos.provenance, Path(model).expanduser())
        else:
            vocos.save_pretrained(out)
    typer.echo(describe_costs(done))
    typer.echo(f"Wrote {out or model}")
    end_with(done.failures)


def describe_costs(done: Certification) -> str:
    """Returns a table of the scores in each precision, and which of them `auto` may use."""
    measured = [name for name in TITLES if any(name in scores for scores in done.scores.values())]
    rows = [
        [
            precision,
            *(f"{scores[name]:.{DIGITS[name]}f}" if name in scores else "" for name in measured),
            _verdict(done, precision),
        ]
        for precision, scores in done.scores.items()
    ]
    lines = [table(["precision", *(TITLES[name] for name in measured), "used by auto"], rows)]
    lines += [f"{name} was not measured: this processor has {reason}" for name, reason in done.left_out.items()]
    if done.too_few:
        lines.append(done.too_few)
    return "\n".join(lines)


def _verdict(done: Certification, precision: str) -> str:
    costs = done.certificate.costs
    return "" if precision not in costs else "yes" if costs[precision].is_small else "no"
