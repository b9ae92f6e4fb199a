"""``vocos resynth``: recordings through the vocoder and back, to hear what it does to them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from .batch import Result, run_batch
from .options import DEFAULT_MODEL, Device, Json, Model, fail, load_mel_model
from .paths import Job, plan


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

    from ..audio_files import OUTPUT_FORMATS, AudioWriter, read_blocks
    from ..chunked import resynthesize_chunks

    readable = frozenset(f".{name.lower()}" for name in soundfile.available_formats()) | {".aif", ".oga", ".opus"}
    try:
        jobs = plan(inputs, out, read=readable, write=frozenset(OUTPUT_FORMATS), suffix=".wav")
    except ValueError as error:
        fail(str(error))
    vocos = load_mel_model(model, device)
    place = next(vocos.parameters()).device

    def work(job: Job) -> Result:
        started = time.perf_counter()
        blocks = (block.to(place) for block in read_blocks(job.source, vocos.sample_rate))
        with AudioWriter(job.target, vocos.sample_rate) as writer:
            for audio in resynthesize_chunks(vocos, blocks):
                writer.write(audio)
        duration_s = writer.n_samples / vocos.sample_rate
        elapsed_s = time.perf_counter() - started
        return {"output": str(job.target), "duration_s": round(duration_s, 3), "elapsed_s": round(elapsed_s, 3)}

    run_batch(jobs, work, as_json=as_json)
