"""Times ``vocoder.decode(mel)`` of the package ``vocos`` and of the adapter that stands in for it, alternating.

python benchmarks/reference.py
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
import vocos
import vocos_reference.backbones
import vocos_reference.fourier_heads
import vocos_reference.pretrained
from torch import Tensor, nn
from vocos.heads import ISTFTHead
from vocos.models import VocosBackbone

from vocos_plugins.inference.processor import processor_name

FRAMES_PER_S = 24000 / 256
ROUNDS = {1: 60, 10: 16}
SIZES = (100, 512, 1536, 8)  # 13.5 M parameters, as charactr/vocos-mel-24khz
HEAD = (512, 1024, 256, "center")


def seconds(model: nn.Module, mel: Tensor) -> float:
    """Returns the duration of one decode."""
    start = time.perf_counter()
    decoder: Any = model
    decoder.decode(mel)
    return time.perf_counter() - start


def main() -> None:
    """Prints medians and their ratio for each length."""
    torch.manual_seed(0)
    original = vocos.Vocos(nn.Identity(), VocosBackbone(*SIZES), ISTFTHead(*HEAD)).eval()
    ours = vocos_reference.pretrained.Vocos(
        nn.Identity(),
        vocos_reference.backbones.VocosBackbone(*SIZES),
        vocos_reference.fourier_heads.ISTFTHead(*HEAD),
    ).eval()
    ours.load_state_dict(original.state_dict())
    print(f"{processor_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for duration, rounds in ROUNDS.items():
        mel = torch.randn(1, SIZES[0], round(duration * FRAMES_PER_S)) - 5
        for model in (original, ours):
            seconds(model, mel)
        times = [(seconds(original, mel), seconds(ours, mel)) for _ in range(rounds)]
        theirs, own = (statistics.median(column) for column in zip(*times, strict=True))
        ratios = sorted(one / other for one, other in times)
        low, high = ratios[len(ratios) // 4], ratios[-len(ratios) // 4]
        print(
            f"{duration:2} s: vocos {1000 * theirs:.1f} ms, stand-in {1000 * own:.1f} ms, "
            f"{theirs / own:.1f} times as fast (middle half of rounds {low:.1f} to {high:.1f})"
        )


if __name__ == "__main__":
    main()
