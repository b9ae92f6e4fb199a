"""A stream computes in the precision of the model, or in the one in which its backend decodes."""

from __future__ import annotations

import copy

import pytest
import torch

from vocos_plugins.inference.backend import Backend

# Of the largest sample: matrix products of other shapes, and sums in another order, round differently in float32.
TOLERANCE = 1e-5
BFLOAT16_TOLERANCE = 0.05  # the same in bfloat16, whose steps are 0.4 %
# Of what `decode` loses. Around 8 bits its first and last layer are in bfloat16, which random weights magnify; a
# stream keeps them in float32.
LEAST_LOST = {"bfloat16": 0.5, "int8": 0.05}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("parts", [("mel", "convnext", "prior"), ("mel", "resnet", "istft")], ids="-".join)
def test_other_precisions(make_model, noise, stream_in, relative_error, parts, dtype) -> None:
    """The backbone runs in the model's, the head in float32 at least; audio is of the same type as `decode`'s."""
    vocos, mel = copy.deepcopy(make_model(*parts)).to(dtype), noise(2, 12, 30)
    found, whole = torch.cat(stream_in(vocos.streaming(2), mel, [1] * 9), dim=1), vocos.decode(mel)
    assert found.dtype == whole.dtype
    tolerance = TOLERANCE if dtype == torch.float64 else BFLOAT16_TOLERANCE
    assert relative_error(found, whole) < tolerance


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("bandwidth_id", [None, 1, torch.tensor([2, 0])], ids=str)
def test_computes_as_the_backend_does(make_model, noise, stream_in, precision, bandwidth_id) -> None:
    """The linear layers in the precision of `decode`: what that costs against float32, and no more."""
    try:
        backend = Backend(precision=precision)
    except ValueError as error:
        pytest.skip(str(error))
    parts = ("mel", "convnext", "istft") if bandwidth_id is None else ("encodec", "adanorm", "istft")
    exact, vocos = make_model(*parts), copy.deepcopy(make_model(*parts))
    vocos.backend = backend
    features = noise(2, 12, 300)  # more than the frames that are computed at once
    whole = exact.decode(features, bandwidth_id=bandwidth_id)
    for lengths in ([], [1] * 40):
        found = torch.cat(stream_in(vocos.streaming(2, bandwidth_id=bandwidth_id), features, lengths), dim=1)
        lost = vocos.decode(features, bandwidth_id=bandwidth_id) - whole
        if precision == "float32":
            assert float((found - whole).abs().max()) < TOLERANCE * float(whole.abs().max())
        else:
            assert LEAST_LOST[precision] < float((found - whole).norm() / lost.norm()) < 2
