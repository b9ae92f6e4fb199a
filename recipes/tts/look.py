"""Draws the mels that an acoustic model predicted, each below the one of the corpus' own audio.

    python recipes/tts/speak_corpus.py CORPUS/eval.csv OUT --toolkit coqui --limit 5
    python recipes/tts/look.py CORPUS OUT mels.png

A frame is a pixel wide and a band two high; what is blurred or has stripes is seen at once.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch
from layout import SAMPLE_RATE
from numpy.typing import NDArray
from toolkits import MELS

from vocos_plugins import MelSpectrogram
from vocos_plugins.evaluation.picture import png
from vocos_plugins.plugins import mel_conventions
from vocos_plugins.storage.atomic import atomic_write

# The mel of all three recipes but for its smallest values, which are darker than black here.
CONVENTION = "coqui-ljspeech"
DARKEST, BRIGHTEST = -10.0, 1.5  # natural logarithms
GAP = 4  # pixels
MOST = 10  # sentences

Picture = NDArray[np.float32]  # (rows, columns) in [0, 1]


def own_mel(path: Path) -> Picture:
    """Returns the mel of a recording, ``(n_mels, T)``.

    Raises:
        ValueError: its sample rate isn't the corpus'.
    """
    audio, rate = soundfile.read(path, dtype="float32")
    if rate != SAMPLE_RATE:
        raise ValueError(f"{path} has {rate} Hz, expected {SAMPLE_RATE}")
    mel: Picture = MelSpectrogram(mel_conventions()[CONVENTION])(torch.from_numpy(audio)[None])[0].numpy()
    return mel


def draw(mel: Picture) -> Picture:
    """Returns a mel as brightness, the lowest band at the bottom, two pixels a band."""
    level = (mel.astype(np.float32) - DARKEST) / (BRIGHTEST - DARKEST)
    return np.repeat(level.clip(0, 1)[::-1], 2, axis=0)


def stack(pictures: list[Picture]) -> Picture:
    """Returns pictures below each other, with white between them."""
    width = max(picture.shape[1] for picture in pictures)
    padded = [np.pad(each, ((0, GAP), (0, width - each.shape[1])), constant_values=1) for each in pictures]
    return np.concatenate(padded)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("spoken", type=Path, help="folder of speak_corpus.py")
    parser.add_argument("picture", type=Path, help="PNG to write")
    arguments = parser.parse_args(words)
    paths = sorted((arguments.spoken / MELS).glob("*.npy"))[:MOST]
    if not paths:
        print(f"there are no mels in {arguments.spoken / MELS}; speak_corpus.py writes them", file=sys.stderr)
        return 1
    mels = [mel for path in paths for mel in (own_mel(arguments.corpus / "wavs" / f"{path.stem}.wav"), np.load(path))]
    with atomic_write(arguments.picture) as partial:
        partial.write_bytes(png(stack([draw(mel) for mel in mels])))
    print(f"{arguments.picture}: {', '.join(path.stem for path in paths)}; the corpus' own above each predicted mel")
    return 0


if __name__ == "__main__":
    sys.exit(main())
