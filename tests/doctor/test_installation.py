"""The installation, as it is here and as it could be."""

from __future__ import annotations

import importlib.metadata
import importlib.util

import pytest
import torch

from vocos_plugins.doctor import installation as module
from vocos_plugins.doctor.installation import check_toolkit, version_tuple
from vocos_plugins.doctor.torchaudio import Probe
from vocos_plugins.plugins import PluginState

NEMO_REQUIRES = [
    "nv_one_logger_pytorch_lightning_integration<=2.0.0; extra == 'core'",
    "lightning<=2.4.0,>2.2.1; extra == 'core'",
]


@pytest.fixture
def quick(monkeypatch):
    """A torchaudio that works, without importing it."""
    monkeypatch.setattr(module, "probe_torchaudio", lambda: Probe(version="2.11.0"))


@pytest.fixture
def without(monkeypatch):
    """Makes modules impossible to find."""
    find_spec = importlib.util.find_spec

    def hide(*names):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in names else find_spec(name))

    return hide


@pytest.fixture
def versions(monkeypatch):
    """Sets versions of distributions, and what NeMo requires."""

    def pretend(**known):
        def version(name):
            if known.get(name) is None:
                raise importlib.metadata.PackageNotFoundError(name)
            return known[name]

        monkeypatch.setattr(importlib.metadata, "version", version)
        monkeypatch.setattr(importlib.metadata, "requires", lambda _: NEMO_REQUIRES)

    return pretend


def plugin(**values):
    """A plugin's state, loaded unless told otherwise."""
    known = {"entry_point": "x.plugin", "distribution": "x", "state": "loaded", "reason": None, "hooks": ("hook",)}
    return PluginState(**{"name": "x", **known, **values})


def toolkit(name):
    """A toolkit that is installed."""
    return plugin(toolkit_module="x", toolkit=name, toolkit_version="1.0")


def by_name(checks):
    return {check.name: check for check in checks}


def test_this_installation(quick):
    """Versions are those that the packages have; nothing that isn't installed has one."""
    checks = module.check_installation()
    core = by_name(check for check in checks if check.group == "core")
    assert list(core) == ["python", "vocos-plugins", "torch", "torchaudio"]
    assert core["torch"].version == torch.__version__
    assert core["torchaudio"].version == "2.11.0"
    for check in checks:
        assert (check.version is None) == (check.state == "missing")
    assert {"core", "bark", "coqui", "nemo", "speechbrain"} <= {
        check.name for check in checks if check.group == "plugin"
    }


def test_torch_s_build(quick, monkeypatch):
    """CUDA or not is what decides about torchaudio."""
    for cuda, text in ((None, "for the CPU"), ("12.8", "for CUDA 12.8, ")):
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(torch.version, "hip", None)
        assert by_name(module.check_installation())["torch"].detail.startswith(text)


def test_a_torchaudio_that_can_t_be_imported(monkeypatch):
    """It is broken, with the reason, Python's words and the way out."""
    probe = Probe(cause="it was built for CUDA", error="OSError: libc10_cuda.so")
    monkeypatch.setattr(module, "probe_torchaudio", lambda: probe)
    check = by_name(module.check_installation())["torchaudio"]
    assert (check.state, check.detail) == ("broken", "it was built for CUDA: OSError: libc10_cuda.so")
    assert "of one build" in check.mend


def test_no_torchaudio_is_no_fault(monkeypatch):
    """The core doesn't need it."""
    monkeypatch.setattr(module, "probe_torchaudio", lambda: None)
    monkeypatch.setattr(module, "plugin_states", list)
    assert [check.state for check in module.check_installation()] == ["ok", "ok", "ok", "missing"]


def test_a_toolkit_that_isn_t_installed_is_no_fault():
    """The command that gets it is shown."""
    state = plugin(toolkit_module="nemo", toolkit="nemo_toolkit", install="pip install 'vocos-plugins[nemo]'")
    (check,) = check_toolkit(state)
    assert (check.state, check.version, check.mend) == ("missing", None, state.install)


