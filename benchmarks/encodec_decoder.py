"""Compares the time and memory of Vocos with those of EnCodec's own decoder: what Bark gains from Vocos.

    python benchmarks/encodec_decoder.py --out docs/encodec-speed.md
    python benchmarks/encodec_decoder.py --rival transformers --seconds 1 10

Both decode the same codes in one process: eight codebooks, 6 kb/s, as in Bark. EnCodec runs its quantizer and decoder
as Bark calls them, from transformers or from the package encodec. Vocos converts codes to features to audio, at the
size of the published model and in its default precision. Weights are random, which does not affect time. See
`side_by_side` for the method. A package that isn't installed is reported and skipped.
"""

from __future__ import annotations

from typing import Any

import torch
from side_by_side import Contestant, compare, parse, print_table

RATE = 24000
FRAMES_PER_S = 75
N_CODEBOOKS = 8
BANDWIDTH_ID = 2
OURS = "vocos, 7.9 M"
RIVALS = ("transformers", "encodec")


def our_decoder() -> Contestant:
    from vocos_plugins import Vocos
    from vocos_plugins.config import ISTFT, ConvNeXt, EncodecCodes, VocosConfig
    from vocos_plugins.inference.backend import Backend

    backbone = ConvNeXt(dim=384, intermediate_dim=1152, num_layers=8, adanorm_num_embeddings=4)
    head = ISTFT(n_fft=1280, hop_length=320, framing="same")
    config = VocosConfig(features=EncodecCodes(), backbone=backbone, head=head)
    vocos = Vocos(config, backend=Backend(precision="auto")).eval()
    torch.nn.init.normal_(vocos.feature_extractor.codebook_weights)
    return (lambda codes: vocos.decode(vocos.codes_to_features(codes), bandwidth_id=BANDWIDTH_ID)), vocos


def rival_decoder(name: str) -> Contestant:
    if name == "transformers":
        from transformers import EncodecConfig, EncodecModel

        codec: Any = EncodecModel(EncodecConfig()).eval()
    else:
        from encodec import EncodecModel

        codec = EncodecModel.encodec_model_24khz(pretrained=False)
    for key, book in codec.named_buffers():
        if key.endswith("embed"):
            torch.nn.init.normal_(book)
    # The weights that a checkpoint of the decoder alone would hold.
    decoding = torch.nn.ModuleDict({"decoder": codec.decoder, "quantizer": codec.quantizer})
    return torch.no_grad()(lambda codes: codec.decoder(codec.quantizer.decode(codes))[:, 0]), decoding


def decoder(name: str) -> Contestant:
    return our_decoder() if name == OURS else rival_decoder(name)


def make_codes(batch: int, seconds: float) -> torch.Tensor:
    shape = (N_CODEBOOKS, batch, round(seconds * FRAMES_PER_S))
    return torch.randint(1024, shape, generator=torch.Generator().manual_seed(0))


def main() -> None:
    args = parse(
        __doc__, lambda parser: parser.add_argument("--rival", nargs="+", choices=RIVALS, default=list(RIVALS))
    )
    print_table(args, (line for rival in args.rival for line in compare(decoder, make_codes, [rival], [OURS], args)))


if __name__ == "__main__":
    main()
