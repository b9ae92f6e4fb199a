"""Measures streaming on a CPU: latency and computing time by chunk size, for the bundled model and the paper's size.

    python benchmarks/streaming.py --out table.md --json figures.json
    python benchmarks/streaming.py --chunks 1 8 --look-ahead 4 --threads 1

A contestant is a model with a look-ahead and a chunk size. All contestants stream the same mel and take turns. Latency
is algorithmic, for the first frame of a chunk: its look-ahead plus the rest of its chunk. Time is measured per chunk,
as median and 95th percentile, and divided by the chunk's duration (real-time factor; below 1 keeps up). ``?`` marks a
contestant that got less than nine tenths of a CPU because of other work. The larger model's weights are random, which
does not affect time.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from vocos_plugins import Vocos
from vocos_plugins.apps.bench.timing import BUSY
from vocos_plugins.config import ConvNeXt
from vocos_plugins.streaming import LOW_LATENCY_FRAMES

TURNS = 4  # the first warms up
BUNDLED = "vocos-mel-22khz-small"
HEADINGS = (
    "model",
    "look-ahead, frames",
    "chunk, frames",
    "latency, ms",
    "time per chunk, ms",
    "95th percentile, ms",
    "RTF",
)


@dataclass
class Contestant:
    """A model with a look-ahead and a chunk size, and its measurements."""

    model: str
    vocos: Vocos
    look_ahead: int
    chunk: int
    seconds: list[float] = field(default_factory=list)
    wall: float = 0.0
    cpu: float = 0.0

    def stream(self, mel: Tensor) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        with self.vocos.streaming(look_ahead=self.look_ahead) as stream:
            for frames in mel.split(self.chunk, dim=2):
                before = time.perf_counter()
                stream(frames)
                self.seconds.append(time.perf_counter() - before)
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu

    def figures(self) -> dict[str, object]:
        hop_s = self.vocos.hop_length / self.vocos.sample_rate
        typical = statistics.median(self.seconds)
        return {
            "model": self.model,
            "look_ahead": self.look_ahead,
            "chunk": self.chunk,
            "latency_ms": 1000 * hop_s * (self.look_ahead + self.chunk - 1),
            "compute_ms": 1000 * typical,
            "compute_p95_ms": 1000 * statistics.quantiles(self.seconds, n=20)[-1],
            "real_time_factor": typical / (self.chunk * hop_s),
            "disturbed": self.cpu / self.wall < BUSY,
        }


def models() -> dict[str, Vocos]:
    """Returns the bundled model, and one of the paper's size for the same mel."""
    small = Vocos.from_pretrained(BUNDLED)
    backbone = ConvNeXt(dim=512, intermediate_dim=1536, num_layers=8)
    paper = Vocos(dataclasses.replace(small.config, backbone=backbone)).eval()
    paper.backend = small.backend
    millions = {name: sum(p.numel() for p in vocos.parameters()) / 1e6 for name, vocos in (("s", small), ("p", paper))}
    return {f"vocos small, {millions['s']:.1f} M": small, f"vocos, {millions['p']:.1f} M": paper}


def as_markdown(rows: list[dict]) -> list[str]:
    lines = [f"| {' | '.join(HEADINGS)} |", f"|---|{'--:|' * (len(HEADINGS) - 1)}"]
    for row in rows:
        times = f"{row['compute_ms']:.1f} | {row['compute_p95_ms']:.1f} | {row['real_time_factor']:.2f}"
        mark = "?" if row["disturbed"] else ""
        lines.append(
            f"| {row['model']} | {row['look_ahead']} | {row['chunk']} | {row['latency_ms']:.0f} | {times}{mark} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", nargs="+", type=int, default=[1, 4, 16], help="frames")
    parser.add_argument("--look-ahead", nargs="+", type=int, help="frames; by default those of low_latency, and all")
    parser.add_argument("--seconds", type=float, default=3.0, help="of mel in each turn")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="also write the figures to a file")
    parser.add_argument("--out", type=Path, help="also write the table to a file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    contestants = [
        Contestant(name, vocos, look_ahead, chunk)
        for name, vocos in models().items()
        for look_ahead in args.look_ahead or (vocos.streaming().full_look_ahead, LOW_LATENCY_FRAMES)
        for chunk in args.chunks
    ]
    mel = torch.randn(1, 80, round(args.seconds * 22050 / 256), generator=torch.Generator().manual_seed(0)) - 5
    for number in range(TURNS):
        for contestant in contestants:
            contestant.stream(mel)
            if number == 0:
                contestant.seconds.clear()
                contestant.wall = contestant.cpu = 0.0
    rows = [contestant.figures() for contestant in contestants]
    lines = as_markdown(rows)
    print("\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if args.json:
        args.json.write_text(json.dumps({"threads": args.threads, "rows": rows}), encoding="utf-8")


if __name__ == "__main__":
    main()
