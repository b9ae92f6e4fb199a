"""Training clips from NeMo's manifests: crops of recordings, with crops of the mels that a model predicted for them.

NeMo's own ``VocoderDataset`` reads the same manifests, but in fine-tuning it fails on recordings of nearly a crop's
length, crops beyond a recording's end, and pads short mels with 0, which is louder than speech.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from vocos_plugins.mel import MelConvention
from vocos_plugins.mel.compression import compress
from vocos_plugins.storage.audio import read_mono
from vocos_plugins.storage.mel_files import read_mel

SILENCE = 1e-3  # peak below which the level isn't changed: only noise would be amplified


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a manifest."""

    audio: Path
    mel: Path | None
    bandwidth_hz: float


class ClipDataset(Dataset[dict[str, Tensor]]):
    """Crops of a manifest's recordings, one per line.

    An item has ``audio``, ``(N,)`` float32; ``bandwidth_hz``, ``()``, the highest frequency with sound; and, with
    predicted mels, ``mel``, ``(n_mels, N / hop_length)``, whose first frame is at the first sample of ``audio``.

    Args:
        manifest_filepath: one or several files with a JSON object per line: ``audio_filepath``, and optionally
            ``mel_filepath`` (``.npy`` or ``.pt``), ``duration`` in seconds, and ``bandwidth_hz``, if below half the
            sample rate. Paths are absolute or relative to the manifest.
        mel: the convention of the mels.
        n_samples: length of a crop, a multiple of the hop.
        load_precomputed_mel: whether to read mels.
        shuffle: whether to crop at random, rather than at the beginning.
        gain_db: lowest and highest dBFS to which a recording's peak is set; None, as predicted mels need, keeps it.
        min_duration, max_duration: seconds; lines outside are skipped, those without a ``duration`` are kept.

    Raises:
        ValueError: a manifest, a recording or a mel is missing or invalid; the message names it.
    """

    def __init__(
        self,
        manifest_filepath: str | Sequence[str],
        mel: MelConvention,
        *,
        n_samples: int,
        load_precomputed_mel: bool = False,
        shuffle: bool = True,
        gain_db: Sequence[float] | None = None,
        min_duration: float = 0.0,
        max_duration: float | None = None,
    ) -> None:
        if n_samples < 1 or n_samples % mel.hop_length:
            raise ValueError(f"n_samples must be a multiple of the hop, {mel.hop_length} samples, got {n_samples}")
        if gain_db is not None and load_precomputed_mel:
            raise ValueError("gain_db: predicted mels have the recording's level; leave it out, or set it to null")
        if gain_db is not None and (len(gain_db) != 2 or not gain_db[0] <= gain_db[1] <= 0):
            raise ValueError(f"gain_db must be [lowest, highest] in dBFS, at most 0, got {list(gain_db)}")
        self.mel = mel
        self.n_samples = n_samples
        self.load_precomputed_mel = load_precomputed_mel
        self.shuffle = shuffle
        self.gain_db = gain_db
        paths = [manifest_filepath] if isinstance(manifest_filepath, str) else manifest_filepath
        lengths = (min_duration, math.inf if max_duration is None else max_duration)
        self.entries = [each for path in paths for each in self._read_manifest(Path(os.path.expanduser(path)), lengths)]
        if not self.entries:
            raise ValueError(f"{', '.join(map(str, paths))}: no recording is left to train on")

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, item: int) -> dict[str, Tensor]:
        entry = self.entries[item]
        audio = read_audio(entry.audio, self.mel.sample_rate)
        clip = self._crop(audio) if entry.mel is None else self._crop_both(audio, entry.mel)
        return {**clip, "bandwidth_hz": torch.tensor(entry.bandwidth_hz, dtype=torch.float32)}

    def _crop(self, audio: Tensor) -> dict[str, Tensor]:
        """Crops a recording; one that is too short is repeated, as in the reference."""
        if self.gain_db is not None and (peak := float(audio.abs().max())) > SILENCE:
            low, high = self.gain_db
            # torch's generator, which the DataLoader seeds for each worker. Without shuffling, always the same level.
            level = low + (float(torch.rand(())) if self.shuffle else 0.5) * (high - low)
            audio = audio * (10 ** (level / 20) / peak)
        start = self._start(len(audio) - self.n_samples)
        audio = audio[start : start + self.n_samples]
        return {"audio": audio.repeat(math.ceil(self.n_samples / len(audio)))[: self.n_samples]}

    def _crop_both(self, audio: Tensor, path: Path) -> dict[str, Tensor]:
        """Crops a recording and its mel; short ones end in silence, zeros and the convention's mel of zeros."""
        mel, hop = read_mel(path)[0].float(), self.mel.hop_length
        check_frames(path, tuple(mel.shape), len(audio), self.mel)
        # Cut at a frame, so that audio and mel stay aligned.
        n_frames = self.n_samples // hop
        start = self._start(mel.shape[-1] - n_frames)
        mel = mel[:, start : start + n_frames]
        audio = audio[start * hop : start * hop + self.n_samples]
        # Not 0, which in a log mel is louder than speech.
        silence = float(compress(torch.zeros(1, 1), self.mel))
        return {
            "audio": F.pad(audio, (0, self.n_samples - len(audio))),
            "mel": F.pad(mel, (0, n_frames - mel.shape[-1]), value=silence),
        }

    def _start(self, last: int) -> int:
        return int(torch.randint(last + 1, ())) if self.shuffle and last > 0 else 0

    def _read_manifest(self, path: Path, durations: tuple[float, float]) -> list[Entry]:
        if not path.is_file():
            raise ValueError(f"no manifest {path}")
        entries = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            # Every file is looked for now, rather than when a worker comes to its line after hours.
            try:
                fields = json.loads(line)
                if "duration" in fields and not durations[0] <= fields["duration"] <= durations[1]:
                    continue
                entries.append(self._read_entry(fields, path.parent))
            except (ValueError, TypeError, KeyError, OSError, soundfile.LibsndfileError) as error:
                # The text of a KeyError is only the key.
                reason = f"no {error}" if isinstance(error, KeyError) else error
                raise ValueError(f"{path}, line {number}: {reason}") from error
        return entries

    def _read_entry(self, fields: dict[str, Any], folder: Path) -> Entry:
        audio = folder / Path(os.path.expanduser(fields["audio_filepath"]))
        info = soundfile.info(audio)
        # Resampling to a higher rate adds no frequencies.
        bandwidth_hz = min(float(fields.get("bandwidth_hz") or math.inf), info.samplerate / 2, self.mel.sample_rate / 2)
        if not self.load_precomputed_mel:
            return Entry(audio=audio, mel=None, bandwidth_hz=bandwidth_hz)
        mel = folder / Path(os.path.expanduser(fields["mel_filepath"]))
        if not mel.is_file():
            raise ValueError(f"no mel {mel}")
        return Entry(audio=audio, mel=mel, bandwidth_hz=bandwidth_hz)


def read_audio(path: Path, sample_rate: int) -> Tensor:
    """Reads a whole file, mixed to mono and resampled, ``(N,)``; raises the errors of `read_mono`."""
    return read_mono(path, sample_rate)[0]


def check_frames(path: Path, shape: tuple[int, ...], n_samples: int, mel: MelConvention) -> None:
    """Raises ValueError unless a mel is as long as its recording: one frame per hop, or one more if centred."""
    n_frames = n_samples // mel.hop_length
    if len(shape) != 2 or shape[0] != mel.n_mels or shape[1] not in (n_frames, n_frames + 1):
        raise ValueError(
            f"{path}: expected a mel of {mel.n_mels} bands and {n_frames} or {n_frames + 1} frames for a recording of "
            f"{n_samples} samples, got {shape}; mels must be predicted with the recording's own durations"
        )
