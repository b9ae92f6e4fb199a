"""A certificate: what it allows, and what makes it worthless."""

from __future__ import annotations

import copy
import dataclasses
import warnings

import pytest
import torch

from vocos_plugins import Vocos
from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.inference.certificate import CERTIFICATE, Certificate, Cost, fingerprint, keeps_quality

CHEAP = Cost(pesq_loss=0.01, distillmos_loss=-0.01, signal_to_error_db=30.0)
DEAR = Cost(pesq_loss=0.01, distillmos_loss=0.03, signal_to_error_db=20.0)


@pytest.fixture
def certified(make_model):
    """Returns a function that gives a model a certificate with these costs."""

    def certify(recordings: int = 8, **costs: Cost) -> Vocos:
        vocos = make_model("mel", "convnext", "istft", "center")
        certificate = Certificate(fingerprint=fingerprint(vocos), recordings=recordings, costs=costs)
        vocos.provenance[CERTIFICATE] = certificate.to_dict()
        return vocos

    return certify


@pytest.mark.parametrize(
    ("costs", "bfloat16", "int8"),
    [
        ({}, True, False),
        ({"int8": CHEAP}, True, True),
        ({"int8": DEAR}, True, False),
        ({"bfloat16": DEAR, "int8": CHEAP}, False, True),
        ({"int8": dataclasses.replace(CHEAP, distillmos_loss=None)}, True, True),
        ({"int8": dataclasses.replace(CHEAP, pesq_loss=0.021)}, True, False),
    ],
)
def test_precisions_that_keep_the_quality(certified, costs, bfloat16, int8) -> None:
    """Each score may lose 0.02; bfloat16 needs no certificate, and 8 bits do."""
    assert keeps_quality(certified(**costs)) == {"float32": True, "bfloat16": bfloat16, "int8": int8}


def test_three_recordings_are_too_few(certified) -> None:
    """They say nothing, in either direction."""
    assert keeps_quality(certified(3, bfloat16=DEAR, int8=CHEAP)) == keeps_quality(certified())


@pytest.mark.parametrize("how", ["changed", "other", "damaged", "not finite"])
def test_a_certificate_that_is_not_used(certified, how) -> None:
    """Of other weights, or unreadable: a warning says why, and 8 bits are not allowed."""
    vocos = certified(int8=CHEAP)
    if how == "changed":
        with torch.no_grad():
            vocos.head.out.bias[0] += 1e-3
        words = rf"it is of the weights \w+, and the model's are {fingerprint(vocos)}; `vocos certify` writes a new one"
    elif how == "other":
        vocos.provenance[CERTIFICATE]["fingerprint"] = "0" * 16
        words = "it is of the weights 0000000000000000"
    elif how == "damaged":
        del vocos.provenance[CERTIFICATE]["int8"]["pesq_loss"]
        words = "certificate.int8: missing pesq_loss"
    else:
        vocos.provenance[CERTIFICATE]["int8"]["pesq_loss"] = float("nan")
        words = "pesq_loss must be a number, got nan"
    with pytest.warns(UserWarning, match=words):
        assert not keeps_quality(vocos)["int8"]


def test_saved_with_the_weights(certified, tmp_path) -> None:
    """Also where the file has half precision, if the weights are numbers that it can hold."""
    vocos = certified(int8=CHEAP)
    with torch.no_grad():
        for weight in vocos.parameters():
            weight.copy_(weight.half())
    vocos.provenance[CERTIFICATE]["fingerprint"] = fingerprint(vocos)
    vocos.save_pretrained(tmp_path / "half", half=True)
    loaded = Vocos.from_pretrained(tmp_path / "half")
    assert loaded.provenance[CERTIFICATE] == vocos.provenance[CERTIFICATE]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert keeps_quality(loaded)["int8"]


@pytest.mark.parametrize("given", [None, [], "x", {"fingerprint": "x"}, {"fingerprint": "x", "recordings": "many"}])
def test_what_is_no_certificate(given) -> None:
    """Whatever YAML may hold."""
    with pytest.raises(ConfigError, match=r"^certificate"):
        Certificate.from_dict(given)


@pytest.mark.parametrize("name", ["vocos-mel-22khz-small", "vocos-mel-16khz-small"])
def test_bundled_models_have_one(name) -> None:
    """Of their own weights; a copy keeps it."""
    vocos = Vocos.from_pretrained(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert keeps_quality(copy.deepcopy(vocos)) == {"float32": True, "bfloat16": True, "int8": True}
