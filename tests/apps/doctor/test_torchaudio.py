"""Import of torchaudio in a separate process, and the causes that are reported for its failures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vocos_plugins.apps.doctor.torchaudio import Probe, probe_torchaudio, suggest_fix

EXTENSION = "_torchaudio.abi3.so"
# torch/_ops.py wraps the loader's error.
WRAPPED = f"""
try:
    raise OSError('libc10_cuda.so: cannot open shared object file: No such file or directory')
except OSError as error:
    raise OSError('Could not load this library: /x/{EXTENSION}') from error
"""
FAILURES = {
    "cpu-torch": (
        WRAPPED,
        "it was built for CUDA, but this torch was installed without CUDA",
        "OSError: libc10_cuda.so: cannot open shared object file",
    ),
    "no-cuda-runtime": (
        "raise OSError('libcudart.so.13: cannot open shared object file: No such file or directory')",
        "it was built for CUDA, but this torch was installed without CUDA",
        "OSError: libcudart.so.13",
    ),
    # torchaudio/_extension/utils.py.
    "other-cuda": (
        "raise RuntimeError('Detected that PyTorch and TorchAudio were compiled with different CUDA versions.')",
        "torch and torchaudio were built for different versions of CUDA",
        "RuntimeError: Detected that PyTorch and TorchAudio",
    ),
    "other-torch": (
        f"raise OSError('/x/{EXTENSION}: undefined symbol: _ZN3c104cuda9SetDeviceEab')",
        "it was built for another version of torch",
        "OSError: ",
    ),
    "something-else": (
        "raise AttributeError('module torch has no attribute stft')",
        "it can't be imported",
        "AttributeError: module torch has no attribute stft",
    ),
    "crash": ("import os; os.kill(os.getpid(), 11)", "importing it kills Python with signal 11", ""),
}


@pytest.fixture
def fake_torchaudio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a package of that name that comes first on the path, in this process and in its child processes."""

    def write(code: str, *, extension: bool = True) -> Path:
        package = tmp_path / "torchaudio"
        (package / "lib").mkdir(parents=True)
        (package / "__init__.py").write_text(code)
        if extension:
            (package / "lib" / EXTENSION).touch()
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
        return package

    return write


@pytest.mark.parametrize(("code", "cause", "error"), FAILURES.values(), ids=FAILURES.keys())
def test_failures_are_told_apart(fake_torchaudio, code, cause, error):
    """The cause is derived from what Python prints; the error is the first one of the chain."""
    package = fake_torchaudio(code)
    probe = probe_torchaudio()
    assert (probe.version, probe.cause) == (None, cause)
    assert probe.error.startswith(error)
    assert probe.extensions == (package / "lib" / EXTENSION,)


def test_one_that_works_has_its_version(fake_torchaudio):
    """Other output of the import doesn't matter."""
    fake_torchaudio("print('hello'); __version__ = '9.9'")
    assert probe_torchaudio().version == "9.9"


def test_one_that_hangs_is_given_up(fake_torchaudio):
    """The import is stopped after the timeout."""
    fake_torchaudio("import time; time.sleep(60)")
    assert probe_torchaudio(timeout_s=0.5).cause == "importing it takes more than 0.5 s"


def test_none_at_all(monkeypatch):
    """Without torchaudio the result is None, which is not a failure."""
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # noqa: ARG005
    assert probe_torchaudio() is None


def test_a_module_in_the_working_directory_isn_t_meant(fake_torchaudio, tmp_path, monkeypatch):
    """A script of that name in the working directory is not run."""
    fake_torchaudio("__version__ = '9.9'")
    work = tmp_path / "work"
    work.mkdir()
    (work / "torchaudio.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(work)
    assert probe_torchaudio().version == "9.9"
    assert not (work / "ran").exists()


def test_the_fix_names_the_file():
    """The fix names the extension to remove; without one, only another build helps."""
    path = Path("/lib/torchaudio/lib") / EXTENSION
    assert f"remove {path}\n" in suggest_fix(Probe(extensions=(path,)))
    assert "remove" not in suggest_fix(Probe())
    for probe in (Probe(extensions=(path,)), Probe()):
        assert "install torch and torchaudio of the same build" in suggest_fix(probe)
