"""Compares the error that `align` estimates with the measured one, for all pairs of the catalogue.

    python benchmarks/alignment_estimates.py --data recordings/

Prints the pairs where the two differ most, and how many differ by more than a factor of 1.5. The estimates come from
shipped speech; the recordings are your own.
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from vocos_plugins import MelMismatch, align
from vocos_plugins.mel.estimate import measure_error
from vocos_plugins.plugins import mel_conventions

FACTOR = 1.5
SHOWN = 10


def load(paths: list[Path], sample_rate: int) -> list[Tensor]:
    clips = []
    for path in paths:
        audio, rate = soundfile.read(path, dtype="float64", always_2d=True)
        resampled = soxr.resample(audio.mean(axis=1), rate, sample_rate)
        clips.append(torch.from_numpy(resampled.astype(np.float32))[None])
    return clips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of .wav or .flac")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    paths = sorted([*args.data.glob("*.flac"), *args.data.glob("*.wav")])
    conventions = list(dict.fromkeys(mel_conventions().values()))
    audio = {rate: load(paths, rate) for rate in {convention.sample_rate for convention in conventions}}
    found, refused = [], 0
    for source, target in itertools.permutations(conventions, 2):
        try:
            error = align(source, target).error
        except MelMismatch:
            refused += 1
            continue
        if error is not None:
            measured = measure_error(source, target, audio[source.sample_rate], audio[target.sample_rate]).mean
            found.append((error.mean / measured, source.name, target.name, error.mean, measured))
    found.sort(key=lambda row: abs(np.log(row[0])), reverse=True)
    beyond = sum(not 1 / FACTOR < row[0] < FACTOR for row in found)
    print(f"{len(found)} lossy pairs, {refused} refused; {beyond} estimates are off by more than a factor of {FACTOR}")
    for ratio, source_name, target_name, estimated, measured in found[:SHOWN]:
        print(
            f"  {source_name} to {target_name}: estimated {estimated:.3f}, measured {measured:.3f}, ratio {ratio:.2f}"
        )


if __name__ == "__main__":
    main()
