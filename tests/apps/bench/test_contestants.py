"""The list of contestants, and the reference, which has the model's shape without its front end."""

from __future__ import annotations

import pytest
import torch

from vocos_plugins.apps.bench.contestants import Contestant, list_contestants, make_features, prepare
from vocos_plugins.apps.bench.reference import reference

CLOSE = 1e-5  # two implementations of the same sums


def test_contestants_are_every_precision_of_a_backend() -> None:
    """By default all are listed except ``auto``, which is one of the others; else those that are asked for."""
    assert [each.name for each in list_contestants(["torch", "onnxruntime"])] == [
        "torch float32",
        "torch bfloat16",
        "torch int8",
        "onnxruntime float32",
        "onnxruntime int8",
    ]
    assert list_contestants(["openvino", "onnxruntime"], ["bfloat16", "auto"]) == [
        Contestant("openvino", "auto"),
        Contestant("openvino", "bfloat16"),
        Contestant("onnxruntime", "auto"),
    ]


@pytest.mark.parametrize("parts", [("mel", "convnext", "istft", "same"), ("encodec", "adanorm", "istft", "same")])
def test_reference_with_the_same_weights_returns_the_same(make_model, relative_error, parts) -> None:
    """The reference has the same shape and is called in the same way."""
    vocos = make_model(*parts)
    bandwidth = None if vocos.config.n_bandwidths is None else 2
    decode = reference(vocos.config, bandwidth)
    model = decode.func.__self__
    own = {name: value for name, value in vocos.state_dict().items() if not name.startswith("feature_extractor")}
    model.load_state_dict(own)
    features = make_features(vocos, 2, 0.1)
    assert relative_error(decode(features), vocos.decode(features, bandwidth_id=bandwidth)) < CLOSE


def test_reference_has_no_such_head(make_config) -> None:
    """A head that the package doesn't have is refused."""
    with pytest.raises(ValueError, match="inverse STFT"):
        reference(make_config(head="wavenext", framing="same"), None)


def test_models_of_codes_decode_at_their_highest_bandwidth(make_model) -> None:
    """The contestant uses the highest bandwidth without being asked."""
    vocos = make_model("encodec", "adanorm", "istft", "same")
    features = make_features(vocos, 1, 0.1)
    audio = prepare(Contestant("torch", "float32"), vocos)(features)
    assert torch.equal(audio, vocos.decode(features, bandwidth_id=3))
    assert vocos.backend.precision == "float32"
