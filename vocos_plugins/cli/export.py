"""``vocos export``: a model as a toolkit's own kind of checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import DEFAULT_MODEL, Model, fail, find_adapter, load_model


def export(
    toolkit: Annotated[str, typer.Argument(metavar="TOOLKIT", help="speechbrain, nemo, coqui, or a plugin's.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A directory; for NeMo a .nemo file.")],
    model: Model = DEFAULT_MODEL,
    tts: Annotated[
        str | None,
        typer.Option(
            metavar="TTS",
            help="The text-to-speech model that it is for: its configuration or directory, or a convention's name, "
            "as `vocos doctor` takes it. The toolkit's usual English models by default.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a mel that can only be aligned with a loss.")
    ] = False,
) -> None:
    """Write a model so that an unmodified toolkit loads it."""
    from ..doctor import resolve_side

    adapter = find_adapter(toolkit)
    try:
        side = None if tts is None else resolve_side(tts)
        if side is not None and side.convention is None:
            fail(f"{tts} has no mel; EnCodec codes are no mels")
        wanted = None if side is None else side.path if side.toolkit == toolkit else side.convention
        adapter.export(load_model(model), target, tts=wanted, strict=strict)
    except ImportError as error:
        fail(f"{toolkit} can't be imported: {error}. `vocos doctor` says what to install")
    except (ValueError, OSError) as error:
        fail(str(error))
    typer.echo(f"{model} -> {target}")
