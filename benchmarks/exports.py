"""Exported models against the package vocos 0.1.0 and against torch: speed, size of the file, and what precision costs.

    python benchmarks/exports.py --data recordings/ --out table.md
    python benchmarks/exports.py --seconds 1 10 --threads 2

Speed is of the bundled model and of the paper's size, with random weights in the package's own modules; contestants
take turns in one process. Quality is of the bundled model: PESQ on recordings, the error against torch in float32, and
the mean difference of log mels. ``?`` marks what didn't get the processors that it had.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import vocos
from precisions import recordings, score
from side_by_side import measure
from torch import Tensor
from vocos.feature_extractors import MelSpectrogramFeatures
from vocos.heads import ISTFTHead
from vocos.models import VocosBackbone

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig
from vocos_plugins.conventions import VOCOS_24KHZ
from vocos_plugins.export import Session, export_onnx, export_openvino, load_session

BUNDLED = "vocos-mel-22khz-small"
FILES = (
    ("onnxruntime", "float32"),
    ("onnxruntime", "int8"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
)
PAPER = {"dim": 512, "intermediate_dim": 1536, "num_layers": 8}
Decode = Callable[[Tensor], Tensor]


def paper() -> Vocos:
    head = ISTFT(n_fft=1024, hop_length=256)
    return Vocos(VocosConfig(features=VOCOS_24KHZ, backbone=ConvNeXt(**PAPER), head=head)).eval()


def reference(model: Vocos) -> Decode:
    """The package's model of the same shape."""
    part, n_mels = model.config.backbone, model.config.n_features
    assert isinstance(part, ConvNeXt)  # noqa: S101
    backbone = VocosBackbone(n_mels, part.dim, part.intermediate_dim, part.num_layers)
    return vocos.Vocos(MelSpectrogramFeatures(n_mels=n_mels), backbone, ISTFTHead(part.dim, 1024, 256)).eval().decode


def in_torch(model: Vocos) -> Decode:
    """The model's own modules in float32."""

    @torch.no_grad()
    def decode(mel: Tensor) -> Tensor:
        audio: Tensor = model.head(model.backbone(mel), mel)
        return audio

    return decode


def export(model: Vocos, runtime: str, precision: str, folder: Path) -> tuple[Session, float]:
    """A session, and the size of its files in MB."""
    if runtime == "onnxruntime":
        target = folder / f"{precision}.onnx"
        export_onnx(model, target, precision=precision)
    else:
        target = export_openvino(model, folder / f"{precision}.xml", precision=precision)
    files = [target, target.with_suffix(".bin")] if target.suffix == ".xml" else [target]
    return load_session(target), sum(file.stat().st_size for file in files) / 1e6


def speeds(model: Vocos, sessions: dict[str, Session], seconds: list[int]) -> dict[str, list[str]]:
    """How many times as fast as the package each is, for each length."""
    calls: dict[str, Decode] = {"vocos": reference(model), "torch": in_torch(model)}
    calls |= {name: lambda mel, run=run: torch.from_numpy(run(mel.numpy())) for name, run in sessions.items()}
    cells: dict[str, list[str]] = {name: [] for name in calls}
    for length in seconds:
        n_frames = round(length * model.sample_rate / model.hop_length)
        found = measure(calls, torch.randn(1, model.config.n_features, n_frames) - 5, length)
        for name, figures in found.items():
            mark = "?" if figures["disturbed"] or found["vocos"]["disturbed"] else ""
            cells[name].append(f"{found['vocos']['s'] / figures['s']:.2f}{mark} ({1e3 * figures['s']:.0f} ms)")
    return cells


def qualities(model: Vocos, sessions: dict[str, Session], clips: list[Tensor]) -> dict[str, str]:
    """PESQ and what of it is lost, the error against torch, and of log mels."""
    front_end, exact = MelSpectrogram(model.mel), in_torch(model)
    mels = [front_end(clip) for clip in clips]
    wanted = [exact(mel) for mel in mels]
    before = [score(model, clip, audio) for clip, audio in zip(clips, wanted, strict=True)]
    cells = {"torch": f"{statistics.mean(before):.3f} | | | | "}
    for name, session in sessions.items():
        heard = [torch.from_numpy(session(mel.numpy())) for mel in mels]
        after = [score(model, clip, audio) for clip, audio in zip(clips, heard, strict=True)]
        lost = [a - b for a, b in zip(before, after, strict=True)]
        pairs = list(zip(heard, wanted, strict=True))
        errors = [float(10 * torch.log10(w.square().sum() / (h - w).square().sum())) for h, w in pairs]
        nepers = statistics.mean(float((front_end(h) - front_end(w)).abs().mean()) for h, w in pairs)
        cells[name] = (
            f"{statistics.mean(after):.3f} | {statistics.mean(lost):+.3f} | {max(lost):+.3f} | "
            f"{statistics.mean(errors):.1f} ({min(errors):.1f}) | {nepers:.4f}"
        )
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of recordings; without it, no quality is measured")
    parser.add_argument("--seconds", nargs="*", type=int, default=[1, 10], help="lengths; none for no speed")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, help="also write the tables to a file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    lines: list[str] = []
    for title, model in ((BUNDLED, Vocos.from_pretrained(BUNDLED)), ("the paper's size, random weights", paper())):
        with tempfile.TemporaryDirectory() as folder:
            made = {f"{runtime} {p}": export(model, runtime, p, Path(folder)) for runtime, p in FILES}
            sessions = {name: session for name, (session, _) in made.items()}
            if args.seconds:
                lines += ["", f"| {title} | {' | '.join(f'{s} s' for s in args.seconds)} | file, MB |"]
                lines += ["|---|" + "--:|" * (len(args.seconds) + 1)]
                for name, cells in speeds(model, sessions, args.seconds).items():
                    size = f"{made[name][1]:.1f}" if name in made else ""
                    lines.append(f"| {name} | {' | '.join(cells)} | {size} |")
            if args.data and title == BUNDLED:
                clips = recordings(args.data, model.sample_rate)
                lines += ["", f"| {len(clips)} recordings | PESQ-wb | lost, mean | worst | error, dB (worst) | mel |"]
                lines += ["|---|--:|--:|--:|--:|--:|"]
                lines += [f"| {name} | {cells} |" for name, cells in qualities(model, sessions, clips).items()]
    print("\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
