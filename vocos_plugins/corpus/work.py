"""What is done to each job: its windows, which are computed by themselves, and the audio that they make."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..inference.windows import Window, decode_chunks, decode_windows, resynthesis_windows, resynthesize_chunks
from ..mel import MelConvention
from ..model import Vocos
from ..storage.audio import read_blocks
from ..storage.mel_files import read_mel
from .batches import decode_together
from .jobs import Job
from .lhotse_cuts import features_mel
from .libraries import row_audio, row_mel

if TYPE_CHECKING:
    from typing_extensions import Buffer

# As many frames have 2 % of context, and take a few tens of megabytes.
WINDOW_FRAMES = 2048
GROUP_FRAMES = 2**17


class Work(ABC):
    """What a command makes of a job.

    Attributes:
        sample_rate: of the audio, Hz.
        group_frames: how many frames a call of `compute` is given; None for one window.
    """

    sample_rate: int
    group_frames: int | None = None

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """What the outputs depend on beside the inputs."""

    @abstractmethod
    def stream(self, job: Job) -> Iterator[Tensor]:
        """One job alone, by all threads: audio ``(channels, n)``, piece by piece."""

    @abstractmethod
    def windows(self, job: Job) -> Iterator[Window]:
        """The same, to be computed one by one; raises ValueError, TypeError or OSError for what can't be read."""

    @abstractmethod
    def compute(self, windows: Sequence[Window]) -> list[Tensor]:
        """The audio of each window, ``(channels, n_samples)``, on the CPU."""

    def n_frames(self, window: Window) -> int:
        """What `group_frames` counts."""
        return window.inputs.shape[0] * window.inputs.shape[-1]


class Pieces(Work):
    """What gives its audio piece by piece, by all threads, and not otherwise.

    Args:
        sample_rate: of the audio, Hz.
        vocode: a job's audio ``(channels, n)``.
        settings: as of `Work`.
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
            yield Window(inputs=piece.cpu(), first=0, n_samples=piece.shape[1])

    def compute(self, windows: Sequence[Window]) -> list[Tensor]:
        return [window.inputs for window in windows]


class Vocoding(Work):
    """What a mel model does, where it is.

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
        source, strict: as for `Vocos.decode`.
    """

    def __init__(self, vocos: Vocos, source: MelConvention | None = None, strict: bool = False) -> None:
        super().__init__(vocos)
        self.source = source
        self.strict = strict

    def settings(self) -> dict[str, str]:
        source = self.vocos.mel if self.source is None else self.source
        return {"model": model_digest(self.vocos), "mels": digest(repr(source).encode())}

    def read(self, job: Job) -> Tensor:
        """A job's mel, ``(1, n_mels, T)``."""
        return read_job_mel(job)

    def stream(self, job: Job) -> Iterator[Tensor]:
        return decode_chunks(self.vocos, self.read(job).to(self.device), source=self.source, strict=self.strict)

    def windows(self, job: Job) -> Iterator[Window]:
        mel = self.read(job)
        return decode_windows(self.vocos, mel, source=self.source, strict=self.strict, chunk_frames=WINDOW_FRAMES)

    def compute(self, windows: Sequence[Window]) -> list[Tensor]:
        if self.group_frames is None:
            return [window.cut(self.vocos.decode(window.inputs)) for window in windows]
        return together(self.vocos, windows, [window.inputs.to(self.device) for window in windows])


class Resynthesis(Vocoding):
    """Recordings to mels and back; arguments as of `Vocoding`."""

    def settings(self) -> dict[str, str]:
        return {"model": model_digest(self.vocos)}

    def stream(self, job: Job) -> Iterator[Tensor]:
        blocks = (block.to(self.device) for block in read_job_audio(job, self.sample_rate))
        return resynthesize_chunks(self.vocos, blocks)

    def windows(self, job: Job) -> Iterator[Window]:
        blocks = read_job_audio(job, self.sample_rate)
        return resynthesis_windows(self.vocos, blocks, chunk_frames=WINDOW_FRAMES)

    def compute(self, windows: Sequence[Window]) -> list[Tensor]:
        if self.group_frames is None:
            lengths = [window.inputs.shape[1] for window in windows]
            return [
                window.cut(self.vocos(window.inputs, length=length))
                for window, length in zip(windows, lengths, strict=True)
            ]
        return together(self.vocos, windows, [self._mel(window.inputs.to(self.device)) for window in windows])

    def n_frames(self, window: Window) -> int:
        return window.inputs.numel() // self.vocos.hop_length

    @torch.no_grad()
    def _mel(self, audio: Tensor) -> Tensor:
        """What `Vocos.forward` decodes."""
        padded = F.pad(audio, (0, self.vocos.filled_length(audio.shape[1]) - audio.shape[1]))
        mel: Tensor = self.vocos.feature_extractor(padded)
        return mel


def together(vocos: Vocos, windows: Sequence[Window], features: Sequence[Tensor]) -> list[Tensor]:
    """The audio of windows whose features ``(B, C, T)`` are decoded in batches by length."""
    audio = iter(decode_together(vocos, [row for each in features for row in each]))
    return [
        window.cut(torch.stack([next(audio) for _ in each])) for window, each in zip(windows, features, strict=True)
    ]


def model_digest(vocos: Vocos) -> str:
    """Tells a model from others by its configuration and its weights, wherever it lies."""
    weights = (tensor.detach().cpu().contiguous().reshape(-1) for tensor in vocos.state_dict().values())
    return digest(repr(vocos.config).encode(), *(tensor.view(torch.uint8).numpy() for tensor in weights))


def digest(*parts: Buffer) -> str:
    """Sixteen letters that tell bytes from others."""
    hashed = hashlib.blake2b(digest_size=8)
    for part in parts:
        hashed.update(part)
    return hashed.hexdigest()


def read_job_audio(job: Job, sample_rate: int) -> Iterator[Tensor]:
    """The recording of a job, or the part that it names: blocks ``(channels, n)``; raises as `read_blocks`."""
    source = job.source if job.row is None else row_audio(job.source, job.row)
    for block in read_blocks(source, sample_rate, start_s=job.start_s, duration_s=job.duration_s):
        yield block if job.channels is None else block[list(job.channels)]


def read_job_mel(job: Job) -> Tensor:
    """The mel of a job, ``(1, n_mels, T)``; raises as `read_mel`."""
    if job.features is not None:
        return features_mel(job)
    return read_mel(job.source) if job.row is None else row_mel(job.source, job.row)
