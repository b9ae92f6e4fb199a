"""Writes the mels that an acoustic model of SpeechBrain predicts for recordings, aligned with them frame by frame.

    python predict_mels.py tacotron2 speechbrain/tts-tacotron2-ljspeech /path/to/LJSpeech-1.1 mels
    python train.py hparams/finetune_predicted.yaml --data_folder /path/to/LJSpeech-1.1 --mels_folder mels

``mels/ID.npy`` is float32, ``(bands, frames)``, with as many frames as the recording's own mel; the id is the
recording's path below the data folder without its suffix. Texts come from LJSpeech's ``metadata.csv``, or from
``ID.normalized.txt``, ``ID.txt`` or ``ID.lab``. Existing files are kept, so that the same command resumes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from acoustic_models import KINDS, load_model, predict
from prepare import recording_id
from recordings import check_mel, count_frames, read_recording
from torch import Tensor
from vocos_speechbrain.mel import DEFAULT, from_speechbrain

from vocos_plugins.mel import ConventionError, MelConvention, MelSpectrogram
from vocos_plugins.storage.atomic import atomic_write
from vocos_plugins.storage.texts import METADATA, TEXT_SUFFIXES, Transcript, find_text, read_metadata
from vocos_plugins.training.sources import find_recordings


def require_text(path: Path, metadata: Mapping[str, Transcript]) -> str:
    """Finds the text of a recording.

    Raises:
        ValueError: there is none.
    """
    if text := find_text(path.with_suffix(""), metadata):
        return text
    raise ValueError(f"no text: neither in {METADATA} nor in {path.with_suffix('').name}{{{','.join(TEXT_SUFFIXES)}}}")


def find_convention(tts: Any) -> MelConvention:
    """Returns the mel that a model was trained on; if its hyperparameters don't define one, SpeechBrain's default."""
    try:
        return from_speechbrain(tts.hparams)
    except ConventionError:
        return DEFAULT


def write_mel(file: Path, mel: Tensor, frames: tuple[int, int]) -> None:
    """Writes a mel ``(bands, frames)`` atomically.

    Raises:
        ValueError: its shape isn't ``frames``.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as temporary:
        with temporary.open("wb") as stream:
            np.save(stream, mel.float().cpu().numpy())
        # Before the file is renamed: a mel of the wrong length leaves none.
        check_mel(temporary, *frames)


def predict_all(kind: str, tts: Any, root: Path, mels_folder: Path, device: str) -> list[str]:
    """Writes the mels that aren't there yet; returns what was wrong with recordings, and rows that have none."""
    convention = find_convention(tts)
    spectrogram = MelSpectrogram(convention)
    folder = root if root.is_dir() else root.parent
    metadata = read_metadata(folder)
    recordings = find_recordings(root)
    problems = []
    for recording in recordings:
        file = mels_folder / f"{recording_id(recording.path, root)}.npy"
        # Files get this name only when they are complete, so what exists needs no check.
        if file.exists():
            continue
        try:
            audio = read_recording(recording.path, convention.sample_rate)
            text = require_text(recording.path, metadata)
            mel = predict(kind, tts, text, spectrogram(audio[None])[0].to(device))
            write_mel(file, mel, (convention.n_mels, count_frames(len(audio), convention.hop_length)))
        except (ValueError, OSError, RuntimeError) as error:
            row = metadata.get(recording.path.stem)
            problems.append(f"{recording.path}: {error}" + (f" ({folder / METADATA}:{row.line})" if row else ""))
    names = {recording.path.stem for recording in recordings}
    # A list may name fewer recordings than there are texts, a folder has them all.
    without = {name: row for name, row in metadata.items() if root.is_dir() and name not in names}
    return problems + [f"{folder / METADATA}:{row.line}: there is no recording {name}" for name, row in without.items()]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("source", help="the model: a folder or a Hugging Face repository")
    parser.add_argument("data_folder", type=Path, help="the recordings, as for train.py")
    parser.add_argument("mels_folder", type=Path)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--savedir", default=None, help="where SpeechBrain keeps what it downloads")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)  # Tacotron2 uses dropout in inference too
    tts = load_model(options.kind, options.source, options.device, options.savedir)
    problems = predict_all(options.kind, tts, options.data_folder, options.mels_folder, options.device)
    print(f"{options.mels_folder}: {len(list(options.mels_folder.rglob('*.npy')))} mels, {len(problems)} failed")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
