"""Mutated configurations and checkpoints: whatever is wrong with one, the doctor and the loader say it in words."""

from __future__ import annotations

import json

import pytest

from helpers.mutations import attack
from vocos_plugins import Vocos
from vocos_plugins.apps.doctor.resolve import resolve_endpoint

SECONDS = 8.0
SPEECHT5 = {"feature_extractor_type": "SpeechT5FeatureExtractor", "sampling_rate": 16000, "num_mel_bins": 80}


@pytest.mark.filterwarnings("ignore")
def test_configurations(coqui_config, nemo_yaml, nemo_archive, hyperparams, tmp_path) -> None:
    """Of every toolkit; nothing that one names is run."""
    transformers = tmp_path / "transformers" / "preprocessor_config.json"
    transformers.parent.mkdir()
    transformers.write_text(json.dumps(SPEECHT5))
    files = [coqui_config(), nemo_yaml, nemo_archive, hyperparams, transformers]
    attack(files, lambda file: resolve_endpoint(str(file)), SECONDS)
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore")
def test_checkpoints(make_model, tmp_path) -> None:
    """Configuration and weights of a directory."""
    make_model("mel", "convnext", "istft", "center").save_pretrained(tmp_path / "model")
    files = [tmp_path / "model" / name for name in ("config.yaml", "model.safetensors")]
    attack(files, lambda file: Vocos.from_pretrained(file.parent, precision="float32"), SECONDS)
