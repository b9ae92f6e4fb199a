"""Our adapters against the HiFi-GANs of SpeechBrain, NeMo and Coqui TTS, in the toolkits' own pipelines.

    python benchmarks/toolkits.py --out docs/toolkit-speed.md
    python benchmarks/toolkits.py --toolkit coqui --seconds 1 10

In one process a toolkit, its HiFi-GAN and our vocoder take turns on the same mels, each called as that toolkit's users
call it, HiFi-GAN without its weight norm where the toolkit removes it. Weights are random, which changes nothing about
time. Figures are the median of the turns; a turn that got less than nine tenths of the processors it had (other work
was going on) is taken again, up to a bound, and marked if it stayed so. Peak memory is of a process of its own, over
what it held before its first mel. The small model is the one that ships; the 13.5 M one has the paper's size.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HOP = 256
RATE = 22050
TURNS = 5
LONG_TURNS = 2  # of what takes more than 10 s
BUSY = 0.9
RETRIES = 3
OURS = {"vocos small, 3.6 M": "small", "vocos, 13.5 M": "paper"}
RIVALS = {"speechbrain": ["HiFi-GAN v1"], "nemo": ["HiFi-GAN v1"], "coqui": ["HiFi-GAN v1", "HiFi-GAN v2"]}

Vocode = Callable[[Any], Any]


def our_model(size: str) -> Any:
    from vocos_plugins import Vocos
    from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig

    small = Vocos.from_pretrained("vocos-mel-22khz-small")
    if size == "small":
        return small
    backbone = ConvNeXt(dim=512, intermediate_dim=1536, num_layers=8)
    return Vocos(VocosConfig(features=small.mel, backbone=backbone, head=ISTFT(n_fft=1024, hop_length=HOP))).eval()


def speechbrain_vocoder(name: str) -> tuple[Vocode, Any]:
    from speechbrain.inference.vocoders import HIFIGAN
    from speechbrain.lobes.models.HifiGAN import HifiganGenerator

    from vocos_plugins import adapt

    if name in OURS:
        vocoder: Any = adapt(our_model(OURS[name]), "speechbrain")
        return vocoder.decode_batch, vocoder
    generator = HifiganGenerator(
        in_channels=80,
        out_channels=1,
        resblock_type="1",
        resblock_dilation_sizes=[[1, 3, 5], [1, 3, 5], [1, 3, 5]],
        resblock_kernel_sizes=[3, 7, 11],
        upsample_kernel_sizes=[16, 16, 4, 4],
        upsample_initial_channel=512,
        upsample_factors=[8, 8, 2, 2],
    )
    vocoder = HIFIGAN(modules={"generator": generator}, hparams={"generator": generator}, run_opts={"device": "cpu"})
    return vocoder.decode_batch, vocoder


def nemo_vocoder(name: str) -> tuple[Vocode, Any]:
    import torch
    from nemo.collections.tts.modules.hifigan_modules import Generator

    from vocos_plugins import adapt

    if name in OURS:
        vocoder: Any = adapt(our_model(OURS[name]), "nemo")
        return (lambda mel: vocoder.convert_spectrogram_to_audio(spec=mel)), vocoder
    generator = Generator(
        resblock=1,
        upsample_rates=[8, 8, 2, 2],
        upsample_kernel_sizes=[16, 16, 4, 4],
        upsample_initial_channel=512,
        resblock_kernel_sizes=[3, 7, 11],
        resblock_dilation_sizes=[[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    ).eval()
    # What HifiGanModel.convert_spectrogram_to_audio does; the model itself also wants discriminators and data.
    return torch.no_grad()(lambda mel: generator(x=mel).squeeze(1)), generator


def coqui_vocoder(name: str) -> tuple[Vocode, Any]:
    import torch
    from TTS.vocoder.models.hifigan_generator import HifiganGenerator

    from vocos_plugins import adapt

    if name in OURS:
        vocoder: Any = adapt(our_model(OURS[name]), "coqui")
        return vocoder.inference, vocoder
    channels = 512 if name.endswith("v1") else 128
    dilations = [[1, 3, 5], [1, 3, 5], [1, 3, 5]]
    generator = HifiganGenerator(80, 1, "1", dilations, [3, 7, 11], [16, 16, 4, 4], channels, [8, 8, 2, 2]).eval()
    generator.remove_weight_norm()
    return torch.no_grad()(generator.inference), generator


VOCODERS = {"speechbrain": speechbrain_vocoder, "nemo": nemo_vocoder, "coqui": coqui_vocoder}


def mels(batch: int, seconds: int) -> Any:
    import torch

    return torch.randn(batch, 80, round(seconds * RATE / HOP), generator=torch.Generator().manual_seed(0)) - 5


def turn(vocode: Vocode, mel: Any) -> tuple[float, float]:
    """Seconds of one call, and the share of the processors that it got."""
    import torch

    wall, cpu = time.perf_counter(), time.process_time()
    vocode(mel)
    elapsed = time.perf_counter() - wall
    return elapsed, (time.process_time() - cpu) / elapsed / torch.get_num_threads()


def measure(vocoders: dict[str, Vocode], mel: Any, seconds: float) -> dict[str, dict[str, Any]]:
    """Median seconds of each vocoder, taking turns."""
    found: dict[str, list[float]] = {name: [] for name in vocoders}
    disturbed: set[str] = set()
    for number in range(1 + (TURNS if seconds <= 10 else LONG_TURNS)):
        for name, vocode in vocoders.items():
            attempts = [turn(vocode, mel)]
            while number and attempts[-1][1] < BUSY and len(attempts) <= RETRIES:
                attempts.append(turn(vocode, mel))
            elapsed, share = max(attempts, key=lambda attempt: attempt[1])
            if number:  # the first warms up
                found[name].append(elapsed)
                if share < 0.6 and elapsed > 0.2:
                    disturbed.add(name)
    return {name: {"s": statistics.median(times), "disturbed": name in disturbed} for name, times in found.items()}


def time_toolkit(toolkit: str, cases: list[tuple[int, int]]) -> dict[str, Any]:
    """Everything about one toolkit, in this process."""
    import torch

    vocoders = {name: VOCODERS[toolkit](name)[0] for name in (*RIVALS[toolkit], *OURS)}
    torch.set_num_threads(os.cpu_count() or 1)  # importing Coqui TTS can set it to 1
    results = {}
    for batch, seconds in cases:
        results[f"{batch} x {seconds} s"] = measure(vocoders, mels(batch, seconds), batch * seconds)
    return results


def weigh(toolkit: str, name: str, seconds: int) -> dict[str, float]:
    """Peak memory of vocoding, and the size of the generator's checkpoint, in MB."""
    import torch

    vocode, module = VOCODERS[toolkit](name)
    with tempfile.NamedTemporaryFile() as file:
        torch.save(module.state_dict(), file.name)
        size = Path(file.name).stat().st_size / 1e6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    vocode(mels(1, seconds))
    return {"memory_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3, "checkpoint_mb": size}


def in_process(*arguments: str) -> Any:
    """The JSON that this script prints on its last line, when run with the arguments."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def rows(toolkit: str, cases: list[tuple[int, int]]) -> Iterator[str]:
    times = in_process("--child", "time", "--toolkit", toolkit, "--cases", json.dumps(cases))
    longest = str(max(seconds for _, seconds in cases))
    weights = {
        name: in_process("--child", "weigh", "--toolkit", toolkit, "--name", name, "--seconds", longest)
        for name in (*RIVALS[toolkit], *OURS)
    }
    for rival in RIVALS[toolkit]:
        for ours in OURS:
            cells = []
            for by_name in times.values():
                mark = "?" if by_name[rival]["disturbed"] or by_name[ours]["disturbed"] else ""
                cells.append(f"{by_name[rival]['s'] / by_name[ours]['s']:.1f}{mark}")
            memory = f"{weights[ours]['memory_mb']:.0f} / {weights[rival]['memory_mb']:.0f}"
            size = f"{weights[ours]['checkpoint_mb']:.0f} / {weights[rival]['checkpoint_mb']:.0f}"
            yield f"| {toolkit} | {rival} | {ours} | {' | '.join(cells)} | {memory} | {size} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toolkit", nargs="+", choices=VOCODERS, default=list(VOCODERS))
    parser.add_argument("--seconds", nargs="+", type=int, default=[1, 10, 60], help="lengths at batch 1")
    parser.add_argument("--batch", type=int, default=8, help="items of 1 s at once")
    parser.add_argument("--out", type=Path, help="also write the table to a file")
    parser.add_argument("--child", choices=("time", "weigh"), help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument("--cases", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        warnings.simplefilter("ignore")
        toolkit = args.toolkit[0]
        result = time_toolkit(toolkit, json.loads(args.cases)) if args.child == "time" else None
        print("\n" + json.dumps(result or weigh(toolkit, args.name, args.seconds[0])))
        return
    cases = [*((1, seconds) for seconds in args.seconds), (args.batch, 1)]
    headings = " | ".join(f"{batch} x {seconds} s" for batch, seconds in cases)
    memory = f"peak memory at {max(args.seconds)} s, MB, ours / theirs"
    lines = [
        f"| toolkit | against | with | {headings} | {memory} | checkpoint, MB, ours / theirs |",
        f"|---|---|---|{'--:|' * len(cases)}--:|--:|",
    ]
    print("\n".join(lines), flush=True)
    for toolkit in args.toolkit:
        for row in rows(toolkit, cases):
            lines.append(row)
            print(row, flush=True)
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
