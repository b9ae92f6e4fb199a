"""Other runtimes behind the same `decode`: they get an export of the model and give what torch gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from vocos_plugins import Vocos
from vocos_plugins.config import VocosConfig
from vocos_plugins.export.backend import choose_backend
from vocos_plugins.inference.backend import BackendName

RUNTIMES: tuple[BackendName, ...] = ("onnxruntime", "openvino")
# Other orders of sums, and an inverse transform by a matrix: the export's own bound (tests/export).
CLOSE = 1e-4


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("kind", [("mel", "convnext", "prior"), ("encodec", "adanorm", "istft")], ids=["mel", "codes"])
def test_a_runtime_gives_what_torch_gives(
    make_config: Callable[..., VocosConfig],
    randomize: Callable[[nn.Module], nn.Module],
    name: BackendName,
    kind: tuple[str, str, str],
) -> None:
    features, backbone, head = kind
    vocos = Vocos(make_config(features=features, backbone=backbone, head=head, framing="same"))
    randomize(vocos)
    given = torch.randn(3, vocos.config.n_features, 30)
    lengths = torch.tensor([30, 5, 17])
    bandwidth = None if features == "mel" else 1
    expected = vocos.decode(given, lengths=lengths, bandwidth_id=bandwidth)
    vocos.backend = choose_backend(name, "float32")
    found = vocos.decode(given, lengths=lengths, bandwidth_id=bandwidth)
    assert torch.allclose(found, expected, atol=CLOSE * float(expected.abs().max()))
    assert not torch.equal(found, expected)


def test_a_precision_that_a_runtime_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="onnxruntime does not support bfloat16; use one of auto, float32, int8"):
        Vocos.from_pretrained("vocos-mel-22khz-small", backend="onnxruntime", precision="bfloat16")


def test_a_runtime_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ValueError, match=r"pip install 'vocos-plugins\[onnx\]'"):
        choose_backend("onnxruntime")
