"""Measures the quality of streaming by look-ahead: PESQ-wb and MR-STFT relative to the recordings.

    python benchmarks/streaming_quality.py                              # the shipped clips
    python benchmarks/streaming_quality.py --data recordings/ --clips 12 --out table.md

Each recording's mel is streamed frame by frame, so that no frame sees more than its look-ahead; larger chunks lose
less. The last row has the full look-ahead, whose result equals decoding the whole mel. Needs the extra ``demo``.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import torch
from torch import Tensor

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.evaluation.measures import choose
from vocos_plugins.mel.speech import CLIP_FOLDER
from vocos_plugins.storage.audio import read_mono

LOOK_AHEADS = [0, 1, 2, 4, 8, 12, 16]
MEASURES = ("pesq", "mr-stft")
SUFFIXES = {".flac", ".wav", ".ogg"}


def recordings(folder: Path, n_clips: int | None, sample_rate: int) -> list[Tensor]:
    """Reads recordings ``(1, N)``, spread evenly over the folder's files in order of their names."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    n_clips = min(n_clips or len(paths), len(paths))
    chosen = [paths[number * len(paths) // n_clips] for number in range(n_clips)]
    return [read_mono(path, sample_rate) for path in chosen]


def decode(vocos: Vocos, mel: Tensor, look_ahead: int, chunk: int) -> Tensor:
    with vocos.streaming(look_ahead=look_ahead) as stream:
        return torch.cat([*(stream(frames) for frames in mel.split(chunk, dim=2)), stream.flush()], dim=1)


def rate(vocos: Vocos, look_ahead: int, audios: list[Tensor], chunk: int) -> dict[str, object]:
    """Returns a row of the table: each measure's mean and worst value over the recordings."""
    measures, left_out = choose(MEASURES)
    if left_out:
        raise SystemExit(f"measures are unavailable: {left_out}")
    scores: dict[str, list[float]] = {measure.name: [] for measure in measures}
    for audio in audios:
        decoded = decode(vocos, MelSpectrogram(vocos.mel)(audio), look_ahead, chunk)
        for measure in measures:
            scores[measure.name].append(measure(audio[0].numpy(), decoded[0].numpy(), vocos.sample_rate).value)
    stream = vocos.streaming(look_ahead=look_ahead)
    row: dict[str, object] = {"look_ahead": look_ahead, "latency_ms": stream.latency}
    for measure in measures:
        values = scores[measure.name]
        worst = min(values) if measure.higher_is_better else max(values)
        row[measure.name] = {"mean": statistics.fmean(values), "worst": worst}
    return row


def as_markdown(rows: list[dict]) -> list[str]:
    lines = ["| look-ahead, frames | latency, ms | PESQ-wb ↑ | PESQ loss | MR-STFT ↓ |", "|---|--:|--:|--:|--:|"]
    whole = rows[-1]["pesq"]["mean"]
    for row in rows:
        pesq, distance = row["pesq"], row["mr-stft"]
        lines.append(
            f"| {row['look_ahead']} | {row['latency_ms']:.0f} | {pesq['mean']:.2f} ({pesq['worst']:.2f}) "
            f"| {whole - pesq['mean']:.2f} | {distance['mean']:.3f} ({distance['worst']:.3f}) |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CLIP_FOLDER, help="folder of recordings")
    parser.add_argument("--clips", type=int, help="how many of them; all by default")
    parser.add_argument("--model", default="vocos-mel-22khz-small")
    parser.add_argument("--look-ahead", nargs="+", type=int, default=LOOK_AHEADS)
    parser.add_argument("--chunk", type=int, default=1, help="frames per chunk")
    parser.add_argument("--json", type=Path, help="also write the figures to a file")
    parser.add_argument("--out", type=Path, help="also write the table to a file")
    args = parser.parse_args()
    vocos = Vocos.from_pretrained(args.model)
    audios = recordings(args.data, args.clips, vocos.sample_rate)
    full = vocos.streaming().full_look_ahead
    rows = []
    for look_ahead in (*(each for each in args.look_ahead if each < full), full):
        rows.append(rate(vocos, look_ahead, audios, args.chunk))
        print(json.dumps(rows[-1]), flush=True)
    lines = as_markdown(rows)
    print("\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if args.json:
        args.json.write_text(json.dumps({"model": args.model, "clips": len(audios), "rows": rows}), encoding="utf-8")


if __name__ == "__main__":
    main()
