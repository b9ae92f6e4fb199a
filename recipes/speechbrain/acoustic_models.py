"""Mels that SpeechBrain's acoustic models predict along a recording: each frame is of the recording's time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from speechbrain.inference import TTS
from torch import Tensor

Predict = Callable[[Any, str, Tensor], Tensor]


def load_model(kind: str, source: str, device: str, savedir: str | None = None) -> Any:
    """SpeechBrain's inference object of a kind of model, on a device."""
    loader = getattr(TTS, KINDS[kind][0])
    return loader.from_hparams(source=source, savedir=savedir, run_opts={"device": device})


@torch.no_grad()
def predict(kind: str, tts: Any, text: str, mel: Tensor) -> Tensor:
    """The mel ``(bands, frames)`` that a model predicts for a text along a recording of it, of which the mel is given.

    Raises:
        ValueError: the model gives the text no frames.
    """
    predicted: Tensor = KINDS[kind][1](tts.eval(), text, mel)
    return predicted


def along_tacotron2(tts: Any, text: str, mel: Tensor) -> Tensor:
    """Teacher forcing: each frame is predicted from the recording's frames before it."""
    tokens = torch.tensor(tts.text_to_seq(text)[0], device=mel.device)[None]
    lengths = torch.tensor([tokens.shape[1]], device=mel.device)
    n_frames = torch.tensor([mel.shape[1]], device=mel.device)
    predicted: Tensor = tts.hparams.model((tokens, lengths, mel[None], mel.shape[1], n_frames))[1][0]
    return predicted


def along_fastspeech2(tts: Any, text: str, mel: Tensor) -> Tensor:
    """Durations from the recording, by warping the model's own rendition to it; pitch and energy are the model's."""
    tokens = read_tokens(tts, text)
    free, log_durations = (tts.hparams.model(tokens)[index][0] for index in (1, 2))
    durations = torch.clamp(torch.special.expm1(log_durations), 0).long()
    if not int(durations.sum()):
        raise ValueError("the model gives the text no frames")
    owners = torch.repeat_interleave(torch.arange(len(durations), device=mel.device), durations)
    path = torch.from_numpy(warp(free[: len(owners)].cpu().numpy(), mel.T.cpu().numpy()))
    counts = torch.bincount(owners[path.to(mel.device)], minlength=len(durations))
    predicted: Tensor = tts.hparams.model(tokens, durations=counts[None])[1][0]
    return predicted.T


def along_fastspeech2_internal(tts: Any, text: str, mel: Tensor) -> Tensor:
    """Durations from the recording, by the model's own aligner; pitch and energy are the model's."""
    predicted: Tensor = tts.hparams.model(read_tokens(tts, text), mel_spectrograms=mel.T[None])[1][0]
    return predicted.T


def read_tokens(tts: Any, text: str) -> Tensor:
    """The phonemes ``(1, L)`` that ``encode_text`` of a FastSpeech2 would encode."""
    # It hands them to `encode_batch`, and returns what that returns.
    tts.encode_batch = lambda tokens, **_: tokens
    try:
        tokens: Tensor = tts.encode_text([text])
    finally:
        del tts.encode_batch
    return tokens


def warp(source: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.int64]:
    """Which frame of the source is at each frame of the target: ``(S, bands)``, ``(T, bands)`` to ``(T,)``.

    Dynamic time warping by Euclidean distance after each band's mean is removed. The path is monotonic, from first to
    last, and may skip source frames.
    """
    source, target = source - source.mean(axis=0), target - target.mean(axis=0)
    squares = (target**2).sum(1)[:, None] + (source**2).sum(1)[None] - 2 * target @ source.T
    distances = np.sqrt(np.maximum(squares, 0))
    total = np.empty_like(distances)
    total[0] = np.cumsum(distances[0])
    for frame in range(1, len(target)):
        # From the same source frame, the next, or any later one for the price of those skipped.
        stepped = total[frame - 1].copy()
        stepped[1:] = np.minimum(stepped[1:], total[frame - 1, :-1])
        skipped = np.concatenate([[0.0], np.cumsum(distances[frame])[:-1]])
        stepped = np.minimum.accumulate(stepped - skipped) + skipped
        total[frame] = stepped + distances[frame]
    path = np.zeros(len(target), dtype=np.int64)
    path[-1] = len(source) - 1
    for frame in range(len(target) - 1, 0, -1):
        path[frame - 1] = _origin(total[frame - 1], distances[frame], int(path[frame]))
    return path


def _origin(before: NDArray[np.float32], distances: NDArray[np.float32], reached: int) -> int:
    """From which source frame the best path came to one."""
    best, cost, skipped = reached, before[reached], 0.0
    for origin in range(reached - 1, -1, -1):
        if before[origin] + skipped < cost:
            best, cost = origin, before[origin] + skipped
        skipped += distances[origin]
    return best


KINDS: dict[str, tuple[str, Predict]] = {
    "tacotron2": ("Tacotron2", along_tacotron2),
    "fastspeech2": ("FastSpeech2", along_fastspeech2),
    "fastspeech2_internal": ("FastSpeech2InternalAlignment", along_fastspeech2_internal),
}
