"""The three ways to turn it on, each in a fresh process: `vocos enable vocos`, `run`, and `install`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from vocos_reference import activation, finder
from vocos_reference.finder import SHIM

from helpers.paths import ROOT

# The promise is 2 ms per start of Python; the minimum of five processes, each with cold caches.
MAX_STARTUP_S = 2e-3
RUNS = 5
WHICH = "import vocos; print(vocos.__file__)"
OURS = str(SHIM / "__init__.py")
LOOK = "import sys; print([m for m in sys.modules if m.startswith(('vocos', 'torch'))], sys.meta_path[0])"


@pytest.fixture(scope="module")
def environment(make_environment):
    """Returns an environment without an activation."""
    return make_environment()


@pytest.fixture
def enabled(environment):
    """Returns the environment, enabled."""
    environment.run("-m", "vocos_plugins", "enable", "vocos")
    yield environment
    (environment.site_packages / activation.FILE).unlink(missing_ok=True)


def last(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout.strip().splitlines()[-1]


def test_enable_and_disable(environment) -> None:
    """The original is shadowed while it is enabled, and back afterwards; repeating either command is harmless."""
    file = environment.site_packages / activation.FILE
    original = last(environment.run("-W", "ignore", "-c", WHICH))
    assert Path(original).parent.name == "vocos"
    assert original != OURS
    assert "wrote" in environment.run("-m", "vocos_plugins", "enable", "vocos").stdout
    before = file.read_text()
    assert "already there" in environment.run("-m", "vocos_plugins", "enable", "vocos").stdout
    assert file.read_text() == before == activation.LINE
    assert last(environment.run("-c", WHICH)) == OURS
    assert "removed" in environment.run("-m", "vocos_plugins", "disable", "vocos").stdout
    assert "nothing to do" in environment.run("-m", "vocos_plugins", "disable", "vocos").stdout
    assert not file.exists()
    assert last(environment.run("-W", "ignore", "-c", WHICH)) == original


def test_programs_that_never_import_vocos(enabled) -> None:
    """An enabled process loads nothing of either package until it imports vocos, and other modules are as before."""
    assert enabled.run("-c", LOOK).stdout.strip() == "[] <class 'site.ReferenceFinder'>"
    code = "import json, vocos_plugins, sys; print('vocos' in sys.modules, json.__name__)"
    assert last(enabled.run("-c", code)) == "False json"


@pytest.mark.parametrize("value", ["vocos", "nemo, vocos"])
def test_opting_out(enabled, value) -> None:
    """The variable that disables plugins gives the original back in one process."""
    assert "ReferenceFinder" not in enabled.run("-c", LOOK, VOCOS_PLUGINS_DISABLE=value).stdout
    assert last(enabled.run("-W", "ignore", "-c", WHICH, VOCOS_PLUGINS_DISABLE=value)) != OURS


def test_another_version_s_file_is_replaced(enabled) -> None:
    """A file of another version, or one that was damaged, is written again."""
    file = enabled.site_packages / activation.FILE
    file.write_text("import of_old\n")
    assert "wrote" in enabled.run("-m", "vocos_plugins", "enable", "vocos").stdout
    assert file.read_text() == activation.LINE


def test_an_interrupted_enable(environment) -> None:
    """A process that is killed while it enables leaves nothing that Python reads; the next one removes the rest."""
    code = (
        "import os\nfrom vocos_plugins.storage.atomic import atomic_write\nfrom vocos_reference import activation\n"
        "with atomic_write(activation.site_packages() / activation.FILE) as temporary:\n"
        "    temporary.write_text(activation.LINE[:20])\n    os._exit(9)\n"
    )
    assert environment.run("-c", code, check=False).returncode == 9
    before = {path.name for path in environment.site_packages.iterdir()}
    assert any(activation.FILE in name for name in before)
    done = environment.run("-W", "error", "-c", LOOK)
    assert ("ReferenceFinder" in done.stdout, done.stderr) == (False, "")
    environment.run("-m", "vocos_plugins", "enable", "vocos")
    assert [path.name for path in environment.site_packages.iterdir() if activation.FILE in path.name] == [
        activation.FILE
    ]
    environment.run("-m", "vocos_plugins", "disable", "vocos")


def test_python_starts_after_an_uninstallation(make_environment) -> None:
    """After uninstallation the file stays and does nothing: vocos is whatever is installed, here a toy."""
    environment = make_environment()
    environment.run("-m", "vocos_plugins", "enable", "vocos")
    environment.parent.unlink()
    missing = environment.run("-c", "import vocos", check=False)
    assert missing.stderr.strip().endswith("ModuleNotFoundError: No module named 'vocos'")
    (environment.site_packages / "vocos").mkdir()
    (environment.site_packages / "vocos" / "__init__.py").write_text("")
    done = environment.run("-W", "error", "-c", "import vocos; print(vocos.__file__)")
    assert (Path(last(done)).parent.parent, done.stderr) == (environment.site_packages, "")


def test_startup_is_cheap(environment) -> None:
    """The line adds less than the limit to the start of Python."""
    code = (
        f"import time; line = {activation.LINE!r}; start = time.perf_counter(); exec(line); "
        "print(time.perf_counter() - start)"
    )
    assert min(float(environment.run("-I", "-c", code).stdout) for _ in range(RUNS)) < MAX_STARTUP_S


def test_one_line_for_site() -> None:
    """The line is one line of ASCII that starts with import, as site.py requires."""
    assert activation.LINE.startswith("import ")
    assert activation.LINE.isascii()
    assert activation.LINE.count("\n") == 1


def test_what_cannot_be_written(monkeypatch, tmp_path) -> None:
    """The error names the file, and the ways that need none."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(activation, "site_packages", lambda: tmp_path / "file")
    with pytest.raises(ValueError, match=r"vocos_reference\.pth can't be written .*vocos_reference\.run"):
        activation.enable()
    with pytest.raises(ValueError, match=r"vocos_reference\.pth can't be removed .*vocos_reference\.install"):
        activation.disable()


