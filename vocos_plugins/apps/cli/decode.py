"""``vocos decode``: mel spectrograms or EnCodec codes from files to audio."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import CHECKPOINT, DEFAULT_MODEL, SIDE, Device, Json, fail, load_mel_model, load_model, resolve_source
from .vocoding import Address, EngineName, Format, Loaded, Resume, Root, RunOptions, Workers, make_search, vocode

if TYPE_CHECKING:
    from torch import Tensor

    from ..batch.jobs import Job

CODES_MODEL = "charactr/vocos-encodec-24khz"
EXPORTED = (".onnx", ".xml")


def decode(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Files: .npy, .npz, .pt, .pth or .safetensors; with --codes .npz, .npy or .ecdc. Or folders, "
            "lists and patterns.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="A folder; for one input also a .wav, .flac, .ogg, .opus, .mp3 or .aiff."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help=f"{CHECKPOINT} Also a file that `vocos export` wrote. By default {DEFAULT_MODEL}; with --codes "
            f"{CODES_MODEL}.",
        ),
    ] = None,
    device: Device = "auto",
    source: Annotated[
        str | None,
        typer.Option(
            help=f"Origin of the mels: {SIDE}. They are converted to the model's mel convention, which is the default."
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a lossy alignment of mels.")] = False,
    codes: Annotated[
        bool,
        typer.Option(
            "--codes",
            help="The files hold EnCodec codes, written by `vocos encode` or EnCodec itself, or are voices of Bark.",
        ),
    ] = False,
    backend: Annotated[
        str | None,
        typer.Option(
            help="onnxruntime or openvino, for a --model that `vocos export` wrote: a .onnx or .xml file, which runs "
            "without torch. By default chosen by the suffix."
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

    A file holds one mel of shape (bands, frames) or (1, bands, frames), or the codes of one recording, of shape
    (codebooks, frames).
    """
    from ...storage.mel_files import MEL_SUFFIXES
    from ..batch.codes import CODE_SUFFIXES

    def load() -> Loaded:
        name = model or (CODES_MODEL if codes else DEFAULT_MODEL)
        if backend is not None or Path(name).suffix in EXPORTED:
            if codes or device not in ("auto", "cpu"):
                fail("an exported file decodes mels on the CPU: --codes and other devices need a checkpoint")
            return _exported_task(name, backend, source, strict)
        if codes:
            return _codes_task(name, device, source)
        # With Ray the workers decode; this process needs the model only for the record's settings.
        return _mels_task(name, "cpu" if engine == "ray" else device, source, strict)

    options = RunOptions(resume=resume, engine=engine, address=address, workers=workers, as_json=as_json, device=device)
    search = make_search(out, CODE_SUFFIXES if codes else MEL_SUFFIXES, "mel", format_, root)
    vocode(inputs, search, options, load)


def _exported_task(model: str, backend: str | None, source: str | None, strict: bool) -> Loaded:
    """Mels to audio, with a file that `vocos export` wrote."""
    import torch

    from ...config import FEATURES
    from ...config.mapping import read_part
    from ...export.sessions import load_session
    from ...inference.checks import check_features
    from ...inference.windows import cut_samples
    from ...mel import MelConvention, align
    from ...mel.padding import longest_filled
    from ..batch.jobs import describe
    from ..batch.work import StreamedTask, digest, read_job_mel
    from .mel_warning import MelChecker, kind_of

    try:
        session = load_session(model, backend)
        own = read_part(session.config["features"], FEATURES, model)
    except ImportError as error:
        fail(f"{error}. pip install 'vocos-plugins[onnx]' or 'vocos-plugins[openvino]'")
    except ValueError as error:
        fail(str(error))
    except OSError as error:
        fail(describe(error))
    if not isinstance(own, MelConvention):
        fail(f"{model} decodes EnCodec features; `vocos decode` needs a checkpoint for that")
    wanted = own if source is None else resolve_source(source, own, strict=strict)
    alignment = align(wanted, own, strict=strict, upsample=session.sample_rate // own.sample_rate)
    check_mel = MelChecker(alignment.source, postfilter=kind_of(session.config))

    def vocode_job(job: Job) -> Iterator[Tensor]:
        mel = read_job_mel(job)
        check_mel(job, mel)
        check_features(mel, alignment.source.n_mels)
        n_filled = longest_filled(mel, alignment.source)
        n_samples = alignment.n_samples(n_filled)
        if n_filled:
            # NumPy has no bfloat16.
            aligned = alignment(mel[..., :n_filled]).float().numpy()
            pieces = map(torch.from_numpy, session.decode_chunks(aligned))
            yield from cut_samples(pieces, alignment.first_sample, n_samples)
        if silence := alignment.n_samples(mel.shape[-1]) - n_samples:
            yield torch.zeros(len(mel), silence)

    def settings() -> dict[str, str]:
        # OpenVINO keeps a model's weights in a .bin next to its .xml.
        files = [file for file in (Path(model), Path(model).with_suffix(".bin")) if file.exists()]
        return {"model": digest(*(file.read_bytes() for file in files)), "mels": str(source), "backend": str(backend)}

    return StreamedTask(session.sample_rate, vocode_job, settings), None


def _mels_task(model: str, device: str, source: str | None, strict: bool) -> Loaded:
    """Mels to audio, with a checkpoint."""
    from ..batch.remote import absolute_if_local, decoding
    from .mel_warning import CheckedDecoding

    vocos = load_mel_model(model, device)
    convention = None if source is None else resolve_source(source, vocos.mel, strict=strict)
    return CheckedDecoding(vocos, convention, strict), partial(decoding, absolute_if_local(model), convention, strict)


def _codes_task(model: str, device: str, source: str | None) -> Loaded:
    """Codes to audio, with a checkpoint."""
    from ...config import EncodecCodes
    from ...inference.windows import cut_samples, decode_chunks
    from ..batch.codes import read_codes
    from ..batch.work import StreamedTask, model_digest

    if source is not None:
        fail("--source applies to mels; codes are the same for every model")
    vocos = load_model(model, device)
    features = vocos.config.features
    if not isinstance(features, EncodecCodes):
        fail(f"{model} decodes mel spectrograms; --codes needs a model for EnCodec codes, such as {CODES_MODEL}")

    def vocode_job(job: Job) -> Iterator[Tensor]:
        stored = read_codes(job.source)
        decodable = vocos.codes_to_features(stored.codes.to(next(vocos.parameters()).device))
        bandwidth_id = features.codebook_counts.index(len(stored.codes))
        conditioned = vocos.config.n_bandwidths is not None
        pieces = decode_chunks(vocos, decodable, bandwidth_id=bandwidth_id if conditioned else None)
        # EnCodec pads to whole frames; where a file records the length, the padding is cut off.
        yield from pieces if stored.n_samples is None else cut_samples(pieces, 0, stored.n_samples)

    return StreamedTask(vocos.sample_rate, vocode_job, lambda: {"model": model_digest(vocos)}), None
