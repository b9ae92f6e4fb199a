"""Fits a model's postfilter to files: mels that an acoustic model predicted, and recordings of its voice, or any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from ..evaluation.blur import measure_blur
from ..evaluation.evaluate import Failure, Progress
from ..evaluation.pairs import Pair, find_pairs
from ..evaluation.predicted import check_predicted
from ..mel import MelConvention, MelSpectrogram, align
from ..mel.difference import top_frequency
from ..mel.estimate import CLIP_RATE
from ..mel.speech import CLIPS, read_clip
from ..model import Vocos
from ..storage.audio import read_mono
from ..storage.mel_files import read_mel
from ..training.postfilter import Moments, fit_postfilter
from ..training.sources import find_recordings
from .batch.jobs import describe

MAX_NAMED = 5  # failures in the message of a fit that failed
MAX_MEASURED = 20  # pairs whose blur is measured


@dataclass(frozen=True, kw_only=True)
class Speech:
    """The files of both sides.

    Attributes:
        pairs: the predicted mels, perhaps with their recordings.
        recordings: other recordings of the voice.
        paired: whether the pairs have recordings.
    """

    pairs: Sequence[Pair]
    recordings: Sequence[Path]
    paired: bool

    @property
    def same_voice(self) -> bool:
        """Whether there are recordings of the voice; the speech that ships with the package replaces them if not."""
        return self.paired or bool(self.recordings)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The outcome of a fit, whose postfilter the model has by then.

    Attributes:
        predicted, recorded: moments of both sides, in the model's mel; recorded are the shipped clips if there are no
            recordings of the voice.
        failures: files that could not be used.
        blur: how blurred the predicted mels are, before and after; empty where that can't be measured.
    """

    predicted: Moments
    recorded: Moments
    failures: Sequence[Failure]
    blur: str


def find_speech(predicted: Path, data: Path | None) -> Speech:
    """Finds predicted mels and recordings.

    Args:
        predicted: a folder of mels or a manifest, as for `find_pairs`.
        data: recordings, as for `find_recordings`; None if a manifest names them, or if there are none. In a folder,
            mels are paired with the recordings of their names; if no name fits, all mels and all recordings are used.

    Raises:
        ValueError: a source is missing or empty.
    """
    if data is None or (predicted.is_dir() and data.is_dir()):
        pairs = find_pairs(predicted, data)
        paired = any(pair.recording for pair in pairs)
        if paired or data is None:
            return Speech(pairs=pairs, recordings=(), paired=paired)
    recordings = [recording.path for recording in find_recordings(data)]
    return Speech(pairs=find_pairs(predicted), recordings=recordings, paired=False)


class _Reader:
    """Reads both sides in a model's mel, and keeps their moments and some pairs of mels."""

    def __init__(self, own: MelConvention, source: MelConvention | None, candidates: Iterable[MelConvention]) -> None:
        self.own, self.alignment = own, align(source or own, own)
        self.candidates = tuple(candidates)
        self.front_end = MelSpectrogram(own)
        self.predicted, self.recorded = Moments(own.n_mels), Moments(own.n_mels)
        self.mels: list[tuple[Tensor, Tensor]] = []

    def use_shipped(self) -> None:
        """Adds the clips that ship with the package, in place of recordings of the voice."""
        for clip in CLIPS:
            self.recorded.add(self.front_end(read_clip(clip, self.own.sample_rate)[None])[0])

    def use_pair(self, pair: Pair) -> None:
        """Adds a predicted mel and, if there is one, its recording: both or neither."""
        if pair.error:
            raise ValueError(pair.error)
        mel = check_predicted(read_mel(pair.mel).float(), self.alignment.source, self.candidates)
        aligned = self.alignment(mel)[0]
        if pair.recording is not None:
            recorded = self.use_recording(pair.recording)
            self.mels.append((aligned, recorded))
        self.predicted.add(aligned)

    def use_recording(self, path: Path) -> Tensor:
        """Adds a recording and returns its mel ``(n_mels, T)``."""
        mel: Tensor = self.front_end(read_mono(path, self.own.sample_rate))[0]
        self.recorded.add(mel)
        return mel


def fit_to_speech(
    vocos: Vocos,
    speech: Speech,
    source: MelConvention | None = None,
    candidates: Iterable[MelConvention] = (),
    progress: Progress | None = None,
) -> Fit:
    """Fits a model's postfilter to files and sets it. A file that can't be used is reported, and the rest is used.

    Args:
        vocos: a mel model; a postfilter that it has is replaced.
        speech: the files.
        source: convention of the predicted mels, by default the model's own.
        candidates: conventions that are suggested if a mel is in another one.
        progress: receives the progress.

    Raises:
        MelMismatch: the source can't be aligned to the model's mel.
        ValueError: the model takes EnCodec codes, too little speech could be used, or there are no recordings and the
            mel goes beyond the shipped speech.
    """
    if vocos.mel is None:
        raise ValueError("the model takes EnCodec codes; a postfilter needs a model that takes mels")
    reader, failures = _Reader(vocos.mel, source, candidates), []
    if not speech.same_voice:
        _check_band(vocos.mel)
        reader.use_shipped()
    jobs: list[tuple[str, Callable[[], object]]] = [
        (pair.name, partial(reader.use_pair, pair)) for pair in speech.pairs
    ]
    jobs += [(str(path), partial(reader.use_recording, path)) for path in speech.recordings]
    for name, use in jobs:
        if progress is not None:
            progress.show(name)
        try:
            use()
        except Exception as error:  # whatever a file makes a library raise
            failures.append(Failure(file=name, system="", error=describe(error)))
        if progress is not None:
            progress.advance()
    try:
        vocos.set_postfilter(*fit_postfilter(reader.predicted, reader.recorded, same_voice=speech.same_voice))
    except ValueError as error:
        named = "".join(f"; {failure.file}: {failure.error}" for failure in failures[:MAX_NAMED])
        raise ValueError(f"{error}{named}") from error
    return Fit(predicted=reader.predicted, recorded=reader.recorded, failures=failures, blur=_blur(vocos, reader.mels))


def _check_band(mel: MelConvention) -> None:
    if (top := top_frequency(mel)) > CLIP_RATE / 2:
        raise ValueError(
            f"the mel goes up to {top:g} Hz, and the speech that ships with the package to {CLIP_RATE // 2}; name "
            "recordings by --data, best of the same voice"
        )


def _blur(vocos: Vocos, mels: Sequence[tuple[Tensor, Tensor]]) -> str:
    """Returns a sentence on the blur before and after, of some pairs."""
    some = mels[:MAX_MEASURED]
    recorded = [mel.double().numpy() for _, mel in some]
    before = [mel.double().numpy() for mel, _ in some]
    after = [vocos.postfiltered(mel[None])[0].double().numpy() for mel, _ in some]
    try:
        blurs = [measure_blur(side, recorded) for side in (before, after)]
    except ValueError:  # short, or few bands
        return ""
    return (
        "Steps from band to band, as a share of the recordings': "
        f"{blurs[0].band_steps:.2f} before, {blurs[1].band_steps:.2f} after."
    )
