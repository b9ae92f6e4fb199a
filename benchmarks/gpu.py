"""Measures Vocos on a GPU next to two rivals: throughput at batch 16 x 1 s as in the paper's table 6, and latency.

    python benchmarks/gpu.py --out gpu.md
    python benchmarks/gpu.py --compile                                             # also with torch.compile: minutes
    python benchmarks/gpu.py --device cpu --dim 32 --layers 2 --seconds 0.1        # does it run?

No figure in the documentation comes from it yet: it has been run on a CPU only. A model of the paper's size takes turns
with the package ``vocos`` 0.1.0 at the same size and with a HiFi-GAN v1 generator (from transformers), all with random
weights and the same mel. "float32" means TF32 off; "TF32" means TF32 on in matrix products and convolutions; "bfloat16"
means autocast, in which the inverse STFT stays in float32. A CUDA graph is captured for each shape. Errors are relative
to our own float32. See `vocos_plugins.apps.bench.timing` for the method; each call waits for the GPU.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from vocos_plugins import Vocos
from vocos_plugins.apps.bench.contestants import make_features
from vocos_plugins.apps.bench.grid import Case
from vocos_plugins.apps.bench.report import this_machine
from vocos_plugins.apps.bench.tables import table
from vocos_plugins.apps.bench.timing import Timing, measure
from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig
from vocos_plugins.mel.known import VOCOS_24KHZ

PEER = "vocos 0.1.0, float32"
EXACT = "ours, float32"
HOP_UPSAMPLING = {"upsample_rates": (8, 8, 2, 2), "upsample_kernel_sizes": (16, 16, 4, 4)}
WARM_UP_CALLS = 3

Decode = Callable[[Tensor], Tensor]


def vocos(args: argparse.Namespace) -> Vocos:
    backbone = ConvNeXt(dim=args.dim, intermediate_dim=3 * args.dim, num_layers=args.layers)
    head = ISTFT(n_fft=1024, hop_length=256)
    return Vocos(VocosConfig(features=VOCOS_24KHZ, backbone=backbone, head=head)).eval().to(args.device)


def package(model: Vocos, device: str) -> Decode:
    from vocos_plugins.apps.bench.reference import reference

    decode = reference(model.config, None)
    decode.func.__self__.to(device)
    return decode


def hifigan(args: argparse.Namespace) -> Decode:
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    width = {"model_in_dim": VOCOS_24KHZ.n_mels, "upsample_initial_channel": args.dim}
    config = SpeechT5HifiGanConfig(**width, **HOP_UPSAMPLING, normalize_before=False)
    generator = SpeechT5HifiGan(config).eval().to(args.device)  # without weight norm, unless asked for
    return lambda mel: generator(mel.transpose(1, 2))


@contextlib.contextmanager
def mode(precision: str, device: str) -> Iterator[None]:
    """Sets torch's precision within the block."""
    tf32 = precision == "TF32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    low = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bfloat16")
    with torch.no_grad(), low:
        yield


def in_mode(decode: Decode, precision: str, device: str, features: Tensor) -> Tensor:
    """Decodes, and waits until the device has finished."""
    with mode(precision, device):
        audio = decode(features)
    if features.is_cuda:
        torch.cuda.synchronize()
    return audio


def captured(decode: Decode, precision: str, device: str, features: Tensor) -> Callable[[], Tensor]:
    """Returns a call that replays the decode as one CUDA graph, without Python between its kernels."""
    buffer, side = features.clone(), torch.cuda.Stream()
    with mode(precision, device):
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_CALLS):
                decode(buffer)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            audio = decode(buffer)

    def replay() -> Tensor:
        buffer.copy_(features)
        graph.replay()
        torch.cuda.synchronize()
        return audio

    return replay


def contestants(model: Vocos, args: argparse.Namespace, features: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Returns every contestant's call by name, ready for these features; reports those that aren't installed."""
    calls: dict[str, Callable[[], Tensor]] = {}
    for name, build in (("vocos 0.1.0", lambda: package(model, args.device)), ("HiFi-GAN v1", lambda: hifigan(args))):
        try:
            decode = build()
        except ImportError as error:
            print(f"Not measured: {name}: {error}.")
            continue
        for precision in ("float32", "TF32"):
            calls[f"{name}, {precision}"] = functools.partial(in_mode, decode, precision, args.device, features)
    for precision in ("float32", "TF32", "bfloat16"):
        arguments = (precision, args.device, features)
        calls[f"ours, {precision}"] = functools.partial(in_mode, model.compute, *arguments)
        if features.is_cuda:
            calls[f"ours, {precision}, CUDA graph"] = captured(model.compute, *arguments)
        if args.compile:
            calls[f"ours, {precision}, compiled"] = functools.partial(in_mode, torch.compile(model.compute), *arguments)
    return calls


def decibels(audio: Tensor, exact: Tensor) -> float:
    error = (audio.float() - exact).square().sum().clamp_min(1e-20)
    return float(10 * torch.log10(exact.square().sum() / error))


def rows(timings: dict[str, Timing], errors: dict[str, float], case: Case) -> list[list[str]]:
    base = timings[PEER if PEER in timings else EXACT].seconds
    lines = []
    for name, timing in timings.items():
        factor = case.batch * case.seconds / timing.seconds
        cells = [f"{1e3 * timing.seconds:.2f}", f"{factor:.0f}", f"{base / timing.seconds:.2f}"]
        error = f"{errors[name]:.0f}" if name in errors else ""
        lines.append([name, *(cell + "?" * timing.disturbed for cell in cells), error])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", nargs="+", type=int, default=[16, 1], help="items at once")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each item")
    parser.add_argument("--dim", type=int, default=512, help="channels")
    parser.add_argument("--layers", type=int, default=8, help="ConvNeXt blocks")
    parser.add_argument("--compile", action="store_true", help="also measure torch.compile")
    parser.add_argument("--out", type=Path, help="also write the tables to a file, and JSON next to it")
    args = parser.parse_args()
    model = vocos(args)
    name = torch.cuda.get_device_name(args.device) if model.head.out.weight.is_cuda else this_machine()["processor"]
    parts, data = [f"{name}, torch {torch.__version__}"], {"device": name, **this_machine(), "cases": {}}
    for case in [Case(batch, args.seconds) for batch in args.batch]:
        calls = contestants(model, args, make_features(model, case.batch, case.seconds).to(args.device))
        exact = calls[EXACT]()
        errors = {own: decibels(calls[own](), exact) for own in calls if own.startswith("ours") and own != EXACT}
        timings = measure(calls)
        header = (case.name, "ms", "times real time", f"speed relative to {PEER}", "error, dB")
        parts.append(table(header, rows(timings, errors, case)))
        data["cases"][case.name] = {each: asdict(timing) for each, timing in timings.items()}
    print("\n\n".join(parts))
    if args.out:
        args.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        args.out.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
