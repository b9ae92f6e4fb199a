"""Vocos on a GPU: throughput at batch 16 x 1 s as in the paper's table 6, latency at batch 1, beside two rivals.

    python benchmarks/gpu.py --out gpu.md
    python benchmarks/gpu.py --compile                                             # also by torch.compile: minutes
    python benchmarks/gpu.py --device cpu --dim 32 --layers 2 --seconds 0.1        # does it run?

No figure in the documentation comes from it yet: it has been run on a CPU only. On the GPU at hand a model of the
paper's size takes turns with the package ``vocos`` 0.1.0 in the same shape and with a HiFi-GAN v1 generator
(transformers'), all with random weights and for the same mel. float32 is with TF32 off, TF32 with it on in products and
convolutions; bfloat16 is autocast, in which the inverse STFT stays in float32. A CUDA graph is captured for each shape.
Errors are against our own float32. `vocos_plugins.apps.bench.timing` says how time is taken; each call waits for
the GPU.
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
    """Sets what torch computes in."""
    tf32 = precision == "TF32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    low = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bfloat16")
    with torch.no_grad(), low:
        yield


def in_mode(decode: Decode, precision: str, device: str, features: Tensor) -> Tensor:
    """A call that has ended on the device when it returns."""
    with mode(precision, device):
        audio = decode(features)
    if features.is_cuda:
        torch.cuda.synchronize()
    return audio


def captured(decode: Decode, precision: str, device: str, features: Tensor) -> Callable[[], Tensor]:
    """The same as one CUDA graph: launched at once, without Python between its kernels."""
    given, side = features.clone(), torch.cuda.Stream()
    with mode(precision, device):
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_CALLS):
                decode(given)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            audio = decode(given)

    def replay() -> Tensor:
        given.copy_(features)
        graph.replay()
        torch.cuda.synchronize()
        return audio

    return replay


def line_up(model: Vocos, args: argparse.Namespace, features: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Everybody by name, ready for these features; who isn't installed is told."""
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
        given = (precision, args.device, features)
        calls[f"ours, {precision}"] = functools.partial(in_mode, model.compute, *given)
        if features.is_cuda:
            calls[f"ours, {precision}, CUDA graph"] = captured(model.compute, *given)
        if args.compile:
            calls[f"ours, {precision}, compiled"] = functools.partial(in_mode, torch.compile(model.compute), *given)
    return calls


def decibels(found: Tensor, exact: Tensor) -> float:
    error = (found.float() - exact).square().sum().clamp_min(1e-20)
    return float(10 * torch.log10(exact.square().sum() / error))


def rows(found: dict[str, Timing], errors: dict[str, float], case: Case) -> list[list[str]]:
    base = found[PEER if PEER in found else EXACT].seconds
    lines = []
    for name, timing in found.items():
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
    parser.add_argument("--out", type=Path, help="also write the tables to a file, and JSON beside it")
    args = parser.parse_args()
    model = vocos(args)
    name = torch.cuda.get_device_name(args.device) if model.head.out.weight.is_cuda else this_machine()["processor"]
    parts, data = [f"{name}, torch {torch.__version__}"], {"device": name, **this_machine(), "cases": {}}
    for case in [Case(batch, args.seconds) for batch in args.batch]:
        calls = line_up(model, args, make_features(model, case.batch, case.seconds).to(args.device))
        exact = calls[EXACT]()
        errors = {own: decibels(calls[own](), exact) for own in calls if own.startswith("ours") and own != EXACT}
        found = measure(calls)
        header = (case.name, "ms", "times real time", f"times as fast as {PEER}", "error, dB")
        parts.append(table(header, rows(found, errors, case)))
        data["cases"][case.name] = {each: asdict(timing) for each, timing in found.items()}
    print("\n\n".join(parts))
    if args.out:
        args.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        args.out.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
