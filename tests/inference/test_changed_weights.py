"""However weights were written, decoding uses those that are there: it equals the modules."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune

from vocos_plugins import Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig
from vocos_plugins.export.backend import choose_backend
from vocos_plugins.inference import snapshot
from vocos_plugins.inference.backend import BackendName
from vocos_plugins.mel import MelConvention

CLOSE = 1e-4  # of the peak; the sums of engines have other orders
N_MELS, HOP = 12, 16
MEL = MelConvention(sample_rate=16000, n_fft=64, win_length=64, hop_length=HOP, n_mels=N_MELS)


@pytest.fixture
def vocos(randomize: Callable[[nn.Module], nn.Module]) -> Vocos:
    """Its pointwise layers are large enough to be looked at in samples."""
    backbone = ConvNeXt(dim=96, intermediate_dim=192, num_layers=2)
    model = Vocos(VocosConfig(features=MEL, backbone=backbone, head=ISTFT(n_fft=64, hop_length=HOP)))
    assert model.backbone.convnext[0].pwconv1.weight.numel() > snapshot.SMALL  # type: ignore[union-attr]
    return randomize(model)  # type: ignore[return-value]


@pytest.fixture
def features() -> Tensor:
    return torch.randn(1, N_MELS, 20, generator=torch.Generator().manual_seed(0))


def assert_decodes_as_modules(vocos: Vocos, features: Tensor) -> Tensor:
    with torch.no_grad():
        expected, found = vocos.compute(features), vocos.decode(features)
    assert float((found - expected).abs().max()) < CLOSE * float(expected.abs().max())
    return expected


def train(make: Callable[[list[nn.Parameter]], torch.optim.Optimizer]) -> Callable[[Vocos], None]:
    def change(vocos: Vocos) -> None:
        optimizer = make(list(vocos.parameters()))

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = vocos.synthesize(torch.ones(1, N_MELS, 20)).square().mean()
            loss.backward()
            return loss

        optimizer.step(closure)  # type: ignore[arg-type]

    return change


def write_numpy(vocos: Vocos) -> None:
    for parameter in vocos.parameters():
        parameter.detach().numpy()[...] *= 1.1


def swap_data(vocos: Vocos) -> None:
    averages = [parameter.detach() * 1.1 for parameter in vocos.parameters()]
    for parameter, average in zip(vocos.parameters(), averages, strict=True):
        parameter.data, average.data = average.data, parameter.data


def write_data(vocos: Vocos) -> None:
    torch._foreach_mul_([parameter.data for parameter in vocos.parameters()], 1.1)


def write_storage(vocos: Vocos) -> None:
    for parameter in vocos.parameters():
        parameter.untyped_storage().copy_((parameter.detach() * 1.1).untyped_storage())


@torch.no_grad()
def set_memory(vocos: Vocos) -> None:
    for parameter in vocos.parameters():
        parameter.set_(parameter * 1.1)  # type: ignore[call-overload]


def assign(vocos: Vocos) -> None:
    vocos.load_state_dict({name: value * 1.1 for name, value in vocos.state_dict().items()}, assign=True)


@torch.inference_mode()
def write_in_inference_mode(vocos: Vocos) -> None:
    for parameter in vocos.parameters():
        parameter.mul_(1.1)


def write_in_a_thread(vocos: Vocos) -> None:
    thread = threading.Thread(target=write_numpy, args=(vocos,))
    thread.start()
    thread.join()


def reverse_rows(vocos: Vocos) -> None:
    weight = vocos.backbone.convnext[1].pwconv2.weight  # type: ignore[union-attr]
    weight.data.copy_(weight.detach().flip(0))


def transpose(vocos: Vocos) -> None:
    layer = vocos.backbone.convnext[0].pwconv1  # type: ignore[union-attr]
    layer.weight.data = (2 * layer.weight.detach()).t().contiguous().t()


def write_window(vocos: Vocos) -> None:
    vocos.head.istft.window.numpy()[...] **= 0.5  # type: ignore[union-attr]


def write_one_bias(vocos: Vocos) -> None:
    vocos.head.out.bias.data[3] += 2  # type: ignore[union-attr]


def hook(vocos: Vocos) -> None:
    vocos.backbone.convnext[0].pwconv1.register_forward_hook(lambda _module, _inputs, output: 2 * output)  # type: ignore[union-attr]


def parametrize_weight(vocos: Vocos) -> None:
    class Doubled(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return 2 * weight

    parametrize.register_parametrization(vocos.backbone.convnext[0].pwconv1, "weight", Doubled())  # type: ignore[union-attr]


def prune_head(vocos: Vocos) -> None:
    prune.l1_unstructured(vocos.head.out, "weight", 0.5)


def replace_layer(vocos: Vocos) -> None:
    class Adapted(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    block = vocos.backbone.convnext[0]  # type: ignore[union-attr]
    layer = Adapted(block.pwconv1.in_features, block.pwconv1.out_features)
    layer.load_state_dict(block.pwconv1.state_dict())
    block.pwconv1 = layer


WAYS: list[Callable[[Vocos], None]] = [
    train(lambda weights: torch.optim.AdamW(weights, 1e-2, fused=True)),
    train(lambda weights: torch.optim.SGD(weights, 0.1, fused=True)),
    train(lambda weights: torch.optim.Adagrad(weights, fused=True)),
    train(lambda weights: torch.optim.AdamW(weights, 1e-2, foreach=True)),
    train(lambda weights: torch.optim.LBFGS(weights, max_iter=2)),
    *(write_numpy, swap_data, write_data, write_storage, set_memory, assign, write_in_inference_mode),
    *(write_in_a_thread, reverse_rows, transpose, write_window, write_one_bias),
    *(hook, parametrize_weight, prune_head, replace_layer),
]


@pytest.mark.parametrize("change", WAYS)
def test_every_way_of_writing_is_heard(vocos: Vocos, features: Tensor, change: Callable[[Vocos], None]) -> None:
    before = assert_decodes_as_modules(vocos, features)
    change(vocos)
    after = assert_decodes_as_modules(vocos, features)
    assert float((after - before).abs().max()) > 10 * CLOSE * float(before.abs().max())
    with vocos.streaming() as stream:
        streamed = torch.cat([stream(features), stream.flush()], dim=1)
    assert float((streamed - after).abs().max()) < CLOSE * float(after.abs().max())


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_runtimes_hear_it_too(vocos: Vocos, features: Tensor, name: BackendName) -> None:
    vocos.backend = choose_backend(name)
    for change in (write_numpy, replace_layer):
        assert_decodes_as_modules(vocos, features)
        change(vocos)
        assert_decodes_as_modules(vocos, features)


def test_a_single_value_of_a_large_matrix_is_heard(vocos: Vocos, features: Tensor) -> None:
    """Where autograd counts the write, at `prepare`, in a stream, and where there is credit for a complete look."""
    weight = vocos.backbone.convnext[1].pwconv1.weight  # type: ignore[union-attr]
    assert_decodes_as_modules(vocos, features)
    with torch.no_grad():
        weight[5, 7] += 30
    assert_decodes_as_modules(vocos, features)
    weight.data[5, 7] -= 30
    vocos.backend.prepare(vocos)  # type: ignore[attr-defined]
    assert_decodes_as_modules(vocos, features)
    weight.data[6, 8] += 30
    with vocos.streaming() as stream:
        streamed = torch.cat([stream(features), stream.flush()], dim=1)
    expected = assert_decodes_as_modules(vocos, features)
    assert float((streamed - expected).abs().max()) < CLOSE * float(expected.abs().max())
    vocos.backend = copy.deepcopy(vocos.backend)
    for row in range(10):  # each change is a new start, with all credits
        assert_decodes_as_modules(vocos, features)
        weight.data[row, 8] -= 30
        assert_decodes_as_modules(vocos, features)


def test_complete_looks_are_rare_in_a_busy_loop(
    vocos: Vocos, features: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number of decodes look at all weights, the others only once that has been earned by waiting."""
    looks, clock = [], iter(range(1000))
    look = snapshot.Snapshot._look_at_all
    monkeypatch.setattr(snapshot.Snapshot, "_look_at_all", lambda self: looks.append(1) or look(self))
    monkeypatch.setattr(
        snapshot, "time", SimpleNamespace(perf_counter=lambda: float(next(clock)))
    )  # a look takes a second, and so on
    vocos.decode(features)
    for _ in range(500):
        vocos.decode(features)
    # The first is the engine's own; one more for every 66 readings of the clock, with which a second passes each.
    assert len(looks) == pytest.approx(1 + snapshot.CREDITS + 500 / snapshot.REST, abs=1.5)


