"""What is built for speed follows the model: its weights, its mode, its copies, and who is looking."""

from __future__ import annotations

import copy
import dataclasses
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vocos_plugins import Vocos
from vocos_plugins.config import VocosConfig
from vocos_plugins.inference import items
from vocos_plugins.inference.backend import Backend
from vocos_plugins.inference.fast.head import FastISTFT
from vocos_plugins.inference.items import run_items
from vocos_plugins.network.network import engine_allowed, module_engine

Make = Callable[..., VocosConfig]
Randomize = Callable[[nn.Module], nn.Module]
CLOSE = 1e-5  # of float32, see test_precisions


@pytest.fixture
def vocos(make_config: Make, randomize: Randomize) -> Vocos:
    model = Vocos(make_config())
    randomize(model)
    return model


@pytest.fixture
def features(vocos: Vocos) -> Tensor:
    return torch.randn(1, vocos.config.n_features, 20, generator=torch.Generator().manual_seed(0))


def by_modules(vocos: Vocos, features: Tensor) -> Tensor:
    with torch.no_grad():
        return vocos.compute(features)


def load(vocos: Vocos) -> None:
    other = Vocos(vocos.config)
    vocos.load_state_dict(other.state_dict())


def descend(vocos: Vocos) -> None:
    optimizer = torch.optim.SGD(vocos.parameters(), lr=0.1)
    vocos.train()
    vocos.synthesize(torch.randn(1, vocos.config.n_features, 20)).square().mean().backward()
    optimizer.step()
    vocos.eval()


def replace(vocos: Vocos) -> None:
    vocos.head.out = copy.deepcopy(vocos.head.out)
    nn.init.normal_(vocos.head.out.weight)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [load, descend, replace])
def test_changed_weights_are_heard(vocos: Vocos, features: Tensor, change: Callable[[Vocos], None]) -> None:
    before = vocos.decode(features)
    change(vocos)
    after = vocos.decode(features)
    assert not torch.allclose(after, before, atol=1e-2 * float(before.abs().max()))
    assert torch.allclose(after, by_modules(vocos, features), atol=CLOSE * float(after.abs().max()))


def test_gradients_flow_where_they_are_wanted(vocos: Vocos, features: Tensor) -> None:
    vocos.decode(features)
    vocos.synthesize(features).square().mean().backward()
    assert all(parameter.grad is not None for parameter in vocos.backbone.parameters())


@pytest.mark.parametrize("head", ["istft", "wavenext"])
def test_audio_is_an_ordinary_tensor(make_config: Make, head: str) -> None:
    """It is computed in inference mode, whose tensors know no gradients."""
    vocos = Vocos(make_config(head=head, framing="same"))
    given = torch.randn(1, vocos.config.n_features, 20)
    with vocos.streaming() as stream:
        for audio in (vocos.decode(given), stream(given), stream.flush()):
            assert audio.numel() > 0
            assert not audio.is_inference()
            assert (audio * torch.ones(1, requires_grad=True)).requires_grad


def test_gradients_and_autocast_see_the_modules() -> None:
    cpu = torch.device("cpu")
    with torch.no_grad():
        assert engine_allowed(cpu)
        assert not engine_allowed(torch.device("meta"))
        with torch.autocast("cpu"):
            assert not engine_allowed(cpu)
    assert not engine_allowed(cpu)


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_a_traced_model_has_its_parameters(vocos: Vocos, features: Tensor) -> None:
    with torch.no_grad():
        traced = torch.jit.trace_module(vocos, {"synthesize": features}, check_trace=False).synthesize
        expected = vocos.synthesize(features)
        assert torch.allclose(traced(features), expected, atol=CLOSE * float(expected.abs().max()))
    assert "mkldnn" not in str(traced.graph)


def test_copies_are_whole_and_small(vocos: Vocos, features: Tensor) -> None:
    vocos.backend = Backend(precision="auto")
    expected = vocos.decode(features)
    size = len(pickle.dumps(Vocos(vocos.config)))
    for clone in (copy.deepcopy(vocos), pickle.loads(pickle.dumps(vocos))):  # noqa: S301
        assert clone.backend.precision == "auto"
        assert clone.backend is not vocos.backend
        assert torch.equal(clone.decode(features), expected)
    assert len(pickle.dumps(vocos)) < 1.01 * size
    file = io.BytesIO()
    torch.save(vocos.state_dict(), file)
    assert vocos.state_dict().keys() == Vocos(vocos.config).state_dict().keys()


