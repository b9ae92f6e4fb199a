"""``vocos demo``: the shipped speech clips, vocoded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import DEFAULT_MODEL, Model, fail, load_mel_model


def demo(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for report.html.")] = Path("demo"),
    model: Model = DEFAULT_MODEL,
) -> None:
    """Vocode the shipped clips and write a page for listening: OUT/report.html."""
    from rich.progress import Progress

    from ...storage.claims import FolderInUseError, claim
    from ..demo import write_report

    vocos = load_mel_model(model, "cpu")
    try:
        with claim(out), Progress(transient=True) as progress:
            task = progress.add_task("vocoding", total=None)
            page = write_report(
                vocos, out, name=model, progress=lambda done, total: progress.update(task, completed=done, total=total)
            )
    except FolderInUseError as error:
        fail(str(error))
    except OSError as error:
        fail(f"can't write the report to {out}: {error.strerror or error}")
    typer.echo(f"Wrote {page}: open it in a browser and listen.")
