"""``vocos enable coqui`` and ``vocos disable coqui``, in a new environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from vocos_coqui import activation, finder

# The promise is 2 ms per start of Python. Defining a class takes 0.3 ms on a busy machine, so the minimum of five
# processes, each with cold caches, stays well below.
MAX_STARTUP_S = 2e-3
RUNS = 5

LOOK = "import sys; print([m for m in sys.modules if m.startswith(('vocos', 'torch', 'TTS'))], sys.meta_path[-1])"
FIND = f"import importlib.util; print([importlib.util.find_spec(name) for name in {tuple(finder.PLACES)!r}])"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """Returns a folder that replaces this environment's site-packages."""
    monkeypatch.setattr(activation, "site_packages", lambda: tmp_path)
    return tmp_path


def test_enable_and_disable(here):
    """Both work once, report what they did, and leave nothing else."""
    file = here / "vocos_coqui.pth"
    assert activation.disable() == activation.Change(file=file, done=False)
    assert activation.enable() == activation.Change(file=file, done=True)
    assert activation.enable() == activation.Change(file=file, done=False)
    assert list(here.iterdir()) == [file]
    assert file.read_text() == activation.LINE
    assert activation.disable() == activation.Change(file=file, done=True)
    assert list(here.iterdir()) == []


def test_another_version_s_file_is_replaced(here):
    """A file of another version is replaced."""
    (here / activation.FILE).write_text("import vocos_coqui_of_old\n")
    assert activation.enable().done
    assert (here / activation.FILE).read_text() == activation.LINE


def test_one_line_for_site(here):
    """The file is one line of ASCII that starts with import, as site.py requires."""
    activation.enable()
    content = (here / activation.FILE).read_bytes()
    assert content.startswith(b"import ")
    assert content.isascii()
    assert content.count(b"\n") == 1
    assert content.endswith(b"\n")


def test_what_cannot_be_written_or_removed(monkeypatch, tmp_path):
    """The error names the file and the alternatives without one; no partial file is left."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(activation, "site_packages", lambda: tmp_path / "file")
    with pytest.raises(activation.ActivationError, match=r"vocos_coqui\.pth can't be written \(Not a dir.*vocos-tts"):
        activation.enable()
    with pytest.raises(activation.ActivationError, match=r"vocos_coqui\.pth can't be removed \(Not a directory\)"):
        activation.disable()
    assert os.listdir(tmp_path) == ["file"]


def test_it_goes_where_python_looks(make_environment):
    """The file goes into the running Python's environment, or next to vocos-plugins if Python looks there."""
    environment = make_environment()
    ask = "from vocos_coqui.activation import site_packages; print(site_packages())"
    assert Path(environment.run("-c", ask).stdout.strip()) == environment.site_packages
    assert str(activation.site_packages()) in sys.path


def test_enabled_processes_know_vocos(enabled):
    """Enabled processes need no import, and load nothing of this package until Coqui TTS asks."""
    assert enabled.run("-c", LOOK).stdout.strip() == "[] <class 'site.VocosFinder'>"
    assert enabled.run("-c", FIND, VOCOS_PLUGINS_DISABLE="nemo").stdout.count("origin='vocos_coqui.vocoder'") == 2


@pytest.mark.parametrize("value", ["coqui", "nemo, coqui"])
def test_opting_out(enabled, value):
    """The variable that disables plugins disables this one too."""
    assert "VocosFinder" not in enabled.run("-c", LOOK, VOCOS_PLUGINS_DISABLE=value).stdout


def test_python_starts_after_an_uninstallation(make_environment):
    """After uninstallation the file stays and does nothing; Coqui TTS finds no vocos, as without it."""
    environment = make_environment()
    environment.run("-c", "from vocos_coqui.activation import enable; enable()")
    fake = environment.site_packages / "TTS" / "vocoder"
    for name in ("models", "configs"):
        (fake / name).mkdir(parents=True)
    environment.parent.unlink()
    assert (environment.site_packages / activation.FILE).exists()
    done = environment.run("-W", "error", "-c", f"import sys; {FIND}")
    assert (done.stdout.strip(), done.stderr) == ("[None, None]", "")


def test_startup_is_cheap(make_environment):
    """The line adds less than the limit to the start of Python."""
    environment = make_environment()
    code = (
        f"import time; line = {activation.LINE!r}; start = time.perf_counter(); exec(line); "
        "print(time.perf_counter() - start)"
    )
    assert min(float(environment.run("-I", "-c", code).stdout) for _ in range(RUNS)) < MAX_STARTUP_S


def test_importing_the_package_imports_nothing_heavy(make_environment):
    """Besides the standard library, only the package itself and its finder are imported."""
    code = (
        "import sys; before = set(sys.modules); import vocos_coqui; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names)), sum(name.startswith('vocos') for name in sys.modules))"
    )
    assert make_environment().run("-c", code).stdout.strip() == "['vocos_coqui'] 2"