def test_other_backbones_and_dtypes_are_computed_by_modules(make_config: Make, randomize: Randomize) -> None:
    for model in (Vocos(make_config(backbone="resnet")), Vocos(make_config()).double()):
        randomize(model)
        given = torch.randn(2, model.config.n_features, 10, dtype=next(model.parameters()).dtype)
        expected = by_modules(model, given)
        assert torch.allclose(model.decode(given), expected, atol=CLOSE * float(expected.abs().max()))


@pytest.mark.parametrize("framing", ["center", "same"])
@pytest.mark.parametrize("head", ["istft", "refined", "upsampled", "imdct-cos"])
def test_long_items_are_computed_in_pieces(
    make_config: Make, randomize: Randomize, monkeypatch: pytest.MonkeyPatch, head: str, framing: str
) -> None:
    """With pieces of 50 frames, so that a test need not be long; no piece is longer, and their seams aren't heard."""
    monkeypatch.setattr(items, "PIECE_FRAMES", 50)
    model = Vocos(make_config(head=head, framing=framing))
    randomize(model)
    lengths: list[int] = []

    def engine(given: Tensor, bandwidth: int | None) -> Tensor:
        lengths.append(given.shape[1])
        return module_engine(model)(given, bandwidth)

    given = torch.randn(1, model.config.n_features, 333)
    (found,) = run_items(model, engine, [given[0]], [None])
    expected = by_modules(model, given)[0]
    assert torch.allclose(found, expected, atol=CLOSE * float(expected.abs().max()))
    assert len(lengths) == 7
    assert max(lengths) < 50 + 2 * 25


THREADS = """
import torch
from vocos_plugins import Vocos
torch.set_num_threads(3)
vocos = Vocos.from_pretrained("vocos-mel-22khz-small", refinement_steps=0, precision="float32")  # they magnify rounding
mels = torch.randn(7, 80, 40)
lengths = torch.tensor([40, 3, 40, 1, 20, 0, 7])
together, ragged = vocos.decode(mels), vocos.decode(mels, lengths=lengths)
assert torch.get_num_threads() == 3, torch.get_num_threads()
for mel, one, row, n in zip(mels, together, ragged, lengths.tolist()):
    alone = vocos.decode(mel[None])[0]
    assert (alone - one).abs().max() < 1e-5 * alone.abs().max()
    alone = vocos.decode(mel[None, :, :n])[0] if n else one[:0]
    assert not row[len(alone):].any()
    assert len(alone) == 0 or (alone - row[: len(alone)]).abs().max() < 1e-5 * alone.abs().max()
    assert not row.requires_grad
import os
if (child := os.fork()) == 0:
    torch.set_num_threads(1)
    os._exit(0 if vocos.decode(mels).shape == together.shape else 1)
assert os.waitpid(child, 0)[1] == 0
print("fine")
"""


def test_items_are_shared_among_cores() -> None:
    """In a process of its own, as the suite runs on one thread; a forked child goes on without the threads."""
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "fine\n", done.stderr


@pytest.mark.parametrize("steps", [0, 3])
def test_refinement_may_change_during_a_decode(
    make_config: Make, randomize: Randomize, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """A decode keeps the number of passes that it began with when another thread sets another."""
    config = make_config()
    vocos = Vocos(dataclasses.replace(config, head=dataclasses.replace(config.head, refinement_steps=2)))
    randomize(vocos)
    features = torch.randn(1, vocos.config.n_features, 20)
    expected = vocos.decode(features)
    predict = FastISTFT._spectra

    def interrupted(self: FastISTFT, *given: Tensor) -> tuple[Tensor, Tensor]:
        vocos.set_refinement_steps(steps)
        return predict(self, *given)

    monkeypatch.setattr(FastISTFT, "_spectra", interrupted)
    assert torch.equal(vocos.decode(features), expected)


def test_loading_builds(vocos: Vocos, features: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first decode after `from_pretrained` waits for nothing that is built once."""
    vocos.save_pretrained(tmp_path)
    loaded = Vocos.from_pretrained(tmp_path)
    monkeypatch.setattr(Backend, "_build", None)
    assert len(loaded.decode(features)) == 1
    monkeypatch.undo()
    assert len(vocos.decode(features)) == 1
