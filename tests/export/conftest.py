"""Models in the shapes that are exported, and what they give in torch, by their own modules."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from vocos_plugins import Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, EncodecCodes, VocosConfig
from vocos_plugins.export import OnnxSession, OpenVinoSession, Session
from vocos_plugins.export.onnx import onnx_model
from vocos_plugins.export.openvino import openvino_model
from vocos_plugins.inference.calibration import speech_features
from vocos_plugins.mel.known import VOCOS_24KHZ


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Runtimes take as many threads as torch has here: more would wait for each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def bundled() -> Vocos:
    """The model that ships with the package."""
    return Vocos.from_pretrained("vocos-mel-22khz-small")


@pytest.fixture(scope="session")
def speech(bundled) -> Tensor:
    """A second and a half of shipped speech in the bundled model's mel, ``(1, 80, 130)``."""
    mel: Tensor = next(speech_features(bundled))[0][:, :, 30:160]
    return mel


@pytest.fixture(scope="session")
def paper() -> Vocos:
    """The paper's mel model with random weights, as it begins training."""
    torch.manual_seed(0)
    backbone = ConvNeXt(dim=512, intermediate_dim=1536, num_layers=8)
    return Vocos(VocosConfig(features=VOCOS_24KHZ, backbone=backbone, head=ISTFT(n_fft=1024, hop_length=256))).eval()


@pytest.fixture(scope="session")
def encodec() -> Vocos:
    """The paper's EnCodec model with random weights, each bandwidth's norm another."""
    torch.manual_seed(0)
    backbone = ConvNeXt(dim=384, intermediate_dim=1152, num_layers=8, adanorm_num_embeddings=4)
    head = ISTFT(n_fft=1280, hop_length=320, framing="same")
    vocos = Vocos(VocosConfig(features=EncodecCodes(), backbone=backbone, head=head)).eval()
    with torch.no_grad():
        for name, parameter in vocos.named_parameters():
            if "norm.scale" in name or "norm.shift" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape))
    return vocos


@pytest.fixture(scope="session")
def session() -> Callable[..., Session]:
    """A model in a runtime, exported once."""
    made: dict[tuple[str, str, Vocos], Session] = {}

    def load(vocos: Vocos, runtime: str = "onnxruntime", precision: str = "float32") -> Session:
        key = runtime, precision, vocos
        if key not in made and runtime == "onnxruntime":
            made[key] = OnnxSession(onnx_model(vocos, precision=precision).SerializeToString())
        elif key not in made:
            made[key] = OpenVinoSession(openvino_model(vocos, precision=precision))
        return made[key]

    return load


@pytest.fixture(scope="session")
def in_torch() -> Callable[..., Tensor]:
    """The audio of a model's own modules in float32, whatever it decodes with: features, bandwidth ids ``(B,)``."""

    def compute(vocos: Vocos, features: Tensor, bandwidth_id: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            ids = None if bandwidth_id is None else bandwidth_id[:, None]
            audio: Tensor = vocos.head(vocos.backbone(features, ids), features)
            return audio

    return compute


@pytest.fixture(scope="session")
def rounding(in_torch, relative_error) -> Callable[[Vocos, Tensor], float]:
    """How far torch's own float32 is from float64, of the peak: a trained model can magnify it in a few frames."""

    def measure(vocos: Vocos, features: Tensor) -> float:
        exact = in_torch(copy.deepcopy(vocos).double(), features.double())
        error: float = relative_error(in_torch(vocos, features).double(), exact)
        return error

    return measure
