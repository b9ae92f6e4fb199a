"""Fits the postfilter that a bundled vocoder ships with, from the mels of several acoustic models.

    python recipes/tts/speak_corpus.py CORPUS/train.csv said/coqui --toolkit coqui --limit 60
    (the same for speechbrain and nemo)
    python recipes/tts/shared_postfilter.py CHECKPOINT OUT --data CORPUS/wavs \
        said/speechbrain/mels=speechbrain-ljspeech said/coqui/mels=coqui-ljspeech said/nemo/mels=nemo-fastpitch-22khz

It acts as far as a mel is blurred, so it must serve models that it wasn't fitted to: the mean of each one's map.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.config import AdaptivePostfilter
from vocos_plugins.mel import align
from vocos_plugins.network.postfilter import AdaptivePostfilter as Postfilter
from vocos_plugins.plugins import mel_conventions
from vocos_plugins.storage.audio import read_mono
from vocos_plugins.storage.mel_files import read_mel
from vocos_plugins.training.postfilter import Moments, fit_shared_postfilter

OPTIONS = AdaptivePostfilter()


def measure(mels: Iterable[Tensor], n_mels: int) -> Moments:
    """Moments of what the postfilter multiplies: the deviation from the mean of the last frames."""
    postfilter, moments = Postfilter(n_mels, OPTIONS), Moments(n_mels)
    for mel in mels:
        moments.add(postfilter.parts(mel)[0][0])
    return moments


def predicted_mels(folder: Path, source: str, vocos: Vocos) -> Iterable[Tensor]:
    """Mels of a folder, ``(1, n_mels, T)``, aligned to the vocoder's."""
    alignment = align(mel_conventions()[source], vocos.mel)
    for path in sorted(folder.rglob("*.npy")):
        yield alignment(read_mel(path).float())


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a vocoder; a postfilter that it has is replaced")
    parser.add_argument("out", type=Path, help="folder to write, in half precision")
    parser.add_argument("--data", type=Path, required=True, help="recordings of the mels' names")
    parser.add_argument("predicted", nargs="+", metavar="FOLDER=CONVENTION", help="mels of an acoustic model")
    arguments = parser.parse_args(words)
    vocos = Vocos.from_pretrained(arguments.checkpoint)
    front_end, names, sides = MelSpectrogram(vocos.mel), set(), []
    try:
        for given in arguments.predicted:
            folder, _, source = given.rpartition("=")
            sides.append(measure(predicted_mels(Path(folder), source, vocos), vocos.mel.n_mels))
            names |= {path.stem for path in Path(folder).rglob("*.npy")}
        audio = (read_mono(arguments.data / f"{name}.wav", vocos.sample_rate) for name in sorted(names))
        recorded = measure(map(front_end, audio), vocos.mel.n_mels)
        vocos.set_postfilter(fit_shared_postfilter(sides, recorded), options=OPTIONS)
    except KeyError as error:
        print(f"unknown convention {error}; expected one of {', '.join(mel_conventions())}", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    counts = " + ".join(str(side.n_frames) for side in sides)
    fitted = f"fitted on {counts} predicted and {recorded.n_frames} recorded frames"
    vocos.provenance["postfilter"] = fitted
    vocos.save_pretrained(arguments.out, half=True)
    strongest = float(torch.linalg.eigvalsh(vocos.postfilter.weight)[-1])
    print(f"{arguments.out}: {fitted}; gains to {strongest:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
