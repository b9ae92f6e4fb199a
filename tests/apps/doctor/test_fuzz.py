"""Mutated configurations and checkpoints: whatever is wrong with one, the doctor and the loader say it in words."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.mutations import mutations
from vocos_plugins import Vocos
from vocos_plugins.apps.doctor.resolve import resolve_endpoint

SEED = 21
SECONDS = 4.0
SPEECHT5 = {"feature_extractor_type": "SpeechT5FeatureExtractor", "sampling_rate": 16000, "num_mel_bins": 80}


def attack(files: list[Path], read: Callable[[Path], object]) -> None:
    """Reads variants of each file in its place for a while; any other error than a ValueError or OSError is raised."""
    chance = random.Random(SEED)  # noqa: S311 - repeatable
    whole = {file: file.read_bytes() for file in files}
    variants = {file: mutations(content, chance) for file, content in whole.items()}
    for file in files:
        read(file)
    n_refused, ends = dict.fromkeys(files, 0), time.monotonic() + SECONDS
    while time.monotonic() < ends or not all(n_refused.values()):
        for file in files:
            content = next(variants[file])
            file.write_bytes(content)
            started = time.process_time()
            try:
                read(file)
            except (OSError, ValueError) as error:
                n_refused[file] += 1
                message = str(error)
                assert 5 < len(message) < 2500, (file, message)
            except Exception as error:
                pytest.fail(f"{file}: {type(error).__name__}: {error}: {content!r}")
            assert time.process_time() - started < 2, content
            file.write_bytes(whole[file])


@pytest.mark.filterwarnings("ignore")
def test_configurations(coqui_config, nemo_yaml, nemo_archive, hyperparams, tmp_path) -> None:
    """Of every toolkit; nothing that one names is run."""
    transformers = tmp_path / "transformers" / "preprocessor_config.json"
    transformers.parent.mkdir()
    transformers.write_text(json.dumps(SPEECHT5))
    files = [coqui_config(), nemo_yaml, nemo_archive, hyperparams, transformers]
    attack(files, lambda file: resolve_endpoint(str(file)))
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore")
def test_checkpoints(make_model, tmp_path) -> None:
    """Configuration and weights of a directory."""
    make_model("mel", "convnext", "istft", "center").save_pretrained(tmp_path / "model")
    files = [tmp_path / "model" / name for name in ("config.yaml", "model.safetensors")]
    attack(files, lambda file: Vocos.from_pretrained(file.parent, precision="float32"))
