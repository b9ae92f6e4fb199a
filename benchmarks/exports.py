"""Compares exported models with the package vocos 0.1.0 and with torch: speed, file size and the cost of precision.

    python benchmarks/exports.py --data recordings/ --out table.md
    python benchmarks/exports.py --seconds 1 10 --threads 2

Speed is measured for the bundled model and for the paper's size with random weights. Each contestant has its own
process, because the threads of one runtime disturb another. They take turns, and turns in which other work took a tenth
of the CPUs are left out (``?`` if there were no others). The table shows the median ratio to the package's time, and
the shortest median of a turn. Quality is measured for the bundled model: PESQ on recordings, the error relative to
torch in float32, and the mean difference of log mels.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from precisions import recordings, score
from torch import Tensor

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig
from vocos_plugins.export import Session, export_onnx, export_openvino, load_session
from vocos_plugins.mel.known import VOCOS_24KHZ

BUNDLED = "vocos-mel-22khz-small"
FILES = (
    ("onnxruntime", "float32"),
    ("onnxruntime", "int8"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
)
TURN_S = 0.5
BUSY = 0.9
Decode = Callable[[Tensor], Tensor]


def paper() -> Vocos:
    backbone = ConvNeXt(dim=512, intermediate_dim=1536, num_layers=8)
    return Vocos(VocosConfig(features=VOCOS_24KHZ, backbone=backbone, head=ISTFT(n_fft=1024, hop_length=256))).eval()


SIZES = {BUNDLED: lambda: Vocos.from_pretrained(BUNDLED), "the paper's size": paper}


def reference(model: Vocos) -> Decode:
    """Returns `decode` of the package's model of the same size."""
    import vocos
    from vocos.feature_extractors import MelSpectrogramFeatures
    from vocos.heads import ISTFTHead
    from vocos.models import VocosBackbone

    part, n_mels = model.config.backbone, model.config.n_features
    assert isinstance(part, ConvNeXt)  # noqa: S101
    backbone = VocosBackbone(n_mels, part.dim, part.intermediate_dim, part.num_layers)
    return vocos.Vocos(MelSpectrogramFeatures(n_mels=n_mels), backbone, ISTFTHead(part.dim, 1024, 256)).eval().decode


def in_torch(model: Vocos) -> Decode:
    """Returns a function that runs the model's own modules in float32."""

    @torch.no_grad()
    def decode(mel: Tensor) -> Tensor:
        audio: Tensor = model.head(model.backbone(mel), mel)
        return audio

    return decode


def in_runtime(file: Path, threads: int) -> Decode:
    session = load_session(file, n_threads=threads)
    return lambda mel: torch.from_numpy(session(mel.numpy()))


def export(model: Vocos, runtime: str, precision: str, folder: Path) -> Path:
    if runtime == "openvino":
        return export_openvino(model, folder / f"{precision}.xml", precision=precision)
    export_onnx(model, folder / f"{precision}.onnx", precision=precision)
    return folder / f"{precision}.onnx"


def contest(pipe: Connection, size: str, name: str, file: Path | None, threads: int) -> None:
    """Runs in a process: for each received length, decodes for one turn and sends the median time and the CPU share."""
    torch.set_num_threads(threads)
    model = SIZES[size]()
    decode = {"vocos": reference, "torch": in_torch}[name](model) if file is None else in_runtime(file, threads)
    for seconds in iter(pipe.recv, None):
        mel = torch.randn(1, model.config.n_features, round(seconds * model.sample_rate / model.hop_length)) - 5
        for _ in range(3):
            decode(mel)
        times: list[float] = []
        cpu = time.process_time()
        while sum(times) < TURN_S:
            start = time.perf_counter()
            decode(mel)
            times.append(time.perf_counter() - start)
        pipe.send((statistics.median(times), (time.process_time() - cpu) / sum(times) / threads))


