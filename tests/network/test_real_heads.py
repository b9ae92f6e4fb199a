"""Devices without complex numbers: models decode there in real arithmetic, and no user has to say so.

No such device is at hand. A mode of torch stands in for one: it refuses complex numbers in single precision, in which
models compute; tables are made in double precision, on the CPU.
"""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.export.head import ModuleBackend
from vocos_plugins.mel import spectrogram
from vocos_plugins.spectral import has_complex

# Sums in another order, and exp(x) - 1 for expm1, relative to the peak; six passes magnify it.
SAME = 1e-5


class WithoutComplex(TorchDispatchMode):
    """Raises where a complex number would come to be, as PyTorch does for operators that a device lacks."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if any(isinstance(leaf, torch.Tensor) and leaf.dtype == torch.complex64 for leaf in tree_leaves(result)):
            raise NotImplementedError(f"{func} is not available on this device")
        return result


@pytest.fixture
def without_complex():
    has_complex.cache_clear()
    with WithoutComplex():
        yield
    has_complex.cache_clear()


@pytest.fixture
def vocos(request, make_model) -> Vocos:
    model = make_model("mel", "convnext", request.param, "same").eval()
    # The CPU's own engine knows that a CPU has complex numbers.
    model.backend = ModuleBackend()
    return model


def test_it_is_found_by_trying(without_complex) -> None:
    assert not has_complex("cpu")
    assert not has_complex("no-such-device")


def test_a_processor_has_it() -> None:
    assert has_complex("cpu")


@pytest.mark.parametrize(
    "vocos", ["istft", "prior", "refined", "upsampled", "imdct-symexp", "imdct-cos"], indirect=True
)
def test_every_head_decodes(vocos, request, noise, relative_error) -> None:
    """A batch with lengths too, whose rows are then decoded one by one."""
    features, lengths = noise(2, vocos.config.n_features, 20), torch.tensor([20, 13])
    expected = [vocos.decode(features), vocos.decode(features, lengths=lengths)]
    request.getfixturevalue("without_complex")
    found = [vocos.decode(features), vocos.decode(features, lengths=lengths)]
    for ours, theirs in zip(found, expected, strict=True):
        assert relative_error(ours, theirs) <= SAME


@pytest.mark.parametrize("vocos", ["refined"], indirect=True)
def test_weights_are_those_of_the_model(vocos, noise, without_complex) -> None:
    """Nothing is kept between decodes, and nothing is added to the model's state."""
    features, names = noise(1, vocos.config.n_features, 20), list(vocos.state_dict())
    before = vocos.decode(features)
    with torch.no_grad():
        vocos.head.out.weight.mul_(0.5)
    assert not torch.equal(vocos.decode(features), before)
    assert list(vocos.state_dict()) == names


def test_mels_are_computed_by_the_cpu(make_config, monkeypatch) -> None:
    """Where their device can't; here both are the CPU."""
    convention = make_config().features
    audio = torch.randn(1, 4000)
    expected = MelSpectrogram(convention)(audio)
    monkeypatch.setattr(spectrogram, "has_complex", lambda _device: False)
    assert torch.equal(MelSpectrogram(convention)(audio), expected)
