"""``vocos encode``: recordings to EnCodec codes, which ``vocos decode --codes`` decodes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..batch.jobs import Job
from ..batch.naming import Search
from ..batch.plan import plan
from .batch import BatchProgress, Result, run_batch
from .claiming import claimed
from .options import Device, Json, fail

if TYPE_CHECKING:
    import torch


def encode(
    inputs: Annotated[
        list[str], typer.Argument(metavar="AUDIO...", help="Audio files, folders, or patterns such as 'a/*.wav'.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder; for one input also a .npz or .npy.")],
    bandwidth: Annotated[float, typer.Option(help="In kb/s: 1.5, 3, 6 or 12, with 2, 4, 8 or 16 codebooks.")] = 6.0,
    encodec: Annotated[
        str | None,
        typer.Option(
            help="EnCodec's 24 kHz weights: a directory, a file, or a repository on the Hugging Face hub. By default "
            "the published ones, downloaded once."
        ),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Turn recordings into EnCodec codes.

    Channels are mixed to mono and resampled to 24 kHz. Needs transformers: pip install 'vocos-plugins[encodec]'.
    """
    from ...network.encodec_encoder import EncodecEncoder
    from ...storage.audio import INPUT_SUFFIXES, read_mono
    from ..batch.codes import CODES, WRITERS, write_codes

    try:
        jobs = plan(inputs, Search(out=out, read=INPUT_SUFFIXES, suffix=".npz"), WRITERS)
        if bandwidth not in CODES.bandwidths:
            known = ", ".join(f"{each:g}" for each in CODES.bandwidths)
            raise ValueError(f"--bandwidth must be one of {known} kb/s, got {bandwidth:g}")
        encoder = EncodecEncoder(CODES, encodec)
        torch_device = _torch_device(device)
        encoder.codebooks()  # loads it: a missing EnCodec is reported before any file is read
    except ValueError as error:
        fail(str(error))

    def process(job: Job, _: BatchProgress) -> Result:
        started = time.perf_counter()
        audio = read_mono(job.source, CODES.sample_rate).to(torch_device)
        codes = encoder.encode(audio, bandwidth)[:, 0]
        write_codes(job.target, codes, audio.shape[1])
        return {
            "output": str(job.target),
            "codebooks": codes.shape[0],
            "frames": codes.shape[1],
            "elapsed_s": round(time.perf_counter() - started, 3),
        }

    with claimed(out, WRITERS):
        run_batch(jobs, process, as_json=as_json)


def _torch_device(device: str) -> torch.device:
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        # torch.device() accepts devices that aren't there; an empty tensor fails, with an AssertionError if torch has
        # no CUDA.
        return torch.zeros(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"can't use device {device!r}: {error}") from error
