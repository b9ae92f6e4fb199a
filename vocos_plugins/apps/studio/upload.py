"""Reads an uploaded recording or mel, at most the first minute; no code in a file is ever run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import soundfile
import torch
from torch import Tensor

from ...inference.resampling import resample
from ...mel import MelConvention, MelSpectrogram
from ...mel.guess import Guess, guess
from ...plugins import mel_conventions
from ...storage.audio import read_blocks
from ...storage.audio_source import RATES
from ...storage.mel_files import MEL_SUFFIXES, read_mel

MAX_S = 60.0
MAX_CHANNELS = 32


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A recording with its mel, or a mel.

    Attributes:
        name: the file's name.
        mel: ``(1, n_mels, T)`` of `convention`.
        convention: the convention of the mel.
        recording: ``(1, N)`` at `sample_rate`; None for a mel.
        sample_rate: Hz of the recording.
        guesses: the conventions that an uploaded mel could be of.
        notes: sentences about changes to the upload, such as cutting.
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
        """Duration of the audio in seconds."""
        if self.recording is not None:
            return self.recording.shape[1] / self.sample_rate
        return self.mel.shape[2] * self.convention.hop_length / self.convention.sample_rate


def read_upload(path: Path, convention: MelConvention, sample_rate: int) -> Upload:
    """Reads a recording or a mel, depending on the file's suffix.

    Args:
        path: a mel if it ends in one of `MEL_SUFFIXES`, else any recording that libsndfile reads.
        convention: the convention of the mel, or of the mel that the recording is converted to.
        sample_rate: Hz that a recording is resampled to, if the convention's own rate isn't higher.

    Raises:
        OSError: the file doesn't exist or can't be opened.
        ValueError: the file can't be used; the message says why.
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
    padded = -(-n_samples // convention.hop_length) * convention.hop_length  # whole frames, so that no end is lost
    mel = MelSpectrogram(convention)(resample(audio, sample_rate, convention.sample_rate, padded))
    return Upload(
        name=path.name, mel=mel, convention=convention, recording=audio, sample_rate=sample_rate, notes=tuple(notes)
    )


def _read_start(path: Path, sample_rate: int) -> tuple[Tensor, bool]:
    """Reads at most the first minute, ``(channels, N)``; also returns whether there is more."""
    _check_format(path)
    limit, blocks, n_samples = round(MAX_S * sample_rate), [], 0
    for block in read_blocks(path, sample_rate):
        blocks.append(block)
        n_samples += block.shape[1]
        if n_samples > limit:
            break
    if not blocks:
        raise ValueError("it contains no samples")
    return torch.cat(blocks, dim=1)[:, :limit], n_samples > limit


def _check_format(path: Path) -> None:
    """Refuses formats that a small file can claim but no recording has, since resampling would take gigabytes."""
    try:
        info = soundfile.info(os.fsencode(path))
    except soundfile.LibsndfileError:
        return  # the reader's own error is clearer
    lowest, highest = RATES
    if not lowest <= info.samplerate <= highest:
        raise ValueError(f"sample rates must be {lowest} to {highest} Hz, got {info.samplerate} Hz")
    if info.channels > MAX_CHANNELS:
        raise ValueError(f"at most {MAX_CHANNELS} channels are supported, got {info.channels} channels")


def _mel(path: Path, convention: MelConvention) -> Upload:
    mel = read_mel(path)
    most = round(MAX_S * convention.sample_rate / convention.hop_length)
    notes: tuple[str, ...] = ()
    if mel.shape[2] > most:
        notes = (f"It is longer than {MAX_S:g} s: only the first {most} frames were taken.",)
    # Cut before it is examined, as it may last hours.
    mel = mel[:, :, :most].float()
    guesses = tuple(guess(mel, mel_conventions().values()))
    if mel.shape[1] != convention.n_mels:
        raise ValueError(_other_bands(mel, convention, guesses))
    least = convention.n_fft // (2 * convention.hop_length) + 2  # the decoded audio must be long enough for its own mel
    if mel.shape[2] < least:
        raise ValueError(f"a mel of {mel.shape[2]} frames is too short, at least {least} are needed")
    return Upload(name=path.name, mel=mel, convention=convention, guesses=guesses, notes=notes)


def _other_bands(mel: Tensor, convention: MelConvention, guesses: tuple[Guess, ...]) -> str:
    """Returns the error message for a mel with another number of bands, with the convention to choose."""
    n_mels, n_frames = mel.shape[1:]
    problem = (
        f"{convention.name or 'the chosen convention'} has {convention.n_mels} bands, this mel has {n_mels} "
        f"(and {n_frames} frames)"
    )
    possible = [guess.convention.name for guess in guesses if guess.possible]
    if possible:
        return f"{problem}. It could be {', '.join(possible)}: choose that convention"
    if n_frames == convention.n_mels:
        return f"{problem}. Transpose it: expected (bands, frames)"
    return f"{problem}, and matches no known convention"
