"""Training and validation clips. The batch of a step depends only on the seed and the step's number."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from .decoded_audio import DecodedAudio, decode_recordings
from .sources import Recording, find_recordings


class Clip(TypedDict):
    """Audio ``(N,)`` in [-1, 1], and its bandwidth in Hz, ``()``; both float32."""

    audio: Tensor
    bandwidth_hz: Tensor


@dataclass(frozen=True, kw_only=True)
class Data:
    """Training and validation data, and how it is cropped and batched.

    Attributes:
        train, validation: folders, lists of files or manifests (`find_recordings`); no validation if empty.
        train_split, validation_split: rows of the manifests to use; None for all of them.
        num_samples: samples in a training crop, at the model's sample rate.
        validation_num_samples: samples in a validation clip.
        batch_size: training crops per step and process.
        gain_db: lowest and highest dBFS of a recording's peak, which is drawn uniformly.
        validation_gain_db: dBFS of the peak in validation.
        cache_dir: folder for decoded audio; None keeps it in memory.
        num_workers: processes that prepare batches.
        seed: seeds the choice of recordings, crops and gains.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    train_split: str | None = None
    validation_split: str | None = None
    num_samples: int = 16384
    validation_num_samples: int = 48384
    batch_size: int = 16
    gain_db: tuple[float, ...] = (-6.0, -1.0)
    validation_gain_db: float = -3.0
    cache_dir: str | None = None
    num_workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.train:
            raise ValueError("train must name at least one folder, list or manifest")
        for name in ("num_samples", "validation_num_samples", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("num_workers", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if len(self.gain_db) != 2 or not -math.inf < self.gain_db[0] <= self.gain_db[1] <= 0:
            raise ValueError(f"gain_db must be [lowest, highest] in dBFS, at most 0, got {list(self.gain_db)}")
        if not -math.inf < self.validation_gain_db <= 0:
            raise ValueError(f"validation_gain_db must be at most 0 dBFS, got {self.validation_gain_db}")

    def train_recordings(self) -> list[Recording]:
        """Returns the recordings of `train`, in its order; raises like `find_recordings`."""
        return [recording for source in self.train for recording in find_recordings(Path(source), self.train_split)]

    def validation_recordings(self) -> list[Recording]:
        """Returns the recordings of `validation`, in its order; raises like `find_recordings`."""
        return [
            recording
            for source in self.validation
            for recording in find_recordings(Path(source), self.validation_split)
        ]

    def train_dataset(self, sample_rate: int) -> CropDataset:
        """Returns training crops at a sample rate in Hz; raises like `find_recordings` and `decode_recordings`."""
        recordings = self.train_recordings()
        # Likely a manifest whose split was forgotten: the validation loss would say nothing.
        if shared := {r.path for r in recordings} & {r.path for r in self.validation_recordings()}:
            warnings.warn(
                f"{len(shared)} recordings, such as {min(shared)}, are in both the training and the validation data",
                stacklevel=2,
            )
        decoded = decode_recordings(recordings, sample_rate, self._cache_path())
        bandwidths = band_limits(recordings, decoded, sample_rate)
        low, high = self.gain_db
        return CropDataset(decoded, bandwidths, num_samples=self.num_samples, gain_db=(low, high), seed=self.seed)

    def validation_dataset(self, sample_rate: int) -> ValidationDataset | None:
        """Returns fixed clips at a sample rate in Hz, None without validation data; raises like `train_dataset`."""
        if not (recordings := self.validation_recordings()):
            return None
        decoded = decode_recordings(recordings, sample_rate, self._cache_path())
        return ValidationDataset(
            decoded,
            band_limits(recordings, decoded, sample_rate),
            num_samples=self.validation_num_samples,
            gain_db=self.validation_gain_db,
        )

    def _cache_path(self) -> Path | None:
        return None if self.cache_dir is None else Path(self.cache_dir)


def band_limits(recordings: Sequence[Recording], decoded: DecodedAudio, sample_rate: int) -> list[float]:
    """Returns each recording's bandwidth in Hz: the stated one, limited by the source's and the target's Nyquist."""
    return [
        # A recording that was resampled to a higher rate has nothing above its own Nyquist frequency.
        min(recording.bandwidth_hz or math.inf, int(source_rate) / 2, sample_rate / 2)
        for recording, source_rate in zip(recordings, decoded.spans[:, 2], strict=True)
    ]


class CropDataset(Dataset[Clip]):
    """Endless random crops at random levels. Item ``i`` depends only on the seed and ``i``, in any process.

    A recording is chosen with a probability proportional to its duration. As in the reference, the level is that of
    the whole recording's peak, and recordings shorter than a crop are repeated.

    Args:
        decoded: the recordings.
        bandwidths: `band_limits` of each.
        num_samples: samples in a crop.
        gain_db: lowest and highest level of the peak in dBFS.
        seed: not negative.
    """

    def __init__(
        self,
        decoded: DecodedAudio,
        bandwidths: Sequence[float],
        *,
        num_samples: int,
        gain_db: tuple[float, float] = (-6.0, -1.0),
        seed: int = 0,
    ) -> None:
        self.decoded = decoded
        self.bandwidths = bandwidths
        self.num_samples = num_samples
        self.gain_db = gain_db
        self.seed = seed
        self.ends = np.cumsum(decoded.spans[:, 1])

    def __getitem__(self, item: int) -> Clip:
        # Of NumPy's draws, plain uniform numbers are the least likely to change between its versions.
        where, start, level = np.random.default_rng((self.seed, item)).random(3)
        # A uniform position in the concatenated audio chooses a recording by its duration. An unreadable recording ends
        # where the one before it does: side="right" passes over it.
        recording = int(np.searchsorted(self.ends, int(where * self.ends[-1]), side="right"))
        starts = max(int(self.decoded.spans[recording, 1]) - self.num_samples, 0) + 1
        low, high = self.gain_db
        gain = 10 ** ((low + level * (high - low)) / 20)
        audio = self.decoded.read(recording, int(start * starts), self.num_samples)
        return _clip(audio, gain, self.bandwidths[recording])


class ValidationDataset(Dataset[Clip]):
    """The first segment of every readable recording, all at one level, as in the reference.

    Args:
        decoded, bandwidths, num_samples: see `CropDataset`.
        gain_db: level of the peak in dBFS.
    """

    def __init__(
        self, decoded: DecodedAudio, bandwidths: Sequence[float], *, num_samples: int, gain_db: float = -3.0
    ) -> None:
        self.decoded = decoded
        self.bandwidths = bandwidths
        self.num_samples = num_samples
        self.gain = 10 ** (gain_db / 20)
        self.readable = np.flatnonzero(decoded.spans[:, 1]).tolist()

    def __len__(self) -> int:
        return len(self.readable)

    def __getitem__(self, item: int) -> Clip:
        recording = self.readable[item]
        return _clip(self.decoded.read(recording, 0, self.num_samples), self.gain, self.bandwidths[recording])


def _clip(audio: np.ndarray, gain: float, bandwidth_hz: float) -> Clip:
    scaled = torch.from_numpy(audio * np.float32(gain))
    return {"audio": scaled, "bandwidth_hz": torch.tensor(bandwidth_hz, dtype=torch.float32)}


class StepSampler(Sampler[list[int]]):
    """Batches of item numbers for a `CropDataset`, one for each training step.

    All processes together see the same items as one process with the total batch size. A run can therefore be resumed
    with another number of processes if the total stays the same.

    Args:
        batch_size: items per step and process.
        first_step: step to start at.
        last_step: step to stop before; None for endless batches.
        rank, world_size: index of this process, and the number of processes.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self, batch_size: int, *, first_step: int = 0, last_step: int | None = None, rank: int = 0, world_size: int = 1
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if first_step < 0 or (last_step is not None and last_step < first_step):
            raise ValueError(f"expected 0 <= first_step <= last_step, got {first_step} and {last_step}")
        if not 0 <= rank < world_size:
            raise ValueError(f"expected 0 <= rank < world_size, got rank={rank}, world_size={world_size}")
        self.batch_size = batch_size
        self.first_step = first_step
        self.last_step = last_step
        self.rank = rank
        self.world_size = world_size

    def __iter__(self) -> Iterator[list[int]]:
        step = self.first_step
        while self.last_step is None or step < self.last_step:
            # The processes take consecutive parts of one large batch, so their number doesn't change it.
            first = (step * self.world_size + self.rank) * self.batch_size
            # Not indices of recordings: item `i` of a `CropDataset` is a random draw, seeded by `i`.
            yield list(range(first, first + self.batch_size))
            step += 1

    def __len__(self) -> int:
        if self.last_step is None:
            raise TypeError("this sampler is endless and has no length; pass last_step")
        return self.last_step - self.first_step
