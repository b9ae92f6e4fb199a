"""Compares our adapters with the HiFi-GANs of SpeechBrain, NeMo and Coqui TTS, in the toolkits' own pipelines.

    python benchmarks/toolkits.py --out docs/toolkit-speed.md
    python benchmarks/toolkits.py --toolkit coqui --seconds 1 10

A toolkit's HiFi-GANs and our vocoders take turns in one process on the same mels. Each is called as that toolkit's
users call it: HiFi-GAN without its weight norm if the toolkit removes it, ours in their default precision. Weights are
random, which does not affect time. The small model ships with the package; the 13.5 M one has the size of the paper's.
See `side_by_side` for the method. A toolkit that isn't installed is reported and skipped.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import torch
from side_by_side import Contestant, compare, parse, print_table

HOP = 256
RATE = 22050
OURS = {"vocos small, 3.6 M": "small", "vocos, 13.5 M": "paper"}
RIVALS = {
    "speechbrain": ["SpeechBrain's HiFi-GAN v1"],
    "nemo": ["NeMo's HiFi-GAN v1"],
    "coqui": ["Coqui's HiFi-GAN v1", "Coqui's HiFi-GAN v2"],
}


def our_model(size: str) -> Any:
    from vocos_plugins import Vocos
    from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig
    from vocos_plugins.inference.backend import Backend

    small = Vocos.from_pretrained("vocos-mel-22khz-small")
    if size == "small":
        return small
    backbone = ConvNeXt(dim=512, intermediate_dim=1536, num_layers=8)
    config = VocosConfig(features=small.mel, backbone=backbone, head=ISTFT(n_fft=1024, hop_length=HOP))
    return Vocos(config, backend=Backend(precision="auto")).eval()


def speechbrain_vocoder(name: str) -> Contestant:
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


def nemo_vocoder(name: str) -> Contestant:
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
    # This is what HifiGanModel.convert_spectrogram_to_audio does; the model itself also needs discriminators and data.
    return torch.no_grad()(lambda mel: generator(x=mel).squeeze(1)), generator


def coqui_vocoder(name: str) -> Contestant:
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


def mels(batch: int, seconds: float) -> torch.Tensor:
    return torch.randn(batch, 80, round(seconds * RATE / HOP), generator=torch.Generator().manual_seed(0)) - 5


def rows(args: argparse.Namespace) -> Iterator[str]:
    for toolkit in args.toolkit:
        yield from compare(VOCODERS[toolkit], mels, RIVALS[toolkit], list(OURS), args)


def main() -> None:
    args = parse(
        __doc__, lambda parser: parser.add_argument("--toolkit", nargs="+", choices=VOCODERS, default=list(VOCODERS))
    )
    print_table(args, rows(args))


if __name__ == "__main__":
    main()
