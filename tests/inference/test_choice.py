"""What `auto` chooses: the fastest precision that runs, and of nearly equal ones the most exact."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys

import pytest
import torch

from vocos_plugins import Vocos
from vocos_plugins.inference import backend
from vocos_plugins.inference.backend import Backend
from vocos_plugins.inference.fast import choice, remembered
from vocos_plugins.inference.fast.choice import Choice, choose_precision
from vocos_plugins.inference.fast.onednn import has_onednn
from vocos_plugins.network.backbone import ConvNeXtBlock

needs_onednn = pytest.mark.skipif(not has_onednn(), reason="this processor or torch has no oneDNN for x86")
# What a process may be limited to; each is less than what it stands for has.
LIMITS = {
    "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    "avx512": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    "vnni": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"},
    "bf16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"},
    "none": {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"},
}
# Signal to error next to the modules, dB: float32 differs by rounding, 8 bits by what docs/performance.md promises.
LEAST_DB = {"float32": 80, "bfloat16": 20, "int8": 10, "auto": 10}
DECODE = """
import sys, torch
from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.mel.speech import CLIPS, read_clip
name = "vocos-mel-22khz-small"
plain = Vocos.from_pretrained(name, refinement_steps=0, precision="float32")
mel = MelSpectrogram(plain.mel)(read_clip(CLIPS[0], 22050)[None])[:, :, :100]
with torch.no_grad():
    expected = plain.compute(mel)
for precision in sys.argv[1:]:
    try:
        found = Vocos.from_pretrained(name, refinement_steps=0, precision=precision).decode(mel)
    except ValueError as error:
        print(precision, "refused", error)
        continue
    print(precision, float(10 * torch.log10(expected.square().sum() / (found - expected).square().sum())))
"""


@pytest.fixture(autouse=True)
def nothing_is_remembered(tmp_path, monkeypatch) -> None:
    """Neither in this process nor on disk."""
    monkeypatch.setenv("VOCOS_PLUGINS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(choice, "_chosen", {})


@pytest.fixture
def block() -> ConvNeXtBlock:
    """A small block."""
    return ConvNeXtBlock(48, 80, 1.0, None).requires_grad_(False)


@pytest.mark.parametrize(
    ("relative", "order"),
    [
        ({"float32": 1.0, "bfloat16": 2.0, "int8": 3.0}, ("float32", "bfloat16", "int8")),
        ({"float32": 3.0, "bfloat16": 2.0, "int8": 1.0}, ("int8", "bfloat16", "float32")),
        ({"float32": 1.04, "bfloat16": 1.0, "int8": 1.02}, ("float32", "bfloat16", "int8")),
        ({"float32": 1.5, "bfloat16": 1.03, "int8": 1.0}, ("bfloat16", "int8", "float32")),
    ],
)
def test_a_less_exact_precision_must_be_worth_it(relative, order) -> None:
    """It comes first only if it saves more than a twentieth of the time."""
    assert choice._order(relative) == order


@needs_onednn
def test_the_fastest_is_found_and_remembered(block, monkeypatch) -> None:
    """By the clock: here one that each precision turns on by a time of its own. A second model isn't measured."""
    now = [0.0]
    taken = {"float32": 0.02, "bfloat16": 0.03, "int8": 0.01}

    def build(_, name):
        def run(*_):
            now[0] += taken[name] / len(choice.FRAMES)

        return run

    monkeypatch.setattr(choice, "_build", build)
    for clock in ("perf_counter", "thread_time"):
        monkeypatch.setattr(choice.time, clock, lambda: now[0])
    found = choose_precision(block, ("float32", "bfloat16", "int8"))
    assert found.order == ("int8", "float32", "bfloat16")
    assert found.relative == pytest.approx({"float32": 2, "bfloat16": 3, "int8": 1})
    # One run of each that warms up, then turns until the limit is over.
    assert now[0] < choice.LIMIT_S + 2.01 * sum(taken.values())
    monkeypatch.setattr(choice, "_measure", lambda *_: pytest.fail("measured again"))
    assert choose_precision(copy.deepcopy(block), ("float32", "bfloat16", "int8")) is found
    choice._chosen.clear()  # as in another process
    assert choose_precision(block, ("float32", "bfloat16", "int8")) == found


