"""What is uploaded: the source distribution, the wheel that is built from it, their metadata, the citation."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import vocos_plugins
from helpers.paths import ROOT
from vocos_plugins.apps.doctor.installation import PYTHONS

pytestmark = pytest.mark.xdist_group("distributions")  # what the tests share is made once

MAX_BYTES = 20_000_000
SHIPPED = ("vocos_plugins", "vocos_speechbrain", "vocos_nemo", "vocos_coqui", "vocos_bark", "vocos_reference")
IN_SOURCES = ("LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md", "CITATION.cff", "pyproject.toml", "mkdocs.yml")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory) -> Path:
    """A folder with both, as ``python -m build`` makes them: the wheel from the source distribution."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def metadata(distributions) -> str:
    """The wheel's METADATA."""
    wheel = zipfile.ZipFile(next(distributions.glob("*.whl")))
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return wheel.read(name).decode()


def test_the_index_would_take_them(distributions) -> None:
    """``twine check --strict``: the metadata are complete, and the README can be shown."""
    files = [str(path) for path in distributions.iterdir()]
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == len(files) == 2


def test_sizes(distributions) -> None:
    """Each is below 20 MB."""
    assert all(path.stat().st_size < MAX_BYTES for path in distributions.iterdir())


def test_sources(distributions) -> None:
    """They hold what builds, tests and documents the package, and nothing that only was made here."""
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert set(IN_SOURCES) <= names
    for folder in ("docs", "recipes", "benchmarks", "scripts", "tests/docs", "adapters/vocos_nemo"):
        assert any(name.startswith(f"{folder}/") for name in names), folder
    unwanted = re.compile(r"(^|/)(\.git|\.venv\w*|__pycache__|runs|demo/report\.html|site|dist|\.\w+_cache)(/|$)")
    assert not [name for name in names if unwanted.search(name)]


def test_wheel_from_sources(distributions) -> None:
    """It holds every file below the packages that git knows, and no other."""
    wheel = zipfile.ZipFile(next(distributions.glob("*.whl")))
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "vocos_plugins", "adapters"],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert found == {name.removeprefix("adapters/") for name in listed if (ROOT / name).exists()}
    assert {name.split("/")[0] for name in found} == set(SHIPPED)
    assert {f"{package}/py.typed" for package in SHIPPED} <= found


def test_python_versions(metadata) -> None:
    """Every one is named, and they are those that ``vocos doctor`` accepts."""
    (first, last) = PYTHONS
    wanted = [f"3.{minor}" for minor in range(first[1], last[1] + 1)]
    assert re.findall(r"^Classifier: Programming Language :: Python :: (3\.\d+)$", metadata, re.MULTILINE) == wanted
    (bounds,) = re.findall(r"^Requires-Python: (.*)$", metadata, re.MULTILINE)
    assert set(bounds.split(",")) == {f">={wanted[0]}", f"<3.{last[1] + 1}"}


def test_citation() -> None:
    """Of this version, with the paper of Vocos."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    paper = citation["preferred-citation"]
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == vocos_plugins.__version__
    assert [author["family-names"] for author in paper["authors"]] == ["Siuzdak"]
    assert (paper["year"], paper["identifiers"][0]["value"]) == (2023, "arXiv:2306.00814")
