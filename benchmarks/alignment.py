"""Compares lossy alignment with the usual method, the filterbank's clamped pseudo-inverse: mel error and PESQ.

    python benchmarks/alignment.py                       # the shipped clips
    python benchmarks/alignment.py --data recordings/    # a folder of .wav or .flac

Prints one row for every convention whose conversion to the vocoder's mel is lossy: the error that `align` estimates,
the error measured on the recordings, that of the usual method (in nepers, above both floors, for bands that the source
has), and the PESQ-wb of the audio decoded from each and from the vocoder's own mel. Needs the extra ``demo``.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from pesq import pesq
from torch import Tensor

from vocos_plugins import MelConvention, MelMismatch, MelSpectrogram, Vocos, align
from vocos_plugins.mel.compression import compress, expand
from vocos_plugins.mel.estimate import measure_error
from vocos_plugins.mel.speech import CLIP_FOLDER
from vocos_plugins.plugins import mel_conventions

PESQ_RATE = 16000
COLUMNS = (
    "source",
    "error, estimated",
    "error, measured",
    "error, pseudo-inverse",
    "PESQ-wb",
    "PESQ-wb, pseudo-inverse",
    "PESQ-wb, own mel",
)


def pseudo_inverse(source: MelConvention, target: MelConvention, mel: Tensor, n_frames: int) -> Tensor:
    """Converts a mel by the usual method: clamped pseudo-inverse, linear interpolation, the target's filterbank."""
    bins = torch.matmul(torch.linalg.pinv(source.filterbank().double().T), expand(mel.double(), source)).clamp_min(0)
    frequency = torch.arange(target.n_fft // 2 + 1).double() * target.sample_rate / target.n_fft
    position = frequency * source.n_fft / source.sample_rate
    mapping = (1 - (position[:, None] - torch.arange(source.n_fft // 2 + 1)).abs()).clamp_min(0)
    bins = torch.matmul(mapping, bins ** (1 / source.power)) ** target.power
    mel = torch.matmul(target.filterbank().double().T, bins)
    return compress(torch.nn.functional.interpolate(mel, n_frames, mode="linear", align_corners=False), target)


def recordings(folder: Path, sample_rate: int) -> list[Tensor]:
    clips = []
    for path in sorted([*folder.glob("*.flac"), *folder.glob("*.wav")]):
        audio, rate = soundfile.read(path, dtype="float64", always_2d=True)
        resampled = soxr.resample(audio.mean(axis=1), rate, sample_rate)
        clips.append(torch.from_numpy(resampled.astype(np.float32))[None])
    return clips


def quality(expected: Tensor, decoded: Tensor, sample_rate: int) -> float:
    n_samples = min(expected.shape[1], decoded.shape[1])
    pair = (soxr.resample(audio[0, :n_samples].numpy(), sample_rate, PESQ_RATE) for audio in (expected, decoded))
    return float(pesq(PESQ_RATE, *pair, "wb"))


def compare(vocos: Vocos, source: MelConvention, folder: Path, own: float) -> str:
    """Returns one row of the table."""
    target = vocos.mel
    alignment = align(source, target)
    inputs, wanted = recordings(folder, source.sample_rate), recordings(folder, target.sample_rate)
    scores = {"ours": [], "usual": []}
    for audio, expected in zip(inputs, wanted, strict=True):
        mel = MelSpectrogram(source)(audio)
        ours = alignment(mel)
        usual = pseudo_inverse(source, target, mel, ours.shape[-1]).float()
        scores["ours"].append(quality(expected, vocos.decode(ours), vocos.sample_rate))
        scores["usual"].append(quality(expected, vocos.decode(usual), vocos.sample_rate))
    measured = measure_error(source, target, inputs, wanted).mean

    def usually(mel: Tensor) -> Tensor:
        return pseudo_inverse(source, target, mel, alignment(mel).shape[-1])

    usual_error = measure_error(source, target, inputs, wanted, usually).mean
    return (
        f"| {source.name} | {alignment.error.mean:.3f} | {measured:.3f} | {usual_error:.3f} "
        f"| {np.mean(scores['ours']):.2f} | {np.mean(scores['usual']):.2f} | {own:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CLIP_FOLDER, help="a folder of recordings")
    parser.add_argument("--model", default="vocos-mel-22khz-small")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    vocos = Vocos.from_pretrained(args.model)
    own = float(
        np.mean([quality(audio, vocos(audio), vocos.sample_rate) for audio in recordings(args.data, vocos.sample_rate)])
    )
    print(f"| {' | '.join(COLUMNS)} |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    seen: set[MelConvention] = set()
    for source in mel_conventions().values():
        try:
            lossy = align(source, vocos.mel).kind == "lossy"
        except MelMismatch as error:
            print(f"| {source.name} | refused: {str(error).splitlines()[0]} | | | | | |")
            continue
        if lossy and source not in seen:
            seen.add(source)
            print(compare(vocos, source, args.data, own), flush=True)


if __name__ == "__main__":
    main()
