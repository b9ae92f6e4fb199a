"""``vocos compile``: the library computes what the engine does, wherever it is used, and is left out where it can't."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings

import pytest
import torch

from vocos_plugins import Vocos
from vocos_plugins.inference.backend import Backend
from vocos_plugins.inference.fast.compiled import FRAMES, library_path, list_libraries
from vocos_plugins.inference.fast.onednn import has_onednn

pytestmark = [
    pytest.mark.xdist_group("compiled"),  # once, for all of them
    pytest.mark.skipif(not has_onednn(), reason="this processor or torch has no oneDNN for x86"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ to compile with"),
]
THREADS = 2
# What of torch's threads and its compiler a process gets from here: no more, so that libraries fit.
USE = """
import sys, warnings, torch
from vocos_plugins import Vocos
torch.set_num_threads(2)
vocos = Vocos.from_pretrained(sys.argv[1], precision="float32")
mel = torch.load(sys.argv[2])
with torch.no_grad():
    engine = vocos.backend.engine(vocos, torch.device("cpu"))
print(engine.compiled is not None)
torch.save(vocos.decode(mel), sys.argv[3])
"""


def compile_model(directory, cache, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = ["import torch; torch.set_num_threads(2)", "from vocos_plugins.apps.cli.app import main; main()"]
    return subprocess.run(
        [sys.executable, "-c", "\n".join(command), "compile", str(directory), *options],
        env={**os.environ, "VOCOS_PLUGINS_CACHE": str(cache), **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def directory(make_config, randomize, tmp_path_factory):
    """A model whose network is small: compiling takes as long for a large one. Its head has passes and a prior."""
    path = tmp_path_factory.mktemp("model")
    randomize(Vocos(make_config(head="upsampled"))).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def compiled(directory, cache):
    """The directory of a model that was compiled in float32."""
    done = compile_model(directory, cache, "--precision", "float32")
    assert done.returncode == 0, done.stderr
    assert "The network takes" in done.stdout
    assert "ms for one second of audio, in place of" in done.stdout
    return directory


@pytest.fixture(autouse=True)
def two_threads(cache, monkeypatch):
    """In this process as in the one that compiles."""
    monkeypatch.setenv("VOCOS_PLUGINS_CACHE", str(cache))
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


def engine_of(vocos: Vocos):
    with torch.no_grad():
        return vocos.backend.engine(vocos, torch.device("cpu"))


def signal_to_error_db(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float(10 * torch.log10(expected.square().sum() / ((found - expected).square().sum() + 1e-20)))


@pytest.mark.parametrize("n_frames", [FRAMES[0], 20, 86, FRAMES[-1]])
def test_it_computes_what_the_modules_do(compiled, n_frames) -> None:
    """At any length that it takes, also of features that lie in memory otherwise; float32 differs by rounding alone."""
    vocos = Vocos.from_pretrained(compiled, precision="float32")
    library = engine_of(vocos).compiled
    mel = torch.randn(1, vocos.config.n_features, n_frames + 5) - 5
    part = mel[:, :, 5:]
    assert library is not None
    assert library.fits(part[0])
    with torch.no_grad():
        expected = vocos.compute(part)
    assert signal_to_error_db(vocos.decode(part), expected) > 90
    assert signal_to_error_db(library.run(part[0]), expected[0]) > 90


def test_other_processes_use_it(compiled, cache, tmp_path) -> None:
    mel = torch.randn(1, 12, 50) - 5
    torch.save(mel, tmp_path / "mel.pt")
    done = subprocess.run(
        [sys.executable, "-c", USE, compiled, tmp_path / "mel.pt", tmp_path / "audio.pt"],
        env={**os.environ, "VOCOS_PLUGINS_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True"
    vocos = Vocos.from_pretrained(compiled, precision="float32")
    with torch.no_grad():
        expected = vocos.compute(mel)
    assert signal_to_error_db(torch.load(tmp_path / "audio.pt"), expected) > 90


def test_what_it_does_not_hold_for_is_left_to_the_engine(compiled) -> None:
    """Long items, batches, other weights, other passes, another precision or number of threads."""
    vocos = Vocos.from_pretrained(compiled, precision="float32")
    engine = engine_of(vocos)
    used = []
    engine.compiled.run = used.append
    for shape in ((1, 12, FRAMES[-1] + 1), (1, 12, 1), (2, 12, 40)):
        vocos.decode(torch.randn(shape) - 5)
    torch.set_num_threads(1)
    vocos.decode(torch.randn(1, 12, 40) - 5)
    torch.set_num_threads(THREADS)
    assert used == []
    vocos.set_refinement_steps(3)
    assert engine_of(vocos).compiled is None
    vocos.set_refinement_steps(1)
    assert engine_of(vocos).compiled is not None
    with torch.no_grad():
        vocos.head.out.bias.add_(0.1)
    assert engine_of(vocos).compiled is None
    other = Vocos.from_pretrained(compiled, precision="float32")
    other.backend = Backend("auto")
    assert (engine_of(other).precision == "float32") == (engine_of(other).compiled is not None)


def test_what_can_not_be_trusted_is_named_and_not_used(compiled, cache) -> None:
    """A damaged library, one of another model, and one that others can write to."""
    vocos = Vocos.from_pretrained(compiled, precision="float32")
    (library,) = list_libraries()
    assert library == library_path(vocos, "float32")
    mel = torch.randn(1, 12, 40) - 5
    expected = vocos.decode(mel)
    kept = library.read_bytes()
    library.chmod(0o666)
    with pytest.warns(UserWarning, match=r"belongs to another user, or others can write to it; `vocos compile` makes"):
        Vocos.from_pretrained(compiled, precision="float32")
    library.unlink()
    library.write_bytes(kept[: len(kept) // 2])
    with pytest.warns(UserWarning, match=rf"{library.name} is not used: it is damaged; `vocos compile` makes"):
        damaged = Vocos.from_pretrained(compiled, precision="float32")
    assert signal_to_error_db(damaged.decode(mel), expected) > 90
    library.unlink()
    library.write_bytes(kept)
    other = Vocos.from_pretrained(compiled, precision="float32")
    with torch.no_grad():
        other.head.out.weight.mul_(-1)
    taken = library_path(other, "float32")
    for suffix in (".so", ".json", ".sha256"):
        shutil.copyfile(library.with_suffix(suffix), taken.with_suffix(suffix))
    with pytest.warns(UserWarning, match=r"it does not compute what the model does: signal to error -?\d+ dB"):
        other.backend.prepare(other)
    taken.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert engine_of(Vocos.from_pretrained(compiled, precision="float32")).compiled is not None


def test_what_can_not_be_compiled_is_refused(directory, make_config, randomize, tmp_path) -> None:
    """Nothing is left of an attempt."""
    cache = tmp_path / "cache"
    done = compile_model(directory, cache, "--precision", "float32", CXX="/nowhere/g++")
    assert done.returncode == 1
    assert "no C++ compiler was found; install one, such as g++, or name it in the environment" in done.stderr
    assert list((cache / "compiled").iterdir()) == []
    model = tmp_path / "imdct"
    randomize(Vocos(make_config(head="imdct-cos"))).save_pretrained(model)
    done = compile_model(model, cache, "--precision", "float32")
    assert done.returncode == 1
    assert "only models with an ISTFT head whose frames overlap by whole hops can be compiled" in done.stderr
    done = compile_model(directory, cache, "--precision", "float16")
    assert done.returncode == 2
    assert "unknown precision 'float16'; known are auto, float32, bfloat16, int8" in done.stderr
