"""``vocos decode``: mel spectrograms that another program wrote, or EnCodec codes, to audio."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .corpus import Address, EngineName, Format, Loaded, Resume, Root, Running, Workers, make_search, vocode
from .options import DEFAULT_MODEL, SIDE, Device, Json, Model, alignable, fail, load_mel_model, load_model

if TYPE_CHECKING:
    from torch import Tensor

    from ..corpus.jobs import Job

CODES_MODEL = "charactr/vocos-encodec-24khz"
EXPORTED = (".onnx", ".xml")


def decode(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Files .npy, .pt or .safetensors, or .npz, .npy or .ecdc with --codes; folders, lists, or patterns.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder, or a .wav, .flac or .ogg for one input.")],
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    source: Annotated[
        str | None,
        typer.Option(help=f"What the mels are of: {SIDE}. They are aligned. The model's own convention by default."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse mels that can only be aligned with a loss.")] = False,
    codes: Annotated[
        bool,
        typer.Option(
            "--codes",
            help="The files hold EnCodec codes: of `vocos encode`, of Bark's voices, or of EnCodec itself. The model "
            f"is then {CODES_MODEL} by default.",
        ),
    ] = False,
    backend: Annotated[
        str | None,
        typer.Option(
            help="onnxruntime or openvino, for a --model that `vocos export` wrote: a .onnx or .xml file. It is used "
            "without torch, and its suffix tells the backend."
        ),
    ] = None,
    format_: Format = "auto",
    root: Root = None,
    resume: Resume = False,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Turn mel spectrograms, or EnCodec codes, into audio.

    A file holds one mel, (bands, frames) or (1, bands, frames), or the codes of one recording, (codebooks, frames).
    """
    from ..code_files import CODE_SUFFIXES
    from ..storage.mel_files import MEL_SUFFIXES

    def load() -> Loaded:
        if backend is not None or Path(model).suffix in EXPORTED:
            if codes or device not in ("auto", "cpu"):
                fail("an exported file decodes mels on the CPU: --codes and other devices need a checkpoint")
            return _of_file(model, backend, source, strict)
        if codes:
            return _of_codes(model, device, source)
        return _of_mels(model, "cpu" if engine == "ray" else device, source, strict)

    running = Running(resume=resume, engine=engine, address=address, workers=workers, as_json=as_json, device=device)
    search = make_search(out, CODE_SUFFIXES if codes else MEL_SUFFIXES, "mel", format_, root)
    vocode(inputs, search, running, load)


def _of_file(model: str, backend: str | None, source: str | None, strict: bool) -> Loaded:
    """Mels to audio by a file of `vocos export`."""
    import torch

    from ..config import FEATURES
    from ..config.mapping import read_part
    from ..corpus.work import Pieces, digest, read_job_mel
    from ..export.sessions import load_session
    from ..inference.windows import cut_samples
    from ..mel import MelConvention, align
    from .doubt import Doubter

    try:
        session = load_session(model, backend)
        own = read_part(session.config["features"], FEATURES, model)
    except ImportError as error:
        fail(f"{error}. pip install 'vocos-plugins[onnx]' or 'vocos-plugins[openvino]'")
    except (ValueError, OSError) as error:
        fail(str(error))
    if not isinstance(own, MelConvention):
        fail(f"{model} decodes EnCodec features; `vocos decode` needs a checkpoint for that")
    alignment = align(own if source is None else alignable(source, own, strict=strict), own, strict=strict)
    doubter = Doubter(alignment.source)

    def pieces_of(job: Job) -> Iterator[Tensor]:
        mel = read_job_mel(job)
        doubter(job, mel)
        pieces = map(torch.from_numpy, session.decode_chunks(alignment(mel).numpy()))
        return cut_samples(pieces, alignment.first_sample, alignment.n_samples(mel.shape[-1]))

    def settings() -> dict[str, str]:
        files = [file for file in (Path(model), Path(model).with_suffix(".bin")) if file.exists()]
        return {"model": digest(*(file.read_bytes() for file in files)), "mels": str(source), "backend": str(backend)}

    return Pieces(session.sample_rate, pieces_of, settings), None


def _of_mels(model: str, device: str, source: str | None, strict: bool) -> Loaded:
    """Mels to audio by a checkpoint."""
    from ..corpus.building import decoding, portable
    from .doubt import DoubtingDecoding

    vocos = load_mel_model(model, device)
    convention = None if source is None else alignable(source, vocos.mel, strict=strict)
    return DoubtingDecoding(vocos, convention, strict), partial(decoding, portable(model), convention, strict)


def _of_codes(model: str, device: str, source: str | None) -> Loaded:
    """Codes to audio by a checkpoint."""
    from ..code_files import read_codes
    from ..config import EncodecCodes
    from ..corpus.work import Pieces, model_digest
    from ..inference.windows import cut_samples, decode_chunks

    if source is not None:
        fail("--source is about mels; codes are the same for every model")
    vocos = load_model(CODES_MODEL if model == DEFAULT_MODEL else model, device)
    features = vocos.config.features
    if not isinstance(features, EncodecCodes):
        fail(f"{model} decodes mel spectrograms; --codes needs a model of EnCodec codes, such as {CODES_MODEL}")

    def pieces_of(job: Job) -> Iterator[Tensor]:
        stored = read_codes(job.source)
        decodable = vocos.codes_to_features(stored.codes.to(next(vocos.parameters()).device))
        bandwidth_id = features.codebook_counts.index(len(stored.codes))
        conditioned = vocos.config.n_bandwidths is not None
        pieces = decode_chunks(vocos, decodable, bandwidth_id=bandwidth_id if conditioned else None)
        yield from pieces if stored.n_samples is None else cut_samples(pieces, 0, stored.n_samples)

    return Pieces(vocos.sample_rate, pieces_of, lambda: {"model": model_digest(vocos)}), None
