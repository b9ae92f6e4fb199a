"""Checks of the real installation and of simulated ones."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re

import pytest
import torch

from vocos_plugins.apps.doctor import installation as module
from vocos_plugins.apps.doctor.installation import check_toolkit, version_tuple
from vocos_plugins.apps.doctor.torchaudio import Probe
from vocos_plugins.plugins import PluginState

NEMO_REQUIRES = [
    "nv_one_logger_pytorch_lightning_integration<=2.0.0; extra == 'core'",
    "lightning<=2.4.0,>2.2.1; extra == 'core'",
]


@pytest.fixture
def quick(monkeypatch):
    """Pretends that torchaudio works, without importing it."""
    monkeypatch.setattr(module, "probe_torchaudio", lambda: Probe(version="2.11.0"))


@pytest.fixture
def without(monkeypatch):
    """Hides modules from the import system."""
    find_spec = importlib.util.find_spec

    def hide(*names):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in names else find_spec(name))

    return hide


@pytest.fixture
def versions(monkeypatch):
    """Sets versions of distributions, and NeMo's requirements."""

    def pretend(**known):
        def version(name):
            if known.get(name) is None:
                raise importlib.metadata.PackageNotFoundError(name)
            return known[name]

        monkeypatch.setattr(importlib.metadata, "version", version)
        monkeypatch.setattr(importlib.metadata, "requires", lambda _: NEMO_REQUIRES)

    return pretend


def plugin(**values):
    """The state of a plugin, loaded by default."""
    known = {"entry_point": "x.plugin", "distribution": "x", "state": "loaded", "reason": None, "hooks": ("hook",)}
    return PluginState(**{"name": "x", **known, **values})


def toolkit(name):
    """The state of a plugin whose toolkit is installed."""
    return plugin(toolkit_module="x", toolkit=name, toolkit_version="1.0")


def by_name(checks):
    return {check.name: check for check in checks}


def test_this_installation(quick):
    """Versions are the packages' own; only missing packages have none."""
    checks = module.check_installation()
    core = by_name(check for check in checks if check.group == "core")
    assert list(core) == ["python", "vocos-plugins", "torch", "kernels", "torchaudio"]
    assert core["torch"].version == torch.__version__
    assert core["torchaudio"].version == "2.11.0"
    for check in checks:
        assert (check.version is None) == (check.state == "missing")
    assert {"core", "bark", "coqui", "nemo", "speechbrain"} <= {
        check.name for check in checks if check.group == "plugin"
    }


def test_torch_s_build(quick, monkeypatch):
    """The detail says whether torch was built for CUDA, which torchaudio has to match."""
    for cuda, text in ((None, "for the CPU"), ("12.8", "for CUDA 12.8, ")):
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(torch.version, "hip", None)
        assert by_name(module.check_installation())["torch"].detail.startswith(text)


def test_a_torchaudio_that_can_t_be_imported(monkeypatch):
    """It is broken; the check has the cause, Python's error and a fix."""
    probe = Probe(cause="it was built for CUDA", error="OSError: libc10_cuda.so")
    monkeypatch.setattr(module, "probe_torchaudio", lambda: probe)
    check = by_name(module.check_installation())["torchaudio"]
    assert (check.state, check.detail) == ("broken", "it was built for CUDA: OSError: libc10_cuda.so")
    assert "of the same build" in check.fix


@pytest.mark.skipif(not module.has_onednn(), reason="this processor or torch has no oneDNN for x86")
def test_fast_kernels(quick, monkeypatch, tmp_path):
    """The fastest precision is named with the times, and so is a file of earlier times that can't be read."""
    monkeypatch.setenv("VOCOS_PLUGINS_CACHE", str(tmp_path))
    detail = by_name(module.check_installation())["kernels"].detail
    assert re.match(r"(float32|bfloat16|int8) is the fastest of float32\b.*; relative times: float32 \d", detail)
    assert "ignored" not in detail
    (tmp_path / "precisions.json").write_text("{")
    detail = by_name(module.check_installation())["kernels"].detail
    assert f"{tmp_path / 'precisions.json'} is ignored: it is damaged" in detail


def test_no_torchaudio_is_no_fault(monkeypatch):
    """A missing torchaudio isn't an error, since the core doesn't need it."""
    monkeypatch.setattr(module, "probe_torchaudio", lambda: None)
    monkeypatch.setattr(module, "plugin_states", list)
    monkeypatch.setattr(module, "has_onednn", lambda: False)  # nor is a processor without fast kernels
    assert [check.state for check in module.check_installation()] == ["ok", "ok", "ok", "missing", "missing"]


