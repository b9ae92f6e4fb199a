"""``vocos decode``: mel spectrograms that another program wrote, to audio."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from .batch import Result, run_batch
from .options import DEFAULT_MODEL, Device, Json, Model, fail, load_mel_model
from .paths import Job, plan


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
    from ..audio_files import OUTPUT_FORMATS, AudioWriter
    from ..chunked import decode_chunks
    from ..mel_files import MEL_SUFFIXES, read_mel

    try:
        jobs = plan(inputs, out, read=MEL_SUFFIXES, write=frozenset(OUTPUT_FORMATS), suffix=".wav")
    except ValueError as error:
        fail(str(error))
    vocos = load_mel_model(model, device)
    place = next(vocos.parameters()).device

    def work(job: Job) -> Result:
        started = time.perf_counter()
        mel = read_mel(job.source).to(place)
        with AudioWriter(job.target, vocos.sample_rate) as writer:
            for audio in decode_chunks(vocos, mel):
                writer.write(audio)
        duration_s = writer.n_samples / vocos.sample_rate
        elapsed_s = time.perf_counter() - started
        return {"output": str(job.target), "duration_s": round(duration_s, 3), "elapsed_s": round(elapsed_s, 3)}

    run_batch(jobs, work, as_json=as_json)