def speeds(size: str, files: dict[str, Path], seconds: list[int], threads: int, turns: int) -> dict[str, list[str]]:
    """Returns each contestant's speed relative to the package, for each length."""
    spawn, pipes = multiprocessing.get_context("spawn"), {}
    for name in ("vocos", "torch", *files):
        pipes[name], theirs = spawn.Pipe()
        spawn.Process(target=contest, args=(theirs, size, name, files.get(name), threads), daemon=True).start()
    cells: dict[str, list[str]] = {name: [] for name in pipes}
    for length in seconds:
        turns_of: dict[str, list[tuple[float, float]]] = {name: [] for name in pipes}
        for _ in range(turns):
            for name, pipe in pipes.items():
                pipe.send(length)
                turns_of[name].append(pipe.recv())
        for name, results in turns_of.items():
            pairs = list(zip(turns_of["vocos"], results, strict=True))
            clean = [(theirs, own) for theirs, own in pairs if min(theirs[1], own[1]) >= BUSY]
            ratio = statistics.median(theirs[0] / own[0] for theirs, own in clean or pairs)
            cells[name].append(f"{ratio:.2f}{'' if clean else '?'} ({1e3 * min(results)[0]:.0f} ms)")
    for pipe in pipes.values():
        pipe.send(None)
    return cells


def qualities(model: Vocos, sessions: dict[str, Session], clips: list[Tensor]) -> dict[str, str]:
    """Returns PESQ, its loss, the error relative to torch, and the difference of log mels, as table cells."""
    front_end, exact = MelSpectrogram(model.mel), in_torch(model)
    mels = [front_end(clip) for clip in clips]
    wanted = [exact(mel) for mel in mels]
    before = [score(model, clip, audio) for clip, audio in zip(clips, wanted, strict=True)]
    cells = {"torch": f"{statistics.mean(before):.3f} | | | | "}
    for name, session in sessions.items():
        outputs = [torch.from_numpy(session(mel.numpy())) for mel in mels]
        after = [score(model, clip, audio) for clip, audio in zip(clips, outputs, strict=True)]
        lost = [a - b for a, b in zip(before, after, strict=True)]
        pairs = list(zip(outputs, wanted, strict=True))
        errors = [float(10 * torch.log10(w.square().sum() / (h - w).square().sum())) for h, w in pairs]
        nepers = statistics.mean(float((front_end(h) - front_end(w)).abs().mean()) for h, w in pairs)
        cells[name] = (
            f"{statistics.mean(after):.3f} | {statistics.mean(lost):+.3f} | {max(lost):+.3f} | "
            f"{statistics.mean(errors):.1f} ({min(errors):.1f}) | {nepers:.4f}"
        )
    return cells


def megabytes(file: Path | None) -> str:
    """Returns the size of a file, including the weights next to it."""
    if file is None:
        return ""
    files = [file, file.with_suffix(".bin")] if file.suffix == ".xml" else [file]
    return f"{sum(each.stat().st_size for each in files) / 1e6:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of recordings; without it, no quality is measured")
    parser.add_argument("--seconds", nargs="*", type=int, default=[1, 10], help="lengths; none for no speed")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, help="also write the tables to a file")
    args = parser.parse_args()
    lines: list[str] = []
    for title, build in SIZES.items():
        model = build()
        with tempfile.TemporaryDirectory() as folder:
            files = {f"{runtime} {p}": export(model, runtime, p, Path(folder)) for runtime, p in FILES}
            if args.seconds:
                lines += ["", f"| {title} | {' | '.join(f'{s} s' for s in args.seconds)} | file, MB |"]
                lines += ["|---|" + "--:|" * (len(args.seconds) + 1)]
                for name, cells in speeds(title, files, args.seconds, args.threads, args.turns).items():
                    lines.append(f"| {name} | {' | '.join(cells)} | {megabytes(files.get(name))} |")
            if args.data and title == BUNDLED:
                clips = recordings(args.data, model.sample_rate)
                header = ("PESQ-wb", "PESQ loss, mean", "PESQ loss, worst", "error, dB (worst)", "mel")
                lines += ["", f"| {len(clips)} recordings | {' | '.join(header)} |"]
                lines += ["|---|--:|--:|--:|--:|--:|"]
                sessions = {name: load_session(file, n_threads=args.threads) for name, file in files.items()}
                lines += [f"| {name} | {cells} |" for name, cells in qualities(model, sessions, clips).items()]
    print("\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
