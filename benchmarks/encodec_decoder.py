"""Our decoding of EnCodec's codes against EnCodec's own decoder: what Bark gains when Vocos takes its place.

    python benchmarks/encodec_decoder.py --out docs/encodec-speed.md
    python benchmarks/encodec_decoder.py --rival transformers --seconds 1 10

In one process both turn the same codes of eight codebooks, 6 kb/s as of Bark, into audio: EnCodec by its quantizer and
decoder, as Bark calls them, of transformers or of the package encodec; ours from codes to features to audio, at the
size of the published model. Weights are random, which changes nothing about time. Turns, medians and marks are as in
toolkits.py: a mark stays where other work was going on. Peak memory is of a process of its own, over what it held
before its first codes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from toolkits import measure

RATE = 24000
FRAMES_PER_S = 75
N_CODEBOOKS = 8
BANDWIDTH_ID = 2
OURS = "vocos, 7.9 M"
RIVALS = ("transformers", "encodec")

Decode = Callable[[Any], Any]


def our_decoder() -> tuple[Decode, Any]:
    import torch

    from vocos_plugins import Vocos
    from vocos_plugins.config import ISTFT, ConvNeXt, EncodecCodes, VocosConfig

    backbone = ConvNeXt(dim=384, intermediate_dim=1152, num_layers=8, adanorm_num_embeddings=4)
    head = ISTFT(n_fft=1280, hop_length=320, framing="same")
    vocos = Vocos(VocosConfig(features=EncodecCodes(), backbone=backbone, head=head)).eval()
    torch.nn.init.normal_(vocos.feature_extractor.codebook_weights)
    return (lambda codes: vocos.decode(vocos.codes_to_features(codes), bandwidth_id=BANDWIDTH_ID)), vocos


def rival_decoder(name: str) -> tuple[Decode, Any]:
    import torch

    if name == "transformers":
        from transformers import EncodecConfig, EncodecModel

        codec: Any = EncodecModel(EncodecConfig()).eval()
    else:
        from encodec import EncodecModel

        codec = EncodecModel.encodec_model_24khz(pretrained=False)
    for key, book in codec.named_buffers():
        if key.endswith("embed"):
            torch.nn.init.normal_(book)
    # What a checkpoint of the decoding side alone would hold.
    decoding = torch.nn.ModuleDict({"decoder": codec.decoder, "quantizer": codec.quantizer})
    return torch.no_grad()(lambda codes: codec.decoder(codec.quantizer.decode(codes))[:, 0]), decoding


def decoder(name: str) -> tuple[Decode, Any]:
    return our_decoder() if name == OURS else rival_decoder(name)


def make_codes(batch: int, seconds: int) -> Any:
    import torch

    shape = (N_CODEBOOKS, batch, seconds * FRAMES_PER_S)
    return torch.randint(1024, shape, generator=torch.Generator().manual_seed(0))


def time_decoders(rivals: list[str], cases: list[tuple[int, int]]) -> dict[str, Any]:
    """Everything about speed, in this process."""
    import torch

    decoders = {name: decoder(name)[0] for name in (*rivals, OURS)}
    torch.set_num_threads(os.cpu_count() or 1)
    results = {}
    for batch, seconds in cases:
        codes = make_codes(batch, seconds)
        shapes = {name: tuple(decode(codes).shape) for name, decode in decoders.items()}
        if set(shapes.values()) != {(batch, seconds * RATE)}:
            raise ValueError(f"the decoders give audio of other shapes: {shapes}")
        results[f"{batch} x {seconds} s"] = measure(decoders, codes, batch * seconds)
    return results


def weigh(name: str, seconds: int) -> dict[str, float]:
    """Peak memory of decoding, and the size of what decodes, in MB."""
    import torch

    decode, module = decoder(name)
    with tempfile.NamedTemporaryFile() as file:
        torch.save(module.state_dict(), file.name)
        size = Path(file.name).stat().st_size / 1e6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    decode(make_codes(1, seconds))
    return {"memory_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3, "checkpoint_mb": size}


def in_process(*arguments: str) -> Any:
    """The JSON that this script prints on its last line, when run with the arguments."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def rows(rivals: list[str], cases: list[tuple[int, int]]) -> Iterator[str]:
    times = in_process("--child", "time", "--rival", *rivals, "--cases", json.dumps(cases))
    longest = str(max(seconds for _, seconds in cases))
    weights = {name: in_process("--child", "weigh", "--name", name, "--seconds", longest) for name in (*rivals, OURS)}
    for rival in rivals:
        cells = []
        for by_name in times.values():
            mark = "?" if by_name[rival]["disturbed"] or by_name[OURS]["disturbed"] else ""
            cells.append(f"{by_name[rival]['s'] / by_name[OURS]['s']:.1f}{mark}")
        memory = f"{weights[OURS]['memory_mb']:.0f} / {weights[rival]['memory_mb']:.0f}"
        size = f"{weights[OURS]['checkpoint_mb']:.0f} / {weights[rival]['checkpoint_mb']:.0f}"
        yield f"| EnCodec of {rival} | {OURS} | {' | '.join(cells)} | {memory} | {size} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rival", nargs="+", choices=RIVALS, default=list(RIVALS))
    parser.add_argument("--seconds", nargs="+", type=int, default=[1, 10, 60], help="lengths at batch 1")
    parser.add_argument("--batch", type=int, default=8, help="items of 1 s at once")
    parser.add_argument("--out", type=Path, help="also write the table to a file")
    parser.add_argument("--child", choices=("time", "weigh"), help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument("--cases", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        warnings.simplefilter("ignore")
        result = time_decoders(args.rival, json.loads(args.cases)) if args.child == "time" else None
        print("\n" + json.dumps(result or weigh(args.name, args.seconds[0])))
        return
    cases = [*((1, seconds) for seconds in args.seconds), (args.batch, 1)]
    headings = " | ".join(f"{batch} x {seconds} s" for batch, seconds in cases)
    memory = f"peak memory at {max(args.seconds)} s, MB, ours / theirs"
    lines = [
        f"| against | with | {headings} | {memory} | checkpoint, MB, ours / theirs |",
        f"|---|---|{'--:|' * len(cases)}--:|--:|",
    ]
    print("\n".join(lines), flush=True)
    for row in rows(args.rival, cases):
        lines.append(row)
        print(row, flush=True)
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
