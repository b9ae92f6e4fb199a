"""Runs the package ``vocos`` 0.1.0 in a process of its own: random weights, and what it computes with them.

python oracle.py CASES.json OUT.pt
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import encodec
import scipy.signal
import torch
import vocos
from torch import nn
from vocos import discriminators, loss, modules, spectral_ops
from vocos.pretrained import instantiate_class

# scipy moved this window to scipy.signal.windows after the package was published.
scipy.signal.cosine = scipy.signal.windows.cosine
build_encodec = encodec.EncodecModel.encodec_model_24khz
# The constructor downloads pretrained weights; its codebooks are random here.
encodec.EncodecModel.encodec_model_24khz = lambda **_: build_encodec(pretrained=False)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def randomize(module: nn.Module) -> nn.Module:
    """Gives every parameter seeded random values, also gains and shifts: ones and zeros hide errors."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if ".encodec." not in name:
                fan_in = parameter[0].numel() if parameter.dim() > 1 and "codebook" not in name else 1
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
    return module.eval()


def run(case: dict[str, Any]) -> dict[str, Any]:
    torch.manual_seed(0)
    model = vocos.Vocos(*(instantiate_class((), case[part]) for part in ("feature_extractor", "backbone", "head")))
    initial = {key: value.clone() for key, value in model.state_dict().items() if ".encodec." not in key}
    randomize(model)
    features = 2 * noise(3, case["backbone"]["init_args"]["input_channels"], 40)
    result = {"initial": initial, "state": model.state_dict(), "features": features}
    if "EncodecFeatures" not in case["feature_extractor"]["class_path"]:
        audio = noise(2, 1605) / 10
        return result | {
            "audio": model.decode(features).clone(),
            "input": audio,
            "extracted": model.feature_extractor(audio),
            "copy": model(audio).clone(),
        }
    ids = {"one": torch.tensor([2]), "row": torch.tensor([[1]]), "each": torch.tensor([[0], [3], [1]])}
    codes = torch.randint(1024, (3, 2, 20), generator=torch.Generator().manual_seed(0))
    return result | {
        "ids": ids,
        "audio": {name: model.decode(features, bandwidth_id=each).clone() for name, each in ids.items()},
        "codes": codes,
        "summed": model.codes_to_features(codes).clone(),
        "summed_single": model.codes_to_features(codes[:, 0]).clone(),
    }


def parts() -> dict[str, Any]:
    """Returns the results of modules that programs also use by themselves."""
    x, audio, spectrum = noise(2, 8, 30), noise(2, 960), torch.complex(noise(2, 33, 12), noise(2, 33, 12, seed=1))
    block = randomize(modules.ConvNeXtBlock(8, 24, 0.5, adanorm_num_embeddings=3))
    plain = randomize(modules.ResBlock1(8, kernel_size=5, dilation=(1, 2, 4)))
    result: dict[str, Any] = {
        "x": x,
        "audio": audio,
        "spectrum": spectrum,
        "block": (block.state_dict(), block(x, torch.tensor([[1], [2]]))),
        "resblock": (plain.state_dict(), plain(x)),
        "symlog": modules.symlog(x),
        "symexp": modules.symexp(x),
        "safe_log": modules.safe_log(x),
    }
    for padding in ("center", "same"):
        result[f"istft-{padding}"] = spectral_ops.ISTFT(64, 16, 64, padding)(spectrum)
        mdct, imdct = spectral_ops.MDCT(64, padding), spectral_ops.IMDCT(64, padding)
        result[f"mdct-{padding}"] = (mdct.state_dict(), mdct(audio))
        result[f"imdct-{padding}"] = (imdct.state_dict(), imdct(mdct(audio)))
    return result


def training() -> dict[str, Any]:
    """Returns the results of discriminators and losses."""
    real, fake = noise(2, 4000) / 4, noise(2, 4000, seed=1) / 4
    result: dict[str, Any] = {"real": real, "fake": fake}
    for name, build in {
        "periods": lambda: discriminators.MultiPeriodDiscriminator((3,), num_embeddings=2),
        "resolutions": lambda: discriminators.MultiResolutionDiscriminator((512,), num_embeddings=2),
    }.items():
        module = randomize(build())
        judged = module(y=real, y_hat=fake, bandwidth_id=torch.tensor([1]))
        scores, fake_scores, features, fake_features = judged
        result[name] = (module.state_dict(), judged)
        result[f"{name}-losses"] = [
            loss.GeneratorLoss()(fake_scores),
            loss.DiscriminatorLoss()(scores, fake_scores),
            loss.FeatureMatchingLoss()(features, fake_features),
        ]
    distance = loss.MelSpecReconstructionLoss()
    result["mel"] = (distance.state_dict(), distance(fake, real))
    return result


with torch.no_grad():
    cases = json.loads(Path(sys.argv[1]).read_text())
    torch.save(
        {"cases": {name: run(case) for name, case in cases.items()}, "parts": parts(), "training": training()},
        sys.argv[2],
    )
