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


def decode(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="MEL...", help="Files .npy, .pt or .safetensors, folders, or patterns."),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder, or a .wav, .flac or .ogg for one input.")],
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Turn mel spectrograms into audio.

    A file holds one mel, (bands, frames) or (1, bands, frames), in the model's own convention.
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

    def vocode(path: Path) -> Iterator[Tensor]:
        return decode_chunks(vocos, read_mel(path).to(place))

    run_batch(jobs, audio_job(vocode, vocos.sample_rate), as_json=as_json)
