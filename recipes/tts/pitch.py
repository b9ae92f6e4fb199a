"""Finds the pitch of a corpus' recordings once, for all toolkits.

    python recipes/tts/pitch.py CORPUS

Writes ``CORPUS/pitch/ID.npy``, a value in Hz for each frame of a centred mel, 0 where there is no voice, by librosa's
pYIN, as Coqui TTS and NeMo have it; and ``CORPUS/pitch.json``, the mean and deviation of voiced frames. Contours that
are there stay, and so do mean and deviation: a model that is in training when the corpus grows was trained with them.
The range is narrow on purpose: pYIN's time grows with its square.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import soundfile
from layout import read_rows, write_text
from numpy.typing import NDArray

HOP_LENGTH, FRAME_LENGTH = 256, 1024
REPORT_EVERY = 100  # recordings


def find_pitch(audio: NDArray[np.float64], sample_rate: int, f_min: float, f_max: float) -> NDArray[np.float32]:
    """Pitch ``(T,)`` in Hz of audio ``(N,)``, ``T`` is ``N // HOP_LENGTH + 1``; 0 where there is no voice."""
    pitch, voiced, _ = librosa.pyin(
        audio, fmin=f_min, fmax=f_max, sr=sample_rate, frame_length=FRAME_LENGTH, hop_length=HOP_LENGTH
    )
    n_frames = len(audio) // HOP_LENGTH + 1
    found: NDArray[np.float32] = np.where(voiced, pitch, 0)[:n_frames].astype(np.float32)
    return np.pad(found, (0, n_frames - len(found)))


def read_pitch(corpus: Path, row_id: str) -> NDArray[np.float32]:
    """The contour of a row."""
    pitch: NDArray[np.float32] = np.load(corpus / "pitch" / f"{row_id}.npy")
    return pitch


def _write_pitch(row_id: str, corpus: Path, f_min: float, f_max: float) -> NDArray[np.float32]:
    path = corpus / "pitch" / f"{row_id}.npy"
    if not path.exists():
        audio, sample_rate = soundfile.read(corpus / "wavs" / f"{row_id}.wav")
        partial_path = path.with_suffix(".part.npy")
        np.save(partial_path, find_pitch(audio, sample_rate, f_min, f_max))
        partial_path.replace(path)
    return read_pitch(corpus, row_id)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--f-min", type=float, default=60, help="Hz")
    parser.add_argument("--f-max", type=float, default=220, help="Hz; a woman's voice wants 400")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    corpus: Path = arguments.corpus
    (corpus / "pitch").mkdir(exist_ok=True)
    ids = [row.id for row in read_rows(corpus)[0]]
    write = partial(_write_pitch, corpus=corpus, f_min=arguments.f_min, f_max=arguments.f_max)
    voiced = []
    # Not forked: numba ends a child of a process in which OpenMP has run.
    with ProcessPoolExecutor(arguments.workers, multiprocessing.get_context("spawn")) as workers:
        for number, pitch in enumerate(workers.map(write, ids, chunksize=4), start=1):
            voiced.append(pitch[pitch > 0])
            if number % REPORT_EVERY == 0:
                print(f"{number} of {len(ids)} recordings", flush=True)
    values = np.concatenate(voiced)
    mean, deviation = float(values.mean()), float(values.std())
    print(f"{mean:.1f} Hz on average, deviation {deviation:.1f} Hz")
    if not (corpus / "pitch.json").exists():
        write_text(corpus / "pitch.json", json.dumps({"mean": mean, "deviation": deviation}))


if __name__ == "__main__":
    main()
