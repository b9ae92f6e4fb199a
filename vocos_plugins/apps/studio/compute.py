"""Audio, pictures and measures of an upload, independent of the page that shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...evaluation.griffin_lim import griffin_lim
from ...evaluation.measures import Measure, Score, choose
from ...evaluation.systems import GRIFFIN_LIM, N_ITER
from ...inference.resampling import resample
from ...inference.windows import decode_chunks
from ...mel import MelConvention, MelSpectrogram
from ...mel.guess import Mismatch, find_mismatch
from ...model import Vocos
from ...plugins import mel_conventions
from ..doctor import Comparison, Endpoint, compare
from .pictures import draw, draw_difference, levels, top_of
from .upload import Upload, read_upload

MEASURES = ("pesq", "stoi", "mr-stft", "mcd")  # quick, and each of a different kind
ORIGINAL, THE_MEL, VOCOS = "Original", "The mel", "Vocos"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the page.

    Attributes:
        title: the recording, the mel, or the name of the vocoder.
        audio: ``(N,)`` at `sample_rate`; None for a mel, which has no audio of its own.
        sample_rate: Hz.
        picture: PNG of its mel.
        difference: PNG of the difference from the first column's mel; None in the first column.
        scores: the score of each measure against the recording.
    """

    title: str
    audio: NDArray[np.float32] | None = None
    sample_rate: int = 0
    picture: bytes
    difference: bytes | None = None
    scores: Mapping[str, Score]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Everything that the page shows for an upload.

    Attributes:
        upload: the recording or mel.
        model: the checkpoint's name.
        comparison: the doctor's comparison of the mel with the checkpoint.
        columns: the columns. The first is the recording or the mel; Vocos is missing if the doctor refuses the mel.
        doubt: why the mel is probably not of the chosen convention; None without doubt.
        measures: the measures that were taken.
        left_out: the measures that weren't taken, with the reason.
    """

    upload: Upload
    model: str
    comparison: Comparison
    columns: tuple[Column, ...]
    doubt: Mismatch | None
    measures: tuple[Measure, ...]
    left_out: Mapping[str, str]


def listen(path: Path, vocos: Vocos, *, model: str, convention: MelConvention | None = None) -> Outcome:
    """Decodes an upload by Griffin-Lim and by Vocos, from the same mel.

    Args:
        path: a recording, or a mel.
        vocos: the checkpoint.
        model: the checkpoint's name.
        convention: the convention of the mel, or of the mel that a recording is converted to; by default the
            checkpoint's own.

    Raises:
        OSError: the file doesn't exist or can't be opened.
        ValueError: it can't be used, or the checkpoint takes no mels; the message says why.
    """
    own = vocos.mel
    if own is None:
        raise ValueError(f"{model} takes EnCodec codes; the studio needs a checkpoint that takes mels")
    chosen = convention or own
    upload = read_upload(path, chosen, vocos.sample_rate)
    comparison = compare(
        _endpoint(chosen, own, model), Endpoint(name=model, kind="checkpoint", features=own, model=model)
    )
    # Griffin-Lim inverts any convention and gets the mel unchanged; Vocos gets it aligned.
    audios = {GRIFFIN_LIM: (griffin_lim(upload.mel, chosen, n_iter=N_ITER), chosen.sample_rate)}
    if comparison.kind != "refused":
        mel, predicted = upload.mel.to(next(vocos.parameters()).device), upload.recording is None
        pieces = decode_chunks(vocos, mel, source=chosen, postfilter=predicted)
        # Back on the CPU and in float32, as Griffin-Lim's audio and what the measures take.
        audios[VOCOS] = (torch.cat(list(pieces), dim=1).float().cpu(), vocos.sample_rate)
    # A recording's mel has whole frames, so what is decoded from it is a little longer than the recording.
    if upload.recording is not None:
        audios = {title: (_as_long_as(upload, audio, rate), rate) for title, (audio, rate) in audios.items()}
    measures, left_out = choose(MEASURES) if upload.recording is not None else ((), {})
    return Outcome(
        upload=upload,
        model=model,
        comparison=comparison,
        columns=_columns(upload, audios, measures),
        doubt=None if upload.recording is not None else find_mismatch(upload.mel, chosen, mel_conventions().values()),
        measures=measures,
        left_out=left_out,
    )


def _as_long_as(upload: Upload, audio: Tensor, sample_rate: int) -> Tensor:
    """Cuts the audio to the length of the recording, without the padding of the last frame."""
    assert upload.recording is not None  # noqa: S101
    return audio[:, : -(-upload.recording.shape[1] * sample_rate // upload.sample_rate)]


def _endpoint(chosen: MelConvention, own: MelConvention, model: str) -> Endpoint:
    if chosen == own:
        return Endpoint(name=model, kind="checkpoint", features=own, model=model)
    return Endpoint(name=chosen.name, kind="convention", features=chosen)


def _columns(
    upload: Upload, audios: Mapping[str, tuple[Tensor, int]], measures: tuple[Measure, ...]
) -> tuple[Column, ...]:
    """Returns the columns of the page, whose pictures share one scale."""
    convention = upload.convention
    # All pictures show mels of the upload's convention, whatever the column's sample rate, so that they compare.
    reference = levels(upload.mel, convention)
    top = top_of(reference)
    recording = None if upload.recording is None else upload.recording[0].numpy()
    columns = [
        Column(
            title=THE_MEL if recording is None else ORIGINAL,
            audio=recording,
            sample_rate=upload.sample_rate,
            picture=draw(reference, top),
            scores={},
        )
    ]
    for title, (audio, rate) in audios.items():
        level = levels(_mel_of(audio, rate, convention), convention)
        columns.append(
            Column(
                title=title,
                audio=audio[0].numpy(),
                sample_rate=rate,
                picture=draw(level, top),
                difference=draw_difference(level, reference, top),
                scores=_scores(upload, audio, rate, measures),
            )
        )
    return tuple(columns)


def _mel_of(audio: Tensor, sample_rate: int, convention: MelConvention) -> Tensor:
    mel: Tensor = MelSpectrogram(convention)(_at(audio, sample_rate, convention.sample_rate))
    return mel


def _scores(upload: Upload, audio: Tensor, rate: int, measures: tuple[Measure, ...]) -> dict[str, Score]:
    if upload.recording is None:
        return {}
    reference = _at(upload.recording, upload.sample_rate, rate)[0].numpy()
    return {measure.name: measure(reference, audio[0].numpy(), rate) for measure in measures}


def _at(audio: Tensor, sample_rate: int, new_rate: int) -> Tensor:
    return resample(audio, sample_rate, new_rate, -(-audio.shape[1] * new_rate // sample_rate))
