"""``vocos convert``: a training checkpoint to an inference directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..batch.jobs import describe
from .options import Overwrite, fail


def convert(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="A Lightning checkpoint in the reference implementation's layout.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Directory to write.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="The YAML configuration of the training.")],
    overwrite: Overwrite = False,
) -> None:
    """Extract the generator of a training checkpoint into a directory for inference, checking every key."""
    from ...model import Vocos
    from ...storage.convert import check_conversion, read_training_checkpoint

    try:
        check_conversion(out, checkpoint, config, overwrite=overwrite)
        Vocos.from_checkpoint(read_training_checkpoint(checkpoint, config)).save_pretrained(out)
    except ValueError as error:
        fail(str(error))
    except OSError as error:
        fail(describe(error))
    typer.echo(f"Wrote {out}: Vocos.from_pretrained({str(out)!r}) loads it.")
