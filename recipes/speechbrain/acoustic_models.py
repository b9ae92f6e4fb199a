"""Mels that SpeechBrain's acoustic models predict for a recording, aligned with it frame by frame."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from speechbrain.inference import TTS
from speechbrain.inference.interfaces import foreign_class
from torch import Tensor

Predict = Callable[[Any, str, Tensor], Tensor]


def load_model(kind: str, source: str, device: str, savedir: str | None = None) -> Any:
    """Loads SpeechBrain's inference object for a kind of model, on a device.

    A folder with a ``custom.py`` is loaded by that file's class, as by ``foreign_class``, which runs it.
    """
    options = {"source": source, "savedir": savedir, "run_opts": {"device": device}}
    if (Path(source) / "custom.py").is_file():
        return foreign_class(**options)
    return getattr(TTS, KINDS[kind][0]).from_hparams(**options)


@torch.no_grad()
def predict(kind: str, tts: Any, text: str, mel: Tensor) -> Tensor:
    """Predicts a mel ``(bands, frames)`` for a text, aligned with the mel of a recording of it.

    Raises:
        ValueError: the model predicts no frames for the text, or lacks a symbol of it.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "left out of")  # by a custom class, of a text that it can't read as a whole
        try:
            predicted: Tensor = KINDS[kind][1](tts.eval(), text, mel)
        except UserWarning as warning:
            raise ValueError(f"the model has no symbol for a part of the text; {warning}") from warning
    return predicted


def along_tacotron2(tts: Any, text: str, mel: Tensor) -> Tensor:
    """Predicts by teacher forcing: each frame from the recording's frames before it."""
    tokens = torch.tensor(tts.text_to_seq(text)[0], device=mel.device)[None]
    lengths = torch.tensor([tokens.shape[1]], device=mel.device)
    n_frames = torch.tensor([mel.shape[1]], device=mel.device)
    predicted: Tensor = tts.hparams.model((tokens, lengths, mel[None], mel.shape[1], n_frames))[1][0]
    return predicted


def along_fastspeech2(tts: Any, text: str, mel: Tensor) -> Tensor:
    """Predicts with durations found by warping the model's own output to the recording; pitch, energy are its own."""
    tokens = read_tokens(tts, text)
    free, log_durations = (tts.hparams.model(tokens)[index][0] for index in (1, 2))
    # FastSpeech2 predicts the logarithm of a phoneme's frames plus one.
    durations = torch.clamp(torch.special.expm1(log_durations), 0).long()
    if not int(durations.sum()):
        raise ValueError("the model predicts no frames for the text")
    owners = torch.repeat_interleave(torch.arange(len(durations), device=mel.device), durations)
    path = torch.from_numpy(warp(free[: len(owners)].cpu().numpy(), mel.T.cpu().numpy()))
    counts = torch.bincount(owners[path.to(mel.device)], minlength=len(durations))
    predicted: Tensor = tts.hparams.model(tokens, durations=counts[None])[1][0]
    return predicted.T


def along_fastspeech2_internal(tts: Any, text: str, mel: Tensor) -> Tensor:
    """Predicts with durations found by the model's own aligner; pitch and energy are the model's."""
    predicted: Tensor = tts.hparams.model(read_tokens(tts, text), mel_spectrograms=mel.T[None])[1][0]
    return predicted.T


def read_tokens(tts: Any, text: str) -> Tensor:
    """Returns the phonemes ``(1, L)`` that ``encode_text`` of a FastSpeech2 would encode."""
    # `encode_text` passes them to `encode_batch` and returns its result, so a stub hands them out.
    tts.encode_batch = lambda tokens, **_: tokens
    try:
        tokens: Tensor = tts.encode_text([text])
    finally:
        del tts.encode_batch
    return tokens


def warp(source: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.int64]:
    """Returns the source frame at each target frame: ``(S, bands)`` and ``(T, bands)`` -> ``(T,)``.

    This is dynamic time warping by Euclidean distance, after removing each band's mean. The path is monotonic, from the
    first frame to the last, and may skip source frames.
    """
    source, target = source - source.mean(axis=0), target - target.mean(axis=0)
    # |a - b|^2 by one matrix product; rounding can make it slightly negative.
    squares = (target**2).sum(1)[:, None] + (source**2).sum(1)[None] - 2 * target @ source.T
    distances = np.sqrt(np.maximum(squares, 0))
    total = np.empty_like(distances)
    total[0] = np.cumsum(distances[0])
    for frame in range(1, len(target)):
        # A step stays at the source frame, takes the next one, or pays the distance of each frame that it skips.
        stepped = total[frame - 1].copy()
        stepped[1:] = np.minimum(stepped[1:], total[frame - 1, :-1])
        skipped = np.concatenate([[0.0], np.cumsum(distances[frame])[:-1]])
        # With sums of what is skipped, the minimum over all origins takes one pass over a frame.
        stepped = np.minimum.accumulate(stepped - skipped) + skipped
        total[frame] = stepped + distances[frame]
    path = np.zeros(len(target), dtype=np.int64)
    path[-1] = len(source) - 1
    for frame in range(len(target) - 1, 0, -1):
        path[frame - 1] = _origin(total[frame - 1], distances[frame], int(path[frame]))
    return path


def _origin(before: NDArray[np.float32], distances: NDArray[np.float32], reached: int) -> int:
    """Returns the source frame from which the best path reached another one."""
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
