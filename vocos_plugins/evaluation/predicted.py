"""Runs systems over predicted mels, next to the mels of the recordings with which they are aligned."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..mel import MelConvention, MelSpectrogram
from ..mel.compression import expand
from ..mel.guess import find_mismatch
from ..mel.speech import Clip
from ..storage.audio import read_mono
from ..storage.mel_files import read_mel
from . import recognition
from .blur import Mel, measure_against_speech, measure_blur
from .comparison import Audio, ClipResult, Rendition
from .evaluate import PAGE_CLIPS, Evaluation, Failure, Progress, spread
from .measures import EXTRA, Measure, Score
from .pairs import Pair
from .systems import System

OWN, PREDICTED = "own mel", "predicted"
# Front ends differ by a frame, and GlowTTS drops up to one less than its group of two.
MAX_FRAMES_APART = 2
FLOOR = 1e-5  # of linear mels; pauses below it differ by nothing that can be heard


def _never(*_: object) -> float:
    raise NotImplementedError("it is taken from mels and texts, not from two signals")


MEL_ERROR = Measure(
    name="mel-error", title="Predicted mel, nepers", best="0", digits=3, higher_is_better=False, compute=_never
)
WORD_ERRORS = Measure(
    name="wer",
    title="Word error rate",
    best="0",
    digits=3,
    higher_is_better=False,
    needs_reference=False,
    packages=recognition.PACKAGES,
    compute=_never,
)


@dataclass
class _Run:
    """A run so far, with the mels whose blur is measured at the end."""

    evaluation: Evaluation
    convention: MelConvention
    candidates: Sequence[MelConvention]
    mels: list[tuple[Mel, Mel | None]] = field(default_factory=list)  # predicted, and the recording's own


def evaluate_predicted(
    systems: Sequence[System],
    pairs: Sequence[Pair],
    measures: Sequence[Measure],
    left_out: Mapping[str, str],
    candidates: Iterable[MelConvention] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Decodes each predicted mel and, where there is a recording, the recording's own mel.

    The audio of up to 20 pairs, spread evenly, is kept to be played.

    Args:
        systems: all of one mel, which the predicted mels are in.
        pairs: the mels, with their recordings and texts where there are any.
        measures: the measures to take; those with a reference only where there is a recording.
        left_out: the measures that aren't taken, with the reason.
        candidates: conventions that are suggested if a mel is in another one.
        progress: receives the progress of the run.

    Raises:
        ValueError: the systems take different mels.
    """
    conventions = {system.mel for system in systems}
    if len(conventions) != 1:
        raise ValueError("the checkpoints take different mels: name the one that was predicted by --source")
    paired = any(pair.recording for pair in pairs)
    kinds = (OWN, PREDICTED) if paired else (PREDICTED,)
    columns = [replace(system, name=f"{system.name}, {kind}") for system in systems for kind in kinds]
    taken = [measure for measure in measures if paired or not measure.needs_reference]
    left_out = dict(left_out)
    if paired:
        taken.append(MEL_ERROR)
    if not recognition.is_installed():
        left_out[WORD_ERRORS.name] = f"not installed; pip install {EXTRA}"
    elif any(pair.text for pair in pairs):
        taken.append(WORD_ERRORS)
    else:
        left_out[WORD_ERRORS.name] = "there are no texts"
    evaluation = Evaluation(systems=columns, measures=taken, left_out=left_out, predicted=True)
    run = _Run(evaluation, conventions.pop(), tuple(candidates))
    kept = spread(len(pairs), PAGE_CLIPS)
    for index, pair in enumerate(pairs):
        if progress is not None:
            progress.show(pair.name)
        try:
            result = _run_pair(run, systems, pair)
        except Exception as error:  # whatever a file makes a library or a system raise
            why = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
            evaluation.failures.append(Failure(file=pair.name, system="", error=why))
        else:
            evaluation.add(result, file=pair.name, keep=index in kept)
        if progress is not None:
            progress.advance()
    evaluation.notes = (_blur_note(run),) if run.mels else ()
    return evaluation


