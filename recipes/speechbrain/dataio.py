"""Pipelines from JSON entries to audio and predicted mels: crops for training, otherwise whole recordings."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import speechbrain as sb
import torch
from recordings import load_mel, read_recording
from torch import Tensor

VALIDATION_PEAK_DB = -3.0


def prepare_datasets(hparams: dict[str, Any]) -> dict[str, Any]:
    """Makes a ``DynamicItemDataset`` for each split: ``id``, ``sig``, ``bandwidth_hz`` and, if predicted, ``mel``."""
    predicted = hparams["mels_folder"] is not None
    crop = _make_pipeline(hparams, predicted)
    taken = ["id", "wav", "segment", "mel_file"] if predicted else ["id", "wav", "segment"]
    provided = ["sig", "mel"] if predicted else ["sig"]
    pipeline = sb.utils.data_pipeline.takes(*taken)(sb.utils.data_pipeline.provides(*provided)(crop))
    roots = {"data_root": str(hparams["data_folder"]), "mels_root": str(hparams["mels_folder"])}
    return {
        split: sb.dataio.dataset.DynamicItemDataset.from_json(
            json_path=hparams[f"{split}_json"],
            replacements=roots,
            dynamic_items=[pipeline],
            output_keys=["id", "bandwidth_hz", *provided],
        )
        for split in hparams["splits"]
    }


def _make_pipeline(hparams: dict[str, Any], predicted: bool) -> Callable[..., Any]:
    sample_rate, hop_length, n_samples = hparams["sample_rate"], hparams["hop_length"], hparams["segment_size"]
    if n_samples % hop_length:
        raise ValueError(f"segment_size must be a multiple of hop_length={hop_length}, got {n_samples}")

    def draws(key: str) -> np.random.Generator:
        # Depends only on seed, epoch and recording, so that a resumed run sees the crops of an uninterrupted one.
        return np.random.default_rng([hparams["seed"], hparams["epoch_counter"].current, zlib.crc32(key.encode())])

    def from_recording(key: str, wav: str, segment: bool) -> Tensor:
        audio = read_recording(Path(wav), sample_rate)
        if not segment:
            return _set_peak(audio, VALIDATION_PEAK_DB)
        random = draws(key)
        audio = _set_peak(audio, random.uniform(*hparams["gain_db"]))
        audio = audio.repeat(-(-n_samples // max(1, len(audio))))  # once, unless it is shorter than a crop
        start = int(random.integers(len(audio) - n_samples, endpoint=True))
        return audio[start : start + n_samples]

    def from_prediction(key: str, wav: str, segment: bool, mel_file: str) -> tuple[Tensor, Tensor]:
        audio, mel = read_recording(Path(wav), sample_rate), load_mel(Path(mel_file))
        if not segment:
            # Copied out of the memory map, which is read-only.
            return audio, torch.from_numpy(np.array(mel))
        n_frames = n_samples // hop_length
        start = int(draws(key).integers(len(audio) // hop_length - n_frames, endpoint=True))
        # Frames are centred, so n hops of audio lie between n + 1 frames.
        cut = torch.from_numpy(np.array(mel[:, start : start + n_frames + 1]))
        return audio[start * hop_length : (start + n_frames) * hop_length], cut

    return from_prediction if predicted else from_recording


def _set_peak(audio: Tensor, peak_db: float) -> Tensor:
    return audio * (10 ** (peak_db / 20) / audio.abs().max().clamp_min(1e-5))
