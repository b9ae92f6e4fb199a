"""Measures the quality of each precision of the backbone's linear layers on recordings: PESQ and error to float32.

python benchmarks/precisions.py --data recordings/
python benchmarks/precisions.py --data recordings/ --model charactr/vocos-mel-24khz --out docs/precisions.md
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from torch import Tensor

from vocos_plugins import Vocos
from vocos_plugins.evaluation.certify import score_precisions
from vocos_plugins.evaluation.measures import MEASURES
from vocos_plugins.inference.backend import Backend, Precision
from vocos_plugins.inference.certificate import fingerprint
from vocos_plugins.storage.audio import read_mono
from vocos_plugins.training.sources import find_recordings

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8")
PESQ = next(measure for measure in MEASURES if measure.name == "pesq")


def rows(vocos: Vocos, clips: list[Tensor]) -> list[str]:
    backends = {precision: Backend(precision) for precision in PRECISIONS}
    scores = [score_precisions(vocos, clip, backends, [PESQ]) for clip in clips]
    lines = []
    for name in PRECISIONS:
        lost = [clip["float32"]["pesq"] - clip[name]["pesq"] for clip in scores]
        mean = statistics.mean(clip[name]["pesq"] for clip in scores)
        error = (
            "" if name == "float32" else f"{statistics.mean(clip[name]['signal_to_error_db'] for clip in scores):.1f}"
        )
        lines.append(f"| {name} | {mean:.3f} | {statistics.mean(lost):+.3f} | {max(lost):+.3f} | {error} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--model", default="vocos-mel-22khz-small")
    parser.add_argument("--out", type=Path, help="also write the table to a file")
    args = parser.parse_args()
    vocos = Vocos.from_pretrained(args.model)
    clips = [read_mono(recording.path, vocos.sample_rate) for recording in find_recordings(args.data)]
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
