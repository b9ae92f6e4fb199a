"""A saved model, and configurations in the reference package's format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vocos_plugins import Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, EncodecCodes, IMDCTSymExp, VocosConfig, WaveNeXt

SAME_NAME = ("dim", "intermediate_dim", "num_layers", "num_blocks", "layer_scale_init_value", "adanorm_num_embeddings")


def part(path: str, **arguments: Any) -> dict[str, Any]:
    return {"class_path": f"vocos.{path}", "init_args": arguments}


@pytest.fixture
def saved(make_model, tmp_path) -> tuple[Vocos, Path]:
    """A small model and the directory that it was saved to."""
    model = make_model()
    model.provenance = {"licence": "MIT", "steps": 3}
    model.save_pretrained(tmp_path / "saved")
    return model, tmp_path / "saved"


@pytest.fixture(scope="session")
def publish() -> Callable[[VocosConfig], dict[str, Any]]:
    """Writes a configuration in the form of the reference's published ``config.yaml``."""

    def features(config: VocosConfig) -> dict[str, Any]:
        mel = config.features
        if isinstance(mel, EncodecCodes):
            return part(
                "feature_extractors.EncodecFeatures", encodec_model="encodec_24khz", bandwidths=list(mel.bandwidths)
            )
        original = mel.guard_value == 1e-7
        bands = {"f_min": mel.f_min, "f_max": mel.f_max, "norm": mel.mel_norm, "mel_scale": mel.mel_scale}
        return part(
            "feature_extractors.MelSpectrogramFeatures",
            sample_rate=mel.sample_rate,
            n_fft=mel.n_fft,
            hop_length=mel.hop_length,
            n_mels=mel.n_mels,
            padding=mel.framing,
            **({} if original else bands),
        )

    def backbone(config: VocosConfig) -> dict[str, Any]:
        name = "VocosBackbone" if isinstance(config.backbone, ConvNeXt) else "VocosResNetBackbone"
        arguments = {name: getattr(config.backbone, name) for name in SAME_NAME if hasattr(config.backbone, name)}
        return part(f"models.{name}", input_channels=config.n_features, **arguments)

    def head(config: VocosConfig) -> dict[str, Any]:
        head, dim = config.head, config.backbone.dim
        if isinstance(head, (ISTFT, WaveNeXt)):
            name = "ISTFTHead" if isinstance(head, ISTFT) else "WaveNextHead"
            framing = getattr(head, "framing", "same")
            return part(f"heads.{name}", dim=dim, n_fft=head.n_fft, hop_length=head.hop_length, padding=framing)
        name = "IMDCTSymExpHead" if isinstance(head, IMDCTSymExp) else "IMDCTCosHead"
        return part(f"heads.{name}", dim=dim, mdct_frame_len=head.frame_length, padding=head.framing)

    return lambda config: {
        "feature_extractor": features(config),
        "backbone": backbone(config),
        "head": head(config),
    }


@pytest.fixture(scope="session")
def as_training() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Wraps a published configuration like the reference's training YAML."""
    return lambda published: {
        "seed_everything": 4444,
        "data": {"class_path": "vocos.dataset.VocosDataModule", "init_args": {}},
        "model": {
            "class_path": "vocos.experiment.VocosExp",
            "init_args": {"sample_rate": 24000, "initial_learning_rate": "5e-4", **published},
        },
        "trainer": {"max_steps": 2000000},
    }