def test_run_a_script(environment, tmp_path) -> None:
    """A script runs as if it had been started directly: arguments, neighbours, exit status."""
    (tmp_path / "neighbour.py").write_text(WHICH)
    script = tmp_path / "script.py"
    script.write_text("import sys, neighbour\nprint(__name__, sys.argv[1:])\nsys.exit(3)\n")
    done = environment.run("-m", "vocos_reference.run", script, "--a", "b", check=False)
    assert done.returncode == 3
    assert done.stdout.splitlines() == [OURS, "__main__ ['--a', 'b']"]


def test_run_a_module(environment) -> None:
    """A module runs, too."""
    (environment.home / "program.py").write_text(f"import sys; {WHICH}; print(sys.argv[1:])")
    done = environment.run("-m", "vocos_reference.run", "-m", "program", "-x")
    assert done.stdout.splitlines() == [OURS, "['-x']"]


def test_run_without_a_script(environment) -> None:
    """A script that isn't there is wrong usage."""
    done = environment.run("-m", "vocos_reference.run", "nothing.py", check=False)
    assert done.returncode == 2
    assert "there is no script nothing.py" in done.stderr


def test_install(environment) -> None:
    """After `install`, this process imports this package; twice is as good as once."""
    code = "import vocos_reference; vocos_reference.install(); vocos_reference.install();"
    assert last(environment.run("-c", f"{code} {WHICH}")) == OURS
    assert last(environment.run("-c", f"{code} import sys, vocos; vocos_reference.install(); print(len(sys.path) > 0)"))


def test_install_too_late(environment) -> None:
    """A process that has the original keeps it, and says so."""
    done = environment.run(
        "-W", "ignore", "-c", "import vocos, vocos_reference; vocos_reference.install()", check=False
    )
    assert "ImportError: this process has already imported vocos from" in done.stderr
    assert "before anything imports vocos" in done.stderr


def test_nothing_else_is_needed(environment) -> None:
    """All modules import, and all heads decode, without the packages that the original needs."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torchaudio', 'encodec', 'scipy', 'einops', 'matplotlib')))\n"
        "import vocos_reference; vocos_reference.install()\n"
        "import torch, vocos, vocos.discriminators, vocos.loss\n"
        "from vocos.feature_extractors import EncodecFeatures, MelSpectrogramFeatures\n"
        "from vocos.heads import IMDCTCosHead, IMDCTSymExpHead, ISTFTHead\nfrom vocos.models import VocosBackbone\n"
        "for head in (ISTFTHead(16, 1024, 256), IMDCTSymExpHead(16, 512), IMDCTCosHead(16, 512)):\n"
        "    model = vocos.Vocos(MelSpectrogramFeatures(padding='same'), VocosBackbone(100, 16, 32, 2), head)\n"
        "    print(*model(torch.zeros(1, 2560)).shape)\n"
        "EncodecFeatures()\n"
    )
    assert environment.run("-c", code).stdout.split() == ["1", "2560"] * 3


def test_loading_plugins_shadows_nothing(environment) -> None:
    """Only the three ways do: a process that lists all plugins, or adapts a model, keeps the original."""
    code = "from vocos_plugins.plugins import toolkit_adapters, plugin_states; toolkit_adapters(), plugin_states()"
    assert last(environment.run("-W", "ignore", "-c", f"{code}; import vocos_reference.pretrained; {WHICH}")) != OURS


def test_bench_refuses_to_compare_with_itself(enabled) -> None:
    """A comparison with the package needs the package."""
    code = (
        "from vocos_plugins.apps.bench.reference import reference\nfrom vocos_plugins import Vocos\n"
        "reference(Vocos.from_pretrained('vocos-mel-22khz-small').config, None)"
    )
    done = enabled.run("-c", code, check=False)
    assert "`vocos disable vocos` first" in done.stderr


def test_the_finder_answers_for_nobody_else() -> None:
    """Names that only begin alike are left to others."""
    for name in ("vocos_plugins", "vocosx", "torch", "vocos_reference.shim"):
        assert finder.ReferenceFinder.find_spec(name) is None
    assert (ROOT / "adapters" / "vocos_reference" / "shim" / "heads.py").is_file()
