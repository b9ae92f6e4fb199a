"""``vocos train``: a training run from a configuration file."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ..batch.jobs import describe
from .options import fail


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file; recipes/lightning has examples.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for checkpoints and the log.")] = Path("runs/vocos"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Fail if OUT holds a run, instead of continuing it.")] = False,
) -> None:
    """Train or fine-tune a model, in stages if CONFIG has them. The same command continues an interrupted run."""
    # Looked for, not imported: mistakes in CONFIG are reported before Lightning is imported, which takes seconds.
    for package in ("lightning", "tensorboard"):
        if find_spec(package) is None:
            fail(f"training needs {package}: pip install 'vocos-plugins[train]'")
    from ...training.divergence import DivergenceError
    from ...training.stages import read_stages, train_stages

    try:
        stages = read_stages(config)
        model = train_stages(stages, out, resume=not fresh)
    except ValueError as error:
        fail(str(error))
    except OSError as error:
        fail(describe(error))
    except DivergenceError as error:
        fail(str(error), code=1)
    if model is None:
        typer.echo("Stopped and saved. Run the same command to continue.")
    else:
        from ...evaluation.certify import certify_trained
        from ...training.run import is_first_process

        if is_first_process():
            validation = [recording.path for recording in stages[-1].config.data.validation_recordings()]
            typer.echo(certify_trained(model, validation))
        typer.echo(f"Done: Vocos.from_pretrained({str(model)!r}) loads the averaged generator.")