def test_weights_lent_for_a_call_are_used(vocos: Vocos) -> None:
    audio = torch.randn(1, 20 * HOP, generator=torch.Generator().manual_seed(1))
    before = vocos(audio)
    lent = {name: value * 1.1 for name, value in vocos.state_dict().items()}
    with torch.no_grad():
        found = torch.func.functional_call(vocos, lent, (audio,))
    assert torch.equal(vocos(audio), before)
    vocos.load_state_dict(lent)
    assert torch.equal(vocos(audio), found)
    assert not torch.equal(before, found)


def test_half_precision_copies_and_back(vocos: Vocos, features: Tensor) -> None:
    assert_decodes_as_modules(vocos, features)
    half = copy.deepcopy(vocos).half()
    assert torch.isfinite(half.decode(features)).all()
    assert_decodes_as_modules(half.float(), features)
    assert_decodes_as_modules(vocos, features)


@pytest.mark.parametrize("name", ["torch", "onnxruntime", "openvino"])
def test_all_ways_of_decoding_agree_in_both_modes(
    make_model: Callable[..., Vocos], features: Tensor, name: BackendName
) -> None:
    """A model decodes alike in train mode and in eval mode; only a training step has no contrast."""
    vocos = make_model("mel", "convnext", "refined")
    vocos.backend = choose_backend(name)
    heard = []
    for mode in (True, False):
        vocos.train(mode)
        expected = assert_decodes_as_modules(vocos, features)
        with vocos.streaming() as stream:
            streamed = torch.cat([stream(features), stream.flush()], dim=1)
        assert float((streamed - expected).abs().max()) < CLOSE * float(expected.abs().max())
        heard.append(expected)
    assert torch.equal(heard[0], heard[1])
    step = vocos.train().synthesize(features)
    assert step.requires_grad
    assert not torch.allclose(step, heard[0], atol=1e-2 * float(heard[0].abs().max()))