@needs_onednn
@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "VOCOS_PLUGINS_CACHE"])
def test_what_another_machine_found_does_not_count(block, monkeypatch, variable) -> None:
    """Nor does what was found within other limits."""
    choose_precision(block, ("float32", "int8"))
    monkeypatch.setattr(choice, "_chosen", {})
    monkeypatch.setenv(variable, "elsewhere")
    measured = []
    monkeypatch.setattr(choice, "_measure", lambda *_: measured.append(1) or Choice(order=("float32",)))
    assert choose_precision(block, ("float32", "int8")).order == ("float32",)
    assert measured


@needs_onednn
@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"KEY": 3}', '{"KEY": {}}', '{"KEY": {"order": ["double"]}}', '{"KEY": {"order": [], "more": 1}}'],
)
def test_a_damaged_file_is_ignored_and_replaced(block, text) -> None:
    """Whatever it holds under the key."""
    key = remembered.machine_key(*block.pwconv1.weight.shape, "float32", "int8")
    remembered.cache_file().parent.mkdir()
    remembered.cache_file().write_text(text.replace("KEY", key))
    found = choose_precision(block, ("float32", "int8"))
    assert set(found.order) == {"float32", "int8"}
    assert json.loads(remembered.cache_file().read_text())[key]["order"] == list(found.order)
    assert remembered.find_fault() == ""


def test_a_fault_of_the_file_is_said(tmp_path, monkeypatch) -> None:
    """Damaged, too large, a folder that is a file: nothing is raised."""
    path = remembered.cache_file()
    path.parent.mkdir()
    for text, words in (("{", "it is damaged"), ("[" * 200_000, "larger than 100000 bytes")):
        path.write_text(text)
        assert words in remembered.find_fault()
        assert remembered.recall("key") is None
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VOCOS_PLUGINS_CACHE", str(tmp_path / "file"))
    remembered.remember("key", {"order": []})
    assert remembered.recall("key") is None


@needs_onednn
def test_a_precision_that_raises_is_out(block, monkeypatch) -> None:
    """And said so."""
    build = choice._build

    def fail(block, name):
        if name == "bfloat16":
            raise RuntimeError("no such\ninstruction")
        return build(block, name)

    monkeypatch.setattr(choice, "_build", fail)
    found = choose_precision(block, ("float32", "bfloat16"))
    assert found.order == ("float32",)
    assert str(found) == "bfloat16 doesn't run: no such instruction"


@needs_onednn
@pytest.mark.parametrize("broken", [("int8",), ("int8", "bfloat16", "float32")])
def test_the_next_one_is_built_where_an_engine_is_not(broken, make_config, randomize, monkeypatch) -> None:
    """In the end the modules decode, and nothing is raised."""
    vocos = Vocos(make_config())
    randomize(vocos)
    features = torch.randn(1, 12, 30)
    with torch.no_grad():
        expected = vocos.compute(features)
    build = backend.build_fast_engine

    def fail(network, precision):
        if precision in broken:
            raise RuntimeError("no such instruction")
        return build(network, precision)

    monkeypatch.delenv("VOCOS_PLUGINS_PRECISION", raising=False)
    monkeypatch.setattr(backend, "build_fast_engine", fail)
    monkeypatch.setattr(backend, "choose_precision", lambda *_: Choice(order=("int8", "float32")))
    vocos.backend = Backend("auto")
    torch.testing.assert_close(vocos.decode(features), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert vocos.backend.choice is not None


@pytest.mark.parametrize("limit", LIMITS)
def test_every_precision_decodes_or_is_refused_on_lesser_processors(limit) -> None:
    """In a process that may use only some instructions: each decodes as the modules do, or is refused in words."""
    environment = {key: value for key, value in os.environ.items() if key != "VOCOS_PLUGINS_PRECISION"}
    command = [sys.executable, "-c", DECODE, *LEAST_DB]
    done = subprocess.run(command, env={**environment, **LIMITS[limit]}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert set(lines) == set(LEAST_DB)
    for precision, found in lines.items():
        if found.startswith("refused"):
            assert precision in ("bfloat16", "int8")
            assert "use precision='float32' or 'auto'" in found
        else:
            assert float(found) > LEAST_DB[precision]