@pytest.mark.parametrize("name", ["torchaudio", "torchcodec", "six"])
def test_what_coqui_tts_leaves_to_its_user(without, monkeypatch, name):
    """Without it Coqui TTS can't be imported."""
    monkeypatch.setattr(torch, "__version__", "2.13.0+cpu")
    without(name)
    check = by_name(check_toolkit(toolkit("coqui-tts")))[name]
    assert (check.state, check.mend) == ("broken", f"pip install {name}")
    assert "coqui-tts doesn't start without it" in check.detail


def test_an_older_torch_needs_no_torchcodec(without, monkeypatch):
    """Files were still read by torchaudio then."""
    monkeypatch.setattr(torch, "__version__", "2.8.1")
    without("torchcodec")
    assert "torchcodec" not in by_name(check_toolkit(toolkit("coqui-tts")))


@pytest.mark.parametrize(
    ("version", "state"), [("2.4.0", "ok"), ("2.3.9", "ok"), ("2.5.0.post0", "broken"), ("2.10.1", "broken")]
)
def test_lightning_beside_nemo(versions, version, state):
    """The limit is NeMo's own; versions are numbers, not text."""
    versions(lightning=version)
    check = by_name(check_toolkit(toolkit("nemo_toolkit")))["lightning"]
    assert (check.state, check.version) == (state, version)
    assert check.mend == ("" if state == "ok" else "pip install 'lightning<=2.4.0'")


def test_no_lightning_beside_nemo(versions):
    """A bare ``pip install nemo_toolkit`` leaves it out."""
    versions(lightning=None)
    check = by_name(check_toolkit(toolkit("nemo_toolkit")))["lightning"]
    assert (check.state, check.mend) == ("broken", "pip install 'vocos-plugins[nemo]'")


def test_this_nemo_s_limit_is_found():
    """In what the installed package says of itself: the environment was made to keep to it."""
    limit = module.lightning_limit("nemo_toolkit")
    if limit is None:
        pytest.skip("NeMo isn't installed")
    assert version_tuple(importlib.metadata.version("lightning")) <= version_tuple(limit)


def test_a_toolkit_that_pip_knows_nothing_of():
    """From a checkout on the path: there is no limit to be read, and no error."""
    assert module.lightning_limit("no-such-distribution") is None


def test_plugins(quick, monkeypatch):
    """Loaded, switched off and broken ones; a contradiction between two is told too, and nothing twice."""
    states = [
        plugin(name="good"),
        plugin(name="off", state="disabled"),
        plugin(name="bad", state="broken", reason="ImportError: no song"),
    ]
    told = ["plugin 'bad' (x) is left out: ImportError: no song", "the plugins 'a' and 'b' both have a checkpoint 'c'"]
    monkeypatch.setattr(module, "plugin_states", lambda: states)
    monkeypatch.setattr(module, "problems", lambda: told)
    checks = [check for check in module.check_installation() if check.group == "plugin"]
    assert [(check.name, check.state) for check in checks] == [
        ("good", "ok"),
        ("off", "off"),
        ("bad", "broken"),
        ("plugins", "broken"),
    ]
    assert checks[2].detail == "ImportError: no song"
    assert "VOCOS_PLUGINS_DISABLE=bad" in checks[2].mend
    assert checks[3].detail == told[1]


def test_an_unknown_python(quick, monkeypatch):
    """Older and newer ones than the package is made for."""
    monkeypatch.setattr(module, "PYTHONS", ((4, 0), (4, 1)))
    check = by_name(module.check_installation())["python"]
    assert (check.state, check.detail) == ("broken", "expected 4.0 to 4.1")


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("2.13.0+cpu", (2, 13)), ("2.9.1", (2, 9, 1)), ("2.10", (2, 10)), ("2.5.0.post0", (2, 5)), ("x", ())],
)
def test_versions_are_numbers(version, numbers):
    """Up to what isn't one; 2.9.0 is 2.9."""
    assert version_tuple(version) == numbers
