"""Training on EnCodec codes, with a small EnCodec of random weights, since tests download nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from vocos_plugins import Vocos
from vocos_plugins.training.config import TrainingConfig
from vocos_plugins.training.inputs import EncodecInputs
from vocos_plugins.training.module import VocosTraining


@pytest.fixture(scope="module")
def encodec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as transformers saves it, with random codebooks: those of a new model are zero."""
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(0)
    model = EncodecModel(EncodecConfig(num_filters=2, num_lstm_layers=1))
    for layer in model.quantizer.layers:
        torch.nn.init.normal_(layer.codebook.embed)
    folder = tmp_path_factory.mktemp("encodec")
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def mapping(make_mapping, encodec: Path) -> dict[str, Any]:
    """A run on all four bandwidths with a small conditioned model."""
    mapping = make_mapping(data__num_samples=9600, run__encodec=str(encodec), run__max_steps=3)
    mapping["model"] = {
        "features": {"kind": "encodec"},
        "backbone": {
            "kind": "convnext",
            "dim": 16,
            "intermediate_dim": 32,
            "num_layers": 1,
            "adanorm_num_embeddings": 4,
        },
        "head": {"kind": "istft", "n_fft": 1280, "hop_length": 320, "framing": "same"},
    }
    return mapping


@pytest.fixture
def module(mapping: dict[str, Any]) -> VocosTraining:
    return VocosTraining(TrainingConfig.from_dict(mapping))


def test_features_are_encodec_s_own(module: VocosTraining, encodec: Path, noise: Callable[..., torch.Tensor]) -> None:
    """Oracle: transformers' encoding and its decoder's input, for a clip of 24000 samples at 12 kb/s."""
    audio = 0.1 * noise(2, 24000)
    inputs = module.inputs
    assert isinstance(inputs, EncodecInputs)
    found = inputs.validate(module.vocos, audio)
    from transformers import EncodecModel

    codec = EncodecModel.from_pretrained(encodec)
    codes = codec.encode(audio[:, None], bandwidth=12.0).audio_codes[0].transpose(0, 1)
    expected = codec.quantizer.decode(codes)
    assert codes.shape == (16, 2, 75)
    torch.testing.assert_close(found.features, expected, rtol=0, atol=1e-5)  # 16 float32 vectors summed in one order
    assert found.bandwidth_id is not None
    assert found.bandwidth_id.tolist() == [[3]]


def test_bandwidths_follow_from_the_step(module: VocosTraining, noise: Callable[..., torch.Tensor]) -> None:
    """All four occur, and a resumed run draws the same ones."""
    audio = 0.1 * noise(1, 3200)

    def draw() -> list[int]:
        return [int(module.inputs.train(module.vocos, audio, step).bandwidth_id) for step in range(24)]

    assert draw() == draw()
    assert set(draw()) == {0, 1, 2, 3}


def test_encodec_is_not_part_of_the_model(module: VocosTraining, encodec: Path) -> None:
    """It is neither saved nor trained; the generator has its codebooks, frozen."""
    assert not any("codec" in key for key in module.state_dict())
    assert not module.vocos.feature_extractor.codebook_weights.requires_grad
    assert float(module.vocos.feature_extractor.codebook_weights.std()) == pytest.approx(1.0, abs=0.01)


def test_trains_and_decodes(run_training, mapping: dict[str, Any], tmp_path: Path) -> None:
    """Three steps with conditioned discriminators; the result is an EnCodec model like the published one."""
    run_training(mapping, tmp_path)
    trained = Vocos.from_pretrained(tmp_path / "model")
    features = trained.codes_to_features(torch.zeros(8, 1, 10, dtype=torch.int64), bandwidth_id=2)
    assert trained.decode(features, bandwidth_id=2).shape == (1, 3200)


def test_without_weights_it_is_refused(mapping: dict[str, Any]) -> None:
    """The error names the key that is missing, or the folder that isn't there."""
    mapping["run"]["encodec"] = None
    with pytest.raises(ValueError, match=r"run\.encodec"):
        VocosTraining(TrainingConfig.from_dict(mapping))
    mapping["run"]["encodec"] = "/nowhere/at/all"
    with pytest.raises(ValueError, match="nowhere"):
        VocosTraining(TrainingConfig.from_dict(mapping))
