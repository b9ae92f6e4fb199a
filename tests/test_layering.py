"""Who may import whom (design: the core knows no toolkit, the mel modules know nothing of ours)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "vocos_plugins").rglob("*.py"))
ADAPTERS = sorted((ROOT / "adapters").rglob("*.py"))
TOOLKITS = {"speechbrain", "nemo", "TTS", "bark", "transformers"}
# Audio to EnCodec codes, where one of these is installed and a user asks for it: in training, and in copy-synthesis.
ENCODERS = {"inputs.py", "encodec_loading.py"}
ENCODEC = {"transformers", "encodec"}
# Speed is measured against the package of the paper's authors, where it is installed.
RIVALS = {"reference.py"}
FORBIDDEN_IN_CORE = (
    TOOLKITS
    | {"torchaudio", "encodec", "vocos", "librosa", "recipes"}
    | {path.name for path in (ROOT / "adapters").iterdir() if path.is_dir()}
)


def imported(path: Path) -> set[str]:
    """Dotted names that a module imports; our own relative ones spelled out."""
    package = path.relative_to(ROOT).parent.parts
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            names.add(".".join((*base, *(node.module.split(".") if node.module else ()))))
    return names


def test_modules_are_found() -> None:
    """The lists below are not empty by a wrong path."""
    assert len(CORE) > 15
    assert len(ADAPTERS) >= 4


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_core_imports_no_toolkit_and_no_adapter(path: Path) -> None:
    """The core works where no toolkit is installed."""
    allowed = ENCODEC if path.name in ENCODERS else {"vocos"} if path.name in RIVALS else set()
    assert not {name.split(".")[0] for name in imported(path)} & (FORBIDDEN_IN_CORE - allowed)


@pytest.mark.parametrize(
    "path", [path for path in CORE if path.parent.name != "training"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_only_training_imports_lightning(path: Path) -> None:
    """Decoding needs no training framework."""
    assert not {name.split(".")[0] for name in imported(path)} & {"lightning", "tensorboard"}


@pytest.mark.parametrize(
    "path",
    [path for path in CORE if path.parent.name == "mel" or path.name == "spectral.py"],
    ids=lambda path: path.name,
)
def test_mel_and_spectral_import_nothing_else_of_ours(path: Path) -> None:
    """Conventions and transforms can be used, and read, by themselves."""
    ours = {name for name in imported(path) if name.startswith("vocos_plugins")}
    assert all(name.startswith(("vocos_plugins.mel", "vocos_plugins.spectral")) for name in ours)


@pytest.mark.parametrize("path", [path for path in CORE if path.name in ENCODERS], ids=lambda path: path.name)
def test_an_encodec_is_imported_only_when_it_is_needed(path: Path) -> None:
    """Importing the core, and decoding codes, imports neither package: only functions do."""
    tree = ast.parse(path.read_text())
    inside = {each for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for each in ast.walk(node)}
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        if {name.split(".")[0] for name in names} & ENCODEC:
            assert node in inside


@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_vocoder_modules_import_a_toolkit(path: Path) -> None:
    """Loading plugins stays cheap: a toolkit is imported where its vocoder is, and what its trainer calls there."""
    if path.name not in ("vocoder.py", "training.py"):
        assert not {name.split(".")[0] for name in imported(path)} & TOOLKITS
