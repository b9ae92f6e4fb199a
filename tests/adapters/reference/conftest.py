"""Models in the reference's format, and what the package ``vocos`` computes with them in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from vocos_reference.pretrained import Vocos

SIZES = {"input_channels": 12, "dim": 16}
CONVNEXT = {"class_path": "vocos.models.VocosBackbone", "init_args": {**SIZES, "intermediate_dim": 32, "num_layers": 2}}
RESNET = {"class_path": "vocos.models.VocosResNetBackbone", "init_args": {**SIZES, "num_blocks": 2}}
ADANORM = {
    "class_path": "vocos.models.VocosBackbone",
    "init_args": {
        "input_channels": 128,
        "dim": 16,
        "intermediate_dim": 32,
        "num_layers": 2,
        "adanorm_num_embeddings": 4,
    },
}
ENCODEC = {"class_path": "vocos.feature_extractors.EncodecFeatures", "init_args": {"encodec_model": "encodec_24khz"}}


def mel(padding: str) -> dict[str, Any]:
    options = {"sample_rate": 16000, "n_fft": 64, "hop_length": 16, "n_mels": 12, "padding": padding}
    return {"class_path": "vocos.feature_extractors.MelSpectrogramFeatures", "init_args": options}


def istft(padding: str, n_fft: int = 64, hop_length: int = 16) -> dict[str, Any]:
    options = {"dim": 16, "n_fft": n_fft, "hop_length": hop_length, "padding": padding}
    return {"class_path": "vocos.heads.ISTFTHead", "init_args": options}


def imdct(kind: str, padding: str, **options: Any) -> dict[str, Any]:
    options = {"dim": 16, "mdct_frame_len": 32, "padding": padding, **options}
    return {"class_path": f"vocos.heads.{kind}", "init_args": options}


def case(extractor: dict[str, Any], backbone: dict[str, Any], head: dict[str, Any]) -> dict[str, Any]:
    return {"feature_extractor": extractor, "backbone": backbone, "head": head}


CASES = {
    "center": case(mel("center"), CONVNEXT, istft("center")),
    "same": case(mel("same"), CONVNEXT, istft("same")),
    "mixed": case(mel("center"), CONVNEXT, istft("same")),
    "resnet": case(mel("same"), RESNET, istft("same")),
    "symexp": case(mel("center"), CONVNEXT, imdct("IMDCTSymExpHead", "center", sample_rate=16000)),
    "cos": case(mel("same"), CONVNEXT, imdct("IMDCTCosHead", "same")),
    "encodec": case(ENCODEC, ADANORM, istft("same", 1280, 320)),
}


@pytest.fixture(scope="session")
def cases() -> dict[str, Any]:
    """Returns the configurations by name."""
    return CASES


@pytest.fixture(scope="session")
def oracle(tmp_path_factory) -> dict[str, Any]:
    """Returns what the package ``vocos`` computed."""
    folder = tmp_path_factory.mktemp("oracle")
    (folder / "cases.json").write_text(json.dumps(CASES))
    command = [sys.executable, "-W", "ignore", Path(__file__).with_name("oracle.py"), "cases.json", "out.pt"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return torch.load(folder / "out.pt", weights_only=True)


@pytest.fixture
def build(tmp_path) -> Callable[[str], Vocos]:
    """Returns a function that builds the model of a case by `from_hparams`, in train mode and with random weights."""

    def make(name: str) -> Vocos:
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(CASES[name], sort_keys=False))
        return Vocos.from_hparams(str(path))

    return make


@pytest.fixture
def load(build, oracle) -> Callable[[str], Vocos]:
    """Returns a function that builds the model of a case with the oracle's weights, loaded strictly."""

    def make(name: str) -> Vocos:
        model = build(name).eval()
        model.load_state_dict(oracle["cases"][name]["state"], strict=True)
        return model

    return make
