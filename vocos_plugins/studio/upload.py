"""Reads what was uploaded: a recording or a mel, at most a minute of it; nothing in a file is ever run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import soundfile
import torch
from torch import Tensor

from ..inference.resampling import resample
from ..mel import MelConvention, MelSpectrogram
from ..mel.guess import Guess, guess
from ..plugins import mel_conventions
from ..storage.audio import read_blocks
from ..storage.mel_files import MEL_SUFFIXES, read_mel

MAX_S = 60.0
RATES = (1000, 768_000)  # Hz
MAX_CHANNELS = 32


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A recording with its mel, or a mel.

    Attributes:
        name: of the file.
        mel: ``(1, n_mels, T)`` of `convention`.
        convention: of the mel.
        recording: ``(1, N)`` at `sample_rate`; None for a mel.
        sample_rate: Hz of the recording.
        guesses: of a mel that was uploaded: what it could be of.
        notes: what was done to it, in sentences.
    """

    name: str
    mel: Tensor
    convention: MelConvention
    recording: Tensor | None = None
    sample_rate: int = 0
    guesses: tuple[Guess, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """How long it sounds."""
        if self.recording is not None:
            return self.recording.shape[1] / self.sample_rate
        return self.mel.shape[2] * self.convention.hop_length / self.convention.sample_rate


def read_upload(path: Path, convention: MelConvention, sample_rate: int) -> Upload:
    """Reads a file; its suffix tells which it is.

    Args:
        path: a mel if it ends in `MEL_SUFFIXES`, else anything that libsndfile reads.
        convention: of the mel, or that the recording goes through.
        sample_rate: Hz that a recording is wanted at, if the convention's own isn't higher.

    Raises:
        OSError: the file isn't there or can't be opened.
        ValueError: what is wrong with it.
    """
    if path.suffix.lower() in MEL_SUFFIXES:
        return _mel(path, convention)
    return _recording(path, convention, max(sample_rate, convention.sample_rate))


def _recording(path: Path, convention: MelConvention, sample_rate: int) -> Upload:
    channels, more = _read_start(path, sample_rate)
    notes = [f"Its {len(channels)} channels were mixed into one."] if len(channels) > 1 else []
    if more:
        notes.append(f"It is longer than {MAX_S:g} s: only the first {MAX_S:g} s were taken.")
    audio = channels.mean(dim=0, keepdim=True)
    n_samples = -(-audio.shape[1] * convention.sample_rate // sample_rate)
    filled = -(-n_samples // convention.hop_length) * convention.hop_length  # whole frames: no end is lost
    mel = MelSpectrogram(convention)(resample(audio, sample_rate, convention.sample_rate, filled))
    return Upload(
        name=path.name, mel=mel, convention=convention, recording=audio, sample_rate=sample_rate, notes=tuple(notes)
    )


def _read_start(path: Path, sample_rate: int) -> tuple[Tensor, bool]:
    """The first minute at most, ``(channels, N)``, and whether there is more."""
    _check_format(path)
    limit, blocks, n_samples = round(MAX_S * sample_rate), [], 0
    for block in read_blocks(path, sample_rate):
        blocks.append(block)
        n_samples += block.shape[1]
        if n_samples > limit:
            break
    if not blocks:
        raise ValueError("it is too short to hear")
    return torch.cat(blocks, dim=1)[:, :limit], n_samples > limit


def _check_format(path: Path) -> None:
    """Refuses what a small file can claim and no recording has: resampling it would take gigabytes."""
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError:
        return  # reading it says what is wrong
    lowest, highest = RATES
    if not lowest <= info.samplerate <= highest:
        raise ValueError(f"a sample rate of {info.samplerate} Hz; {lowest} to {highest} are taken")
    if info.channels > MAX_CHANNELS:
        raise ValueError(f"{info.channels} channels; up to {MAX_CHANNELS} are taken")


def _mel(path: Path, convention: MelConvention) -> Upload:
    mel = read_mel(path)
    most = round(MAX_S * convention.sample_rate / convention.hop_length)
    notes: tuple[str, ...] = ()
    if mel.shape[2] > most:
        notes = (f"It is longer than {MAX_S:g} s: only the first {most} frames were taken.",)
    mel = mel[:, :, :most].float()
    guesses = tuple(guess(mel, mel_conventions().values()))
    if mel.shape[1] != convention.n_mels:
        raise ValueError(_other_bands(mel, convention, guesses))
    least = convention.n_fft // (2 * convention.hop_length) + 2  # of sound as long as the next mel's frames need
    if mel.shape[2] < least:
        raise ValueError(f"a mel of {mel.shape[2]} frames is too short, at least {least} are needed")
    return Upload(name=path.name, mel=mel, convention=convention, guesses=guesses, notes=notes)


def _other_bands(mel: Tensor, convention: MelConvention, guesses: tuple[Guess, ...]) -> str:
    """What is wrong with a mel of another number of bands, and what to choose."""
    n_mels, n_frames = mel.shape[1:]
    problem = (
        f"{convention.name or 'the chosen convention'} has {convention.n_mels} bands, this mel has {n_mels} "
        f"(and {n_frames} frames)"
    )
    possible = [found.convention.name for found in guesses if found.possible]
    if possible:
        return f"{problem}. It could be of {', '.join(possible)}: choose that convention"
    if n_frames == convention.n_mels:
        return f"{problem}. Transpose it: (bands, frames) is expected"
    return f"{problem}, and could be of no convention that is known here"
