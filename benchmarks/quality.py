"""Copy-synthesis quality of checkpoints beside Griffin-Lim's, from the same mels, over a folder of recordings.

    python benchmarks/quality.py vocos_plugins/demo/clips --model vocos-mel-22khz-small

Prints a markdown table: mean (and least) PESQ-wb and STOI. Needs the extra ``eval``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.audio_files import read_blocks
from vocos_plugins.demo.measures import Measures, measure
from vocos_plugins.griffin_lim import griffin_lim

N_ITER = 32


def measure_folder(folder: Path, vocode: Callable[[Tensor], Tensor], sample_rate: int) -> list[Measures]:
    """Measures of each recording against what a vocoder makes of it."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix in (".wav", ".flac", ".ogg"):
            audio = torch.cat(list(read_blocks(path, sample_rate)), dim=1)[:1]
            found.append(measure(audio[0].numpy(), vocode(audio)[0].numpy(), sample_rate))
    return found


def row(name: str, measures: list[Measures]) -> str:
    """One line of the table."""
    pesq = [m.pesq for m in measures if m.pesq is not None]
    stoi = [m.stoi for m in measures if m.stoi is not None]
    return f"| {name} | {fmean(pesq):.2f} | {min(pesq):.2f} | {fmean(stoi):.3f} | {min(stoi):.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", default=[], help="name or directory; may be given again")
    args = parser.parse_args()
    models = {name: Vocos.from_pretrained(name) for name in args.model or ["vocos-mel-22khz-small"]}
    print("| vocoder | PESQ-wb mean | least | STOI mean | least |\n|---|---|---|---|---|")
    for name, vocos in models.items():
        mel = vocos.mel
        if mel is None:
            raise SystemExit(f"{name} takes EnCodec codes, not mels")
        front_end = MelSpectrogram(mel)
        by_griffin_lim = measure_folder(
            args.folder, lambda x, f=front_end, m=mel: griffin_lim(f(x), m, n_iter=N_ITER), mel.sample_rate
        )
        print(row(f"Griffin-Lim, {N_ITER} iterations, {mel.n_mels} bands at {mel.sample_rate} Hz", by_griffin_lim))
        print(row(name, measure_folder(args.folder, vocos, mel.sample_rate)), flush=True)


if __name__ == "__main__":
    main()
