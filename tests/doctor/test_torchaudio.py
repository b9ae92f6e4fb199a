"""Importing torchaudio in a process of its own, and what its failures are taken for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vocos_plugins.doctor.torchaudio import Probe, mend, probe_torchaudio

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
        "it was built for CUDA, and there is no CUDA beside this torch",
        "OSError: libc10_cuda.so: cannot open shared object file",
    ),
    "no-cuda-runtime": (
        "raise OSError('libcudart.so.13: cannot open shared object file: No such file or directory')",
        "it was built for CUDA, and there is no CUDA beside this torch",
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
        "it was built for another torch",
        "OSError: ",
    ),
    "something-else": (
        "raise AttributeError('module torch has no attribute stft')",
        "it can't be imported",
        "AttributeError: module torch has no attribute stft",
    ),
    "crash": ("import os; os.kill(os.getpid(), 11)", "importing it ends Python by signal 11", ""),
}


@pytest.fixture
def fake_torchaudio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A package of that name, in front of any other, in this process and in those that it starts."""

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
    """By what Python prints; the first error of a chain is the one that is shown."""
    package = fake_torchaudio(code)
    probe = probe_torchaudio()
    assert (probe.version, probe.cause) == (None, cause)
    assert probe.error.startswith(error)
    assert probe.extensions == (package / "lib" / EXTENSION,)


def test_one_that_works_has_its_version(fake_torchaudio):
    """Whatever else it prints."""
    fake_torchaudio("print('hello'); __version__ = '9.9'")
    assert probe_torchaudio().version == "9.9"


def test_one_that_hangs_is_given_up(fake_torchaudio):
    """After the time that is granted."""
    fake_torchaudio("import time; time.sleep(60)")
    assert probe_torchaudio(timeout_s=0.5).cause == "importing it takes more than 0.5 s"


def test_none_at_all(monkeypatch):
    """That is no failure."""
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # noqa: ARG005
    assert probe_torchaudio() is None


def test_a_module_in_the_working_directory_isn_t_meant(fake_torchaudio, tmp_path, monkeypatch):
    """A script of that name lies there; it is not run."""
    fake_torchaudio("__version__ = '9.9'")
    work = tmp_path / "work"
    work.mkdir()
    (work / "torchaudio.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(work)
    assert probe_torchaudio().version == "9.9"
    assert not (work / "ran").exists()


def test_the_way_out_names_the_file():
    """To be removed; where there is none, only another build helps."""
    path = Path("/lib/torchaudio/lib") / EXTENSION
    assert f"remove {path}\n" in mend(Probe(extensions=(path,)))
    assert "remove" not in mend(Probe())
    for probe in (Probe(extensions=(path,)), Probe()):
        assert "install torch and torchaudio of one build" in mend(probe)
