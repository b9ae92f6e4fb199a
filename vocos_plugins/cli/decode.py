"""``vocos decode``: mel spectrograms that another program wrote, to audio."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .batch import audio_job, run_batch
from .options import DEFAULT_MODEL, Device, Json, Model, fail, load_mel_model
from .paths import plan

if TYPE_CHECKING:
    from torch import Tensor

    from ..mel import MelConvention
    from ..model import Vocos


def decode(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="MEL...", help="Files .npy, .pt or .safetensors, folders, or patterns."),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder, or a .wav, .flac or .ogg for one input.")],
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    source: Annotated[
        str | None,
        typer.Option(
            help="What the mels are of: a text-to-speech model's configuration or directory, or a convention's name, "
            "as `vocos doctor` takes it. They are aligned. The model's own convention by default."
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse mels that can only be aligned with a loss.")] = False,
    as_json: Json = False,
) -> None:
    """Turn mel spectrograms into audio.

    A file holds one mel, (bands, frames) or (1, bands, frames).
    """
    from ..audio_files import OUTPUT_FORMATS
    from ..chunked import decode_chunks
    from ..mel_files import MEL_SUFFIXES, read_mel

    try:
        jobs = plan(inputs, out, read=MEL_SUFFIXES, write=frozenset(OUTPUT_FORMATS), suffix=".wav")
    except ValueError as error:
        fail(str(error))
    vocos = load_mel_model(model, device)
    place = next(vocos.parameters()).device
    convention = None if source is None else _alignable(source, vocos, strict)

    def vocode(path: Path) -> Iterator[Tensor]:
        return decode_chunks(vocos, read_mel(path).to(place), source=convention, strict=strict)

    run_batch(jobs, audio_job(vocode, vocos.sample_rate), as_json=as_json)


def _alignable(source: str, vocos: Vocos, strict: bool) -> MelConvention:
    """The convention that a name or file stands for; ends the command if it can't be aligned to the model's."""
    from ..doctor import resolve_side
    from ..mel import align

    try:
        convention = resolve_side(source).convention
        align(convention, vocos.mel, strict=strict)
    except ValueError as error:
        fail(str(error))
    if convention is None:
        fail(f"{source} has no mel; EnCodec codes are no mels")
    return convention
