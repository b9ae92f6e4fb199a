"""Measures the quality of each precision of the backbone's linear layers on recordings: PESQ and error to float32.

python benchmarks/precisions.py --data recordings/
python benchmarks/precisions.py --data recordings/ --model charactr/vocos-mel-24khz --out docs/precisions.md
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import torch
from torch import Tensor

from vocos_plugins import Vocos
from vocos_plugins.evaluation.measures import MEASURES
from vocos_plugins.inference.backend import Backend
from vocos_plugins.inference.certificate import fingerprint
from vocos_plugins.storage.audio import read_mono

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
PRECISIONS = ("float32", "bfloat16", "int8")
PESQ = next(measure for measure in MEASURES if measure.name == "pesq")


def recordings(folder: Path, sample_rate: int) -> list[Tensor]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return [read_mono(path, sample_rate) for path in files]


def score(vocos: Vocos, recording: Tensor, decoded: Tensor) -> float:
    value = PESQ(recording[0].numpy(), decoded[0].numpy(), vocos.sample_rate)
    if value.value is None:
        raise SystemExit(value.reason)
    return value.value


def rows(vocos: Vocos, clips: list[Tensor]) -> list[str]:
    outputs: dict[str, list[Tensor]] = {}
    for precision in PRECISIONS:
        vocos.backend = Backend(precision=precision)
        outputs[precision] = [vocos(clip, length=clip.shape[1]) for clip in clips]
    exact = outputs["float32"]
    scores = {name: [score(vocos, *pair) for pair in zip(clips, audio, strict=True)] for name, audio in outputs.items()}
    lines = []
    for name, audio in outputs.items():
        lost = [a - b for a, b in zip(scores["float32"], scores[name], strict=True)]
        errors = [_decibels(a, b) for a, b in zip(audio, exact, strict=True)]
        mean = statistics.mean(scores[name])
        error = "" if name == "float32" else f"{statistics.mean(errors):.1f}"
        lines.append(f"| {name} | {mean:.3f} | {statistics.mean(lost):+.3f} | {max(lost):+.3f} | {error} |")
    return lines


def _decibels(audio: Tensor, exact: Tensor) -> float:
    error = (audio - exact).square().sum().clamp_min(1e-20)
    return float(10 * torch.log10(exact.square().sum() / error))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--model", default="vocos-mel-22khz-small")
    parser.add_argument("--out", type=Path, help="also write the table to a file")
    args = parser.parse_args()
    vocos = Vocos.from_pretrained(args.model)
    clips = recordings(args.data, vocos.sample_rate)
    lines = [
        "| precision | PESQ-wb | PESQ loss, mean | PESQ loss, worst | signal to error, dB |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += rows(vocos, clips)
    print(f"{len(clips)} recordings, weights {fingerprint(vocos)}\n\n" + "\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
