"""``vocos resynth``: recordings to mels and back to audio, to listen to the vocoder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .options import DEFAULT_MODEL, Device, Json, Model, load_mel_model
from .vocoding import Address, EngineName, Format, Loaded, Resume, Root, RunOptions, Workers, make_search, vocode


def resynth(
    inputs: Annotated[
        list[str], typer.Argument(metavar="IN...", help="Audio files, folders, lists, or patterns such as 'a/*.wav'.")
    ],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="A folder; for one input also a .wav, .flac, .ogg, .opus, .mp3 or .aiff."),
    ],
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

    Each channel is vocoded separately. The output has the model's sample rate and the input's duration. Long files
    need no more memory than short ones.
    """
    from ...storage.audio import INPUT_SUFFIXES
    from ..batch.remote import absolute_if_local, resynthesis

    def load() -> Loaded:
        from .level_warning import CheckedResynthesis

        # With Ray the workers compute; this process needs the model only for the record's settings.
        vocos = load_mel_model(model, "cpu" if engine == "ray" else device)
        return CheckedResynthesis(vocos), partial(resynthesis, absolute_if_local(model))

    options = RunOptions(resume=resume, engine=engine, address=address, workers=workers, as_json=as_json, device=device)
    search = make_search(out, INPUT_SUFFIXES, "audio", format_, root)
    vocode(inputs, search, options, load)
