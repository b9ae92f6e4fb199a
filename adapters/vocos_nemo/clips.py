"""Training clips from NeMo's manifests: crops of recordings, with crops of the mels that a model predicted for them.

NeMo's own ``VocoderDataset`` reads the same manifests, but in fine-tuning it fails on recordings of nearly a crop's
length, crops beyond a recording's end, and fills short mels with 0, which is louder than speech.
"""

from __future__ import annotations

import json
import math
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

SILENCE = 1e-3  # peak below which the level isn't changed: it would be noise


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a line of a manifest says."""

    audio: Path
    mel: Path | None
    bandwidth_hz: float


class ClipDataset(Dataset[dict[str, Tensor]]):
    """Crops of the recordings of a manifest, one for each of its lines.

    An item has ``audio``, ``(N,)`` float32; ``bandwidth_hz``, ``()``, up to where the recording holds sound; and, of
    predicted mels, ``mel``, ``(n_mels, N / hop_length)``, whose first frame stands at the first sample of ``audio``.

    Args:
        manifest_filepath: one or several, a JSON object a line: ``audio_filepath``, and if there are, ``mel_filepath``
            (``.npy`` or ``.pt``), ``duration`` in seconds, and ``bandwidth_hz``, where a recording ends below half its
            sample rate. Paths are absolute or relative to the manifest.
        mel: the convention of the mels.
        n_samples: of a crop, whole hops.
        load_precomputed_mel: whether to read mels.
        shuffle: crop at random, or at the beginning.
        gain_db: lowest and highest dBFS to which a recording's peak is set; None leaves it, as predicted mels need.
        min_duration, max_duration: seconds; lines outside are left out, those without a ``duration`` are not.

    Raises:
        ValueError: a manifest, a recording or a mel isn't there or isn't what it must be; the message names it.
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
            raise ValueError("gain_db: predicted mels have the recording's level; leave it out, or null")
        if gain_db is not None and (len(gain_db) != 2 or not gain_db[0] <= gain_db[1] <= 0):
            raise ValueError(f"gain_db must be [lowest, highest] in dBFS, at most 0, got {list(gain_db)}")
        self.mel = mel
        self.n_samples = n_samples
        self.load_precomputed_mel = load_precomputed_mel
        self.shuffle = shuffle
        self.gain_db = gain_db
        paths = [manifest_filepath] if isinstance(manifest_filepath, str) else manifest_filepath
        lengths = (min_duration, math.inf if max_duration is None else max_duration)
        self.rows = [row for path in paths for row in self._read_manifest(Path(path).expanduser(), lengths)]
        if not self.rows:
            raise ValueError(f"{', '.join(map(str, paths))}: no recording is left to train on")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> dict[str, Tensor]:
        row = self.rows[item]
        audio = read_audio(row.audio, self.mel.sample_rate)
        clip = self._crop(audio) if row.mel is None else self._crop_both(audio, row.mel)
        return {**clip, "bandwidth_hz": torch.tensor(row.bandwidth_hz, dtype=torch.float32)}

    def _crop(self, audio: Tensor) -> dict[str, Tensor]:
        """A recording that is too short is repeated, as the reference does."""
        if self.gain_db is not None and (peak := float(audio.abs().max())) > SILENCE:
            low, high = self.gain_db
            level = low + (float(torch.rand(())) if self.shuffle else 0.5) * (high - low)
            audio = audio * (10 ** (level / 20) / peak)
        start = self._start(len(audio) - self.n_samples)
        audio = audio[start : start + self.n_samples]
        return {"audio": audio.repeat(math.ceil(self.n_samples / len(audio)))[: self.n_samples]}

    def _crop_both(self, audio: Tensor, path: Path) -> dict[str, Tensor]:
        """What is too short ends in silence: zeros, and what the convention makes of them."""
        mel, hop = read_mel(path)[0].float(), self.mel.hop_length
        check_frames(path, tuple(mel.shape), len(audio), self.mel)
        n_frames = self.n_samples // hop
        start = self._start(mel.shape[-1] - n_frames)
        mel = mel[:, start : start + n_frames]
        audio = audio[start * hop : start * hop + self.n_samples]
        silence = float(compress(torch.zeros(1, 1), self.mel))
        return {
            "audio": F.pad(audio, (0, self.n_samples - len(audio))),
            "mel": F.pad(mel, (0, n_frames - mel.shape[-1]), value=silence),
        }

    def _start(self, last: int) -> int:
        return int(torch.randint(last + 1, ())) if self.shuffle and last > 0 else 0

    def _read_manifest(self, path: Path, durations: tuple[float, float]) -> list[Row]:
        if not path.is_file():
            raise ValueError(f"no manifest {path}")
        rows = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                if "duration" in entry and not durations[0] <= entry["duration"] <= durations[1]:
                    continue
                rows.append(self._read_entry(entry, path.parent))
            except (ValueError, TypeError, KeyError, OSError, soundfile.LibsndfileError) as error:
                reason = f"no {error}" if isinstance(error, KeyError) else error
                raise ValueError(f"{path}, line {number}: {reason}") from error
        return rows

    def _read_entry(self, entry: dict[str, Any], folder: Path) -> Row:
        audio = folder / Path(entry["audio_filepath"]).expanduser()
        about = soundfile.info(audio)
        bandwidth_hz = min(float(entry.get("bandwidth_hz") or math.inf), about.samplerate / 2, self.mel.sample_rate / 2)
        if not self.load_precomputed_mel:
            return Row(audio=audio, mel=None, bandwidth_hz=bandwidth_hz)
        mel = folder / Path(entry["mel_filepath"]).expanduser()
        if not mel.is_file():
            raise ValueError(f"no mel {mel}")
        return Row(audio=audio, mel=mel, bandwidth_hz=bandwidth_hz)


def read_audio(path: Path, sample_rate: int) -> Tensor:
    """A whole file, mixed to mono and resampled, ``(N,)``; raises as `read_mono`."""
    return read_mono(path, sample_rate)[0]


def check_frames(what: Path, shape: tuple[int, ...], n_samples: int, mel: MelConvention) -> None:
    """Raises ValueError unless a mel is as long as its recording: a frame a hop, or, as framing is, one more."""
    n_frames = n_samples // mel.hop_length
    if len(shape) != 2 or shape[0] != mel.n_mels or shape[1] not in (n_frames, n_frames + 1):
        raise ValueError(
            f"{what}: expected a mel of {mel.n_mels} bands and {n_frames} or {n_frames + 1} frames for a recording of "
            f"{n_samples} samples, got {shape}; mels must be predicted with the recording's own durations"
        )