def test_a_toolkit_that_isn_t_installed_is_no_fault():
    """A missing toolkit isn't an error; the check has the command that installs it."""
    state = plugin(toolkit_module="nemo", toolkit="nemo_toolkit", install="pip install 'vocos-plugins[nemo]'")
    (check,) = check_toolkit(state)
    assert (check.state, check.version, check.fix) == ("missing", None, state.install)


@pytest.mark.parametrize("name", ["torchaudio", "torchcodec", "six"])
def test_what_coqui_tts_leaves_to_its_user(without, monkeypatch, name):
    """Coqui TTS can't be imported without these undeclared dependencies, so a missing one counts as broken."""
    monkeypatch.setattr(torch, "__version__", "2.13.0+cpu")
    without(name)
    check = by_name(check_toolkit(toolkit("coqui-tts")))[name]
    assert (check.state, check.fix) == ("broken", f"pip install {name}")
    assert "coqui-tts doesn't start without it" in check.detail


def test_an_older_torch_needs_no_torchcodec(without, monkeypatch):
    """With an older torch, torchaudio still reads files itself."""
    monkeypatch.setattr(torch, "__version__", "2.8.1")
    without("torchcodec")
    assert "torchcodec" not in by_name(check_toolkit(toolkit("coqui-tts")))


@pytest.mark.parametrize(
    ("version", "state"), [("2.4.0", "ok"), ("2.3.9", "ok"), ("2.5.0.post0", "broken"), ("2.10.1", "broken")]
)
def test_lightning_beside_nemo(versions, version, state):
    """NeMo's own limit applies; versions are compared as numbers, not as text."""
    versions(lightning=version)
    check = by_name(check_toolkit(toolkit("nemo_toolkit")))["lightning"]
    assert (check.state, check.version) == (state, version)
    assert check.fix == ("" if state == "ok" else "pip install 'lightning<=2.4.0'")


def test_no_lightning_beside_nemo(versions):
    """A plain ``pip install nemo_toolkit`` doesn't install lightning."""
    versions(lightning=None)
    check = by_name(check_toolkit(toolkit("nemo_toolkit")))["lightning"]
    assert (check.state, check.fix) == ("broken", "pip install 'vocos-plugins[nemo]'")


def test_this_nemo_s_limit_is_found():
    """The installed NeMo's metadata have the limit, and this environment keeps to it."""
    limit = module.lightning_limit("nemo_toolkit")
    if limit is None:
        pytest.skip("NeMo isn't installed")
    assert version_tuple(importlib.metadata.version("lightning")) <= version_tuple(limit)


def test_a_toolkit_that_pip_knows_nothing_of():
    """A toolkit that is only on the path has no metadata: there is no limit and no error."""
    assert module.lightning_limit("no-such-distribution") is None


def test_plugins(quick, monkeypatch):
    """Loaded, disabled and broken plugins are listed, and a contradiction between two; nothing is listed twice."""
    states = [
        plugin(name="good"),
        plugin(name="off", state="disabled"),
        plugin(name="bad", state="broken", reason="ImportError: no song"),
    ]
    contradiction = "the plugins 'a' and 'b' both define a checkpoint 'c'"
    problems = ["plugin 'bad' (x) is skipped: ImportError: no song", contradiction]
    monkeypatch.setattr(module, "plugin_states", lambda: states)
    monkeypatch.setattr(module, "problems", lambda: problems)
    checks = [check for check in module.check_installation() if check.group == "plugin"]
    assert [(check.name, check.state) for check in checks] == [
        ("good", "ok"),
        ("off", "off"),
        ("bad", "broken"),
        ("plugins", "broken"),
    ]
    assert checks[2].detail == "ImportError: no song"
    assert "VOCOS_PLUGINS_DISABLE=bad" in checks[2].fix
    assert checks[3].detail == contradiction


def test_an_unknown_python(quick, monkeypatch):
    """A Python older or newer than the supported ones is broken."""
    monkeypatch.setattr(module, "PYTHONS", ((4, 0), (4, 1)))
    check = by_name(module.check_installation())["python"]
    assert (check.state, check.detail) == ("broken", "expected 4.0 to 4.1")


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("2.13.0+cpu", (2, 13)), ("2.9.1", (2, 9, 1)), ("2.10", (2, 10)), ("2.5.0.post0", (2, 5)), ("x", ())],
)
def test_versions_are_numbers(version, numbers):
    """Only the leading numbers count, and 2.9.0 equals 2.9."""
    assert version_tuple(version) == numbers
