"""Tasks: how a job becomes audio, as a stream or as windows that are computed separately."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ...inference.cuts import PIECE_FRAMES
from ...inference.many import decode_many
from ...inference.windows import (
    Window,
    decode_chunks,
    decode_window,
    decode_windows,
    resynthesis_windows,
    resynthesize_chunks,
)
from ...mel import MelConvention
from ...model import Vocos
from ...storage.audio import read_blocks
from ...storage.mel_files import read_mel
from .hf_datasets import row_audio, row_mel
from .jobs import Job
from .lhotse_cuts import features_mel

if TYPE_CHECKING:
    from typing_extensions import Buffer

# With this many frames, context adds 2 %, and a window takes a few tens of megabytes.
WINDOW_FRAMES = PIECE_FRAMES
# Windows that are sorted into a GPU's batches by length; the more there are, the less padding.
GROUP_FRAMES = 2**17


class Task(ABC):
    """The computation that a command runs on each job.

    Attributes:
        sample_rate: of the audio, Hz.
        group_frames: number of frames to pass to each call of `compute`; None to pass single windows.
    """

    sample_rate: int
    group_frames: int | None = None

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """Returns everything that the outputs depend on in addition to the inputs, by name."""

    @abstractmethod
    def stream(self, job: Job) -> Iterator[Tensor]:
        """Computes a single job with all threads; yields its audio in pieces ``(channels, N)``."""

    @abstractmethod
    def windows(self, job: Job) -> Iterator[Window]:
        """Yields the windows of a job; raises ValueError, TypeError or OSError for an unreadable input."""

    @abstractmethod
    def compute(self, windows: Sequence[Window]) -> list[Tensor]:
        """Returns the audio of each window, ``(channels, n_samples)``, on the CPU."""

    def n_frames(self, window: Window) -> int:
        """Returns the number of frames of a window, which `group_frames` limits."""
        return window.inputs.shape[0] * window.inputs.shape[-1]


class StreamedTask(Task):
    """A task that can only stream: it yields a job's audio piece by piece, computed with all threads.

    Args:
        sample_rate: of the audio, Hz.
        vocode: yields a job's audio in pieces ``(channels, N)``.
        settings: see `Task.settings`.
    """

    def __init__(
        self, sample_rate: int, vocode: Callable[[Job], Iterator[Tensor]], settings: Callable[[], dict[str, str]]
    ) -> None:
        self.sample_rate = sample_rate
        self.vocode = vocode
        self._settings = settings

    def settings(self) -> dict[str, str]:
        return self._settings()

    def stream(self, job: Job) -> Iterator[Tensor]:
        return self.vocode(job)

    def windows(self, job: Job) -> Iterator[Window]:
        for piece in self.vocode(job):
            # The piece is already audio; `compute` only hands it on.
            yield Window(inputs=piece.cpu(), first=0, n_samples=piece.shape[1])

    def compute(self, windows: Sequence[Window]) -> list[Tensor]:
        return [window.inputs for window in windows]


class Vocoding(Task):
    """A task of a mel model, on the model's device.

    Args:
        vocos: a mel model.
    """

    def __init__(self, vocos: Vocos) -> None:
        self.vocos = vocos
        self.sample_rate = vocos.sample_rate
        self.device = next(vocos.parameters()).device
        self.group_frames = None if self.device.type == "cpu" else GROUP_FRAMES


class Decoding(Vocoding):
    """Mels to audio.

    Args:
        vocos: a mel model.
        source, strict: see `Vocos.decode`.
    """

    def __init__(self, vocos: Vocos, source: MelConvention | None = None, strict: bool = False) -> None:
        super().__init__(vocos)
        self.source = source
        self.strict = strict

    def settings(self) -> dict[str, str]:
        source = self.vocos.mel if self.source is None else self.source
        return {"model": model_digest(self.vocos), "mels": digest(repr(source).encode())}

    def read(self, job: Job) -> Tensor:
        """Returns a job's mel, ``(1, n_mels, T)``."""
        return read_job_mel(job)

    def stream(self, job: Job) -> Iterator[Tensor]:
        return decode_chunks(self.vocos, self.read(job).to(self.device), source=self.source, strict=self.strict)

    def windows(self, job: Job) -> Iterator[Window]:
        mel = self.read(job)
        return decode_windows(self.vocos, mel, source=self.source, strict=self.strict, chunk_frames=WINDOW_FRAMES)

    def compute(self, windows: Sequence[Window]) -> list[Tensor]:
        if self.group_frames is None:
            # The padding was left out of the windows; another frame of that value is sound.
            return [decode_window(self.vocos, window) for window in windows]
        return decode_batched(self.vocos, windows, [window.inputs.to(self.device) for window in windows])


