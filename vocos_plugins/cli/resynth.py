"""``vocos resynth``: recordings through the vocoder and back, to hear what it does to them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .corpus import Address, EngineName, Format, Loaded, Resume, Root, Running, Workers, make_search, vocode
from .options import DEFAULT_MODEL, Device, Json, Model, load_mel_model


def resynth(
    inputs: Annotated[
        list[str], typer.Argument(metavar="IN...", help="Audio files, folders, lists, or patterns such as 'a/*.wav'.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder, or a .wav, .flac or .ogg for one input.")],
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    format_: Format = "auto",
    root: Root = None,
    resume: Resume = False,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Turn recordings into mel spectrograms and back into audio.

    Every channel is vocoded by itself. The output has the model's sample rate and the input's duration. Long files
    need no more memory than short ones.
    """
    from ..corpus.building import portable, resynthesis
    from ..storage.audio import INPUT_SUFFIXES

    def load() -> Loaded:
        from ..corpus.work import Resynthesis

        vocos = load_mel_model(model, "cpu" if engine == "ray" else device)
        return Resynthesis(vocos), partial(resynthesis, portable(model))

    running = Running(resume=resume, engine=engine, address=address, workers=workers, as_json=as_json, device=device)
    search = make_search(out, INPUT_SUFFIXES, "audio", format_, root)
    vocode(inputs, search, running, load)
