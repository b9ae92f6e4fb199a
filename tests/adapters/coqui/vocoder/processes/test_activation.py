"""``vocos enable coqui`` and ``vocos disable coqui``, in an environment of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from vocos_coqui import activation, finder

# The promise is 2 ms at each start of Python. To define a class takes 0.3 ms on a machine with other work to do, so
# the least of five processes, each with its caches cold, stays well below.
MAX_STARTUP_S = 2e-3
RUNS = 5

LOOK = "import sys; print([m for m in sys.modules if m.startswith(('vocos', 'torch', 'TTS'))], sys.meta_path[-1])"
FIND = f"import importlib.util; print([importlib.util.find_spec(name) for name in {tuple(finder.PLACES)!r}])"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder in place of this environment's site-packages."""
    monkeypatch.setattr(activation, "site_packages", lambda: tmp_path)
    return tmp_path


def test_enable_and_disable(here):
    """Each does its work once, says what it did, and leaves nothing else."""
    file = here / "vocos_coqui.pth"
    assert not activation.is_enabled()
    assert activation.disable() == activation.Change(file=file, done=False)
    assert activation.enable() == activation.Change(file=file, done=True)
    assert activation.is_enabled()
    assert activation.enable() == activation.Change(file=file, done=False)
    assert list(here.iterdir()) == [file]
    assert activation.disable() == activation.Change(file=file, done=True)
    assert list(here.iterdir()) == []


def test_another_version_s_file_is_replaced(here):
    """And until then it doesn't count."""
    (here / activation.FILE).write_text("import vocos_coqui_of_old\n")
    assert not activation.is_enabled()
    assert activation.enable().done
    assert (here / activation.FILE).read_text() == activation.LINE


def test_one_line_for_site(here):
    """What site.py executes: one line of ASCII that starts with import."""
    activation.enable()
    content = (here / activation.FILE).read_bytes()
    assert content.startswith(b"import ")
    assert content.isascii()
    assert content.count(b"\n") == 1
    assert content.endswith(b"\n")


def test_what_cannot_be_written_or_removed(monkeypatch, tmp_path):
    """The error names the file and the ways that need none; nothing is left half done."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(activation, "site_packages", lambda: tmp_path / "file")
    with pytest.raises(activation.ActivationError, match=r"vocos_coqui\.pth can't be written \(Not a dir.*vocos-tts"):
        activation.enable()
    with pytest.raises(activation.ActivationError, match=r"vocos_coqui\.pth can't be removed \(Not a directory\)"):
        activation.disable()
    assert os.listdir(tmp_path) == ["file"]


def test_it_goes_where_python_looks(make_environment):
    """Into the environment whose Python it is, where that isn't vocos-plugins' own; here, beside vocos-plugins."""
    environment = make_environment()
    ask = "from vocos_coqui.activation import site_packages; print(site_packages())"
    assert Path(environment.run("-c", ask).stdout.strip()) == environment.site_packages
    assert str(activation.site_packages()) in sys.path


def test_enabled_processes_know_vocos(enabled):
    """Without an import of theirs, and without one of ours until Coqui TTS asks."""
    assert enabled.run("-c", LOOK).stdout.strip() == "[] <class 'site.VocosFinder'>"
    assert enabled.run("-c", FIND, VOCOS_PLUGINS_DISABLE="nemo").stdout.count("origin='vocos_coqui.vocoder'") == 2


@pytest.mark.parametrize("value", ["coqui", "nemo, coqui"])
def test_opting_out(enabled, value):
    """The variable that leaves out plugins leaves this one out, too."""
    assert "VocosFinder" not in enabled.run("-c", LOOK, VOCOS_PLUGINS_DISABLE=value).stdout


def test_python_starts_after_an_uninstallation(make_environment):
    """The file stays behind, and is silent; Coqui TTS then finds no vocos, as if there had never been one."""
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
    """What the line adds to the start of Python."""
    environment = make_environment()
    code = (
        f"import time; line = {activation.LINE!r}; start = time.perf_counter(); exec(line); "
        "print(time.perf_counter() - start)"
    )
    assert min(float(environment.run("-I", "-c", code).stdout) for _ in range(RUNS)) < MAX_STARTUP_S


def test_importing_the_package_imports_nothing_heavy(make_environment):
    """Of what isn't the standard library, only the package itself and its finder."""
    code = (
        "import sys; before = set(sys.modules); import vocos_coqui; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names)), sum(name.startswith('vocos') for name in sys.modules))"
    )
    assert make_environment().run("-c", code).stdout.strip() == "['vocos_coqui'] 2"