class Resynthesis(Vocoding):
    """Recordings to mels and back to audio.

    Args:
        vocos: a mel model.
    """

    def settings(self) -> dict[str, str]:
        return {"model": model_digest(self.vocos)}

    def blocks(self, job: Job) -> Iterator[Tensor]:
        """Yields a job's recording in blocks ``(channels, n)``."""
        return read_job_audio(job, self.sample_rate)

    def stream(self, job: Job) -> Iterator[Tensor]:
        return resynthesize_chunks(self.vocos, (block.to(self.device) for block in self.blocks(job)))

    def windows(self, job: Job) -> Iterator[Window]:
        return resynthesis_windows(self.vocos, self.blocks(job), chunk_frames=WINDOW_FRAMES)

    def compute(self, windows: Sequence[Window]) -> list[Tensor]:
        if self.group_frames is None:
            lengths = [window.inputs.shape[1] for window in windows]
            return [
                window.cut(self.vocos(window.inputs, length=length))
                for window, length in zip(windows, lengths, strict=True)
            ]
        return decode_batched(self.vocos, windows, [self._mel(window.inputs.to(self.device)) for window in windows])

    def n_frames(self, window: Window) -> int:
        return window.inputs.numel() // self.vocos.hop_length

    @torch.no_grad()
    def _mel(self, audio: Tensor) -> Tensor:
        """Returns the mel that `Vocos.forward` decodes."""
        padded = F.pad(audio, (0, self.vocos.filled_length(audio.shape[1]) - audio.shape[1]))
        mel: Tensor = self.vocos.feature_extractor(padded)
        return mel


def decode_batched(vocos: Vocos, windows: Sequence[Window], features: Sequence[Tensor]) -> list[Tensor]:
    """Decodes the features ``(B, C, T)`` of windows in batches by length, and returns the audio of each window.

    Without a postfilter: features of recordings need none, and `decode_windows` has applied it to predicted ones.
    """
    audio = iter(decode_many(vocos, [row for each in features for row in each], postfilter=False))
    return [
        window.cut(torch.stack([next(audio) for _ in each])).cpu()
        for window, each in zip(windows, features, strict=True)
    ]


def model_digest(vocos: Vocos) -> str:
    """Returns a digest of a model's configuration and weights, which is independent of its path."""
    # As bytes, since NumPy has no bfloat16; flattened, since a tensor without dimensions can't be viewed as bytes.
    weights = (tensor.detach().cpu().contiguous().reshape(-1) for tensor in vocos.state_dict().values())
    return digest(repr(vocos.config).encode(), *(tensor.view(torch.uint8).numpy() for tensor in weights))


def digest(*parts: Buffer) -> str:
    """Returns a digest of bytes as sixteen hexadecimal digits."""
    hashed = hashlib.blake2b(digest_size=8)
    for part in parts:
        hashed.update(part)
    return hashed.hexdigest()


def read_job_audio(job: Job, sample_rate: int) -> Iterator[Tensor]:
    """Yields a job's recording, or its part of one, in blocks ``(channels, N)``; errors as raised by `read_blocks`."""
    source = job.source if job.row is None else row_audio(job.source, job.row)
    for block in read_blocks(source, sample_rate, start_s=job.start_s, duration_s=job.duration_s):
        yield block if job.channels is None else block[list(job.channels)]


def read_job_mel(job: Job) -> Tensor:
    """Returns a job's mel, ``(1, n_mels, T)``; errors as raised by `read_mel`."""
    if job.features is not None:
        return features_mel(job)
    return read_mel(job.source) if job.row is None else row_mel(job.source, job.row)