def _run_pair(run: _Run, systems: Sequence[System], pair: Pair) -> ClipResult:
    if pair.error:
        raise ValueError(pair.error)
    convention, rate = run.convention, run.convention.sample_rate
    mels = {PREDICTED: check_predicted(read_mel(pair.mel).float(), convention, run.candidates)}
    recorded: Audio | None = None
    if pair.recording is not None:
        audio = read_mono(pair.recording, rate)[0]
        own = MelSpectrogram(convention)(audio[None])
        _check_length(own.shape[2], mels[PREDICTED].shape[2], convention)
        recorded = audio.numpy()
        mels = {OWN: own, **mels}
    renditions = {}
    for system in systems:
        for kind, mel in mels.items():
            start = time.perf_counter()
            vocode = system.vocode_predicted if kind == PREDICTED and system.vocode_predicted else system.vocode
            made = vocode(mel).numpy()
            elapsed = time.perf_counter() - start
            scores = _scores(run.evaluation.measures, recorded, made, rate, pair.text)
            if kind == PREDICTED and recorded is not None:
                scores[MEL_ERROR.name] = Score(value=mel_error(mel, mels[OWN], convention))
            renditions[f"{system.name}, {kind}"] = Rendition(
                audio=made, sample_rate=rate, scores=scores, seconds=elapsed
            )
    original = None
    if recorded is not None:
        scores = _scores([m for m in run.evaluation.measures if not m.needs_reference], None, recorded, rate, pair.text)
        original = Rendition(audio=recorded, sample_rate=rate, scores=scores)
    as_arrays = {kind: mel[0].double().numpy() for kind, mel in mels.items()}
    run.mels.append((as_arrays[PREDICTED], as_arrays.get(OWN)))
    clip = Clip(path=pair.recording or pair.mel, text=pair.text or pair.name, source=pair.name if pair.text else "")
    return ClipResult(clip=clip, original=original, renditions=renditions, errors={})


def _scores(measures: Sequence[Measure], recorded: Audio | None, made: Audio, rate: int, text: str) -> dict[str, Score]:
    scores = {}
    for measure in measures:
        if measure is WORD_ERRORS:
            if recognition.normalize(text):  # not of "?!"
                heard = recognition.transcribe(made, rate)
                scores[measure.name] = Score(value=recognition.word_error_rate([text], [heard]))
        elif measure is not MEL_ERROR and (recorded is not None or not measure.needs_reference):
            scores[measure.name] = measure(made if recorded is None else recorded, made, rate)
    return scores


def mel_error(predicted: Tensor, own: Tensor, convention: MelConvention) -> float:
    """Returns the mean absolute difference of two mels ``(1, n_mels, T)`` in nepers, over the frames of both."""
    n_frames = min(predicted.shape[2], own.shape[2])
    levels = (expand(mel[:, :, :n_frames].double(), convention).clamp_min(FLOOR).log() for mel in (predicted, own))
    actual, expected = levels
    return float((actual - expected).abs().mean())


def check_predicted(mel: Tensor, convention: MelConvention, candidates: Sequence[MelConvention] = ()) -> Tensor:
    """Returns a mel ``(1, n_mels, T)`` as it is, if it can be in a convention.

    Raises:
        ValueError: its shape or its values do not fit; the message names those of ``candidates`` that do.
    """
    if mel.shape[1] != convention.n_mels:
        raise ValueError(f"the mel has {mel.shape[1]} bands, expected {convention.n_mels}; name its mel by --source")
    if mel.shape[2] == 0 or not bool(torch.isfinite(mel).all()):
        raise ValueError("the mel has no frames, or values that are NaN or infinite")
    found = find_mismatch(mel, convention, candidates)
    if found is not None:
        names = ", ".join(each.name for each in found.instead)
        remedy = f"it could be {names}; name its mel by --source" if names else "see `vocos doctor --mel`"
        raise ValueError(f"the mel is in another convention: it {'; '.join(found.reasons)}: {remedy}")
    return mel


def _check_length(own: int, predicted: int, convention: MelConvention) -> None:
    if abs(own - predicted) > MAX_FRAMES_APART:
        raise ValueError(
            f"the mel has {predicted} frames, its recording {own} at {convention.hop_length} samples per frame; they "
            "must be aligned frame by frame: predict the mel with the recording's durations"
        )


def _blur_note(run: _Run) -> str:
    paired = [(mel, own) for mel, own in run.mels if own is not None]
    try:
        if paired:
            blurred = measure_blur([mel for mel, _ in paired], [own for _, own in paired])
            return f"The predicted mels are {blurred}. A postfilter gives detail back: `vocos postfilter`."
        blur = measure_against_speech([mel for mel, _ in run.mels], run.convention)
    except ValueError as error:
        return f"The mels' blur isn't measured: {error}."
    if blur is None:
        return "The mels' blur isn't measured: it can be told only with recordings."
    doubt = "" if blur.significant else ", which other speakers' recordings are, too"
    return f"Next to the speech that ships with the package, the mels are {blur}{doubt}."
