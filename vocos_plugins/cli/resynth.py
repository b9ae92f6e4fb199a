"""``vocos resynth``: recordings through the vocoder and back, to hear what it does to them."""

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


def resynth(
    inputs: Annotated[
        list[str], typer.Argument(metavar="IN...", help="Audio files, folders, or patterns such as 'a/*.wav'.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder, or a .wav, .flac or .ogg for one input.")],
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Turn recordings into mel spectrograms and back into audio.

    Every channel is vocoded by itself. The output has the model's sample rate and the input's duration. Long files
    need no more memory than short ones.
    """
    import soundfile

    from ..audio_files import OUTPUT_FORMATS, read_blocks
    from ..chunked import resynthesize_chunks

    readable = frozenset(f".{name.lower()}" for name in soundfile.available_formats()) | {".aif", ".oga", ".opus"}
    try:
        jobs = plan(inputs, out, read=readable, write=frozenset(OUTPUT_FORMATS), suffix=".wav")
    except ValueError as error:
        fail(str(error))
    vocos = load_mel_model(model, device)
    place = next(vocos.parameters()).device

    def vocode(path: Path) -> Iterator[Tensor]:
        return resynthesize_chunks(vocos, (block.to(place) for block in read_blocks(path, vocos.sample_rate)))

    run_batch(jobs, audio_job(vocode, vocos.sample_rate), as_json=as_json)
