"""Who may import whom. Every import counts, wherever it stands: in a function or under ``TYPE_CHECKING`` too.

A reader has to follow an import whether or not Python runs it when the module is loaded.
"""

from __future__ import annotations

import ast
import importlib
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from helpers.paths import ROOT

CORE = sorted((ROOT / "vocos_plugins").rglob("*.py"))
ADAPTERS = sorted((ROOT / "adapters").rglob("*.py"))
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in CORE}

# The house, top floor first. A room imports from the floors below and from itself.
FLOORS = (
    {"__main__"},
    {"apps"},
    {"training", "evaluation"},
    {"__init__"},  # the names that users import
    {"model"},
    {"plugins", "streaming", "export"},
    {"inference"},
    {"network"},
    {"storage"},
    {"config"},
    {"mel"},
    {"spectral", "_version"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# What a user sees on opening the package: folders, then files.
FOLDERS = {
    "apps",
    "config",
    "evaluation",
    "export",
    "inference",
    "mel",
    "network",
    "plugins",
    "storage",
    "streaming",
    "training",
}
FILES = {"__init__.py", "__main__.py", "_version.py", "model.py", "py.typed", "spectral.py"}
# Names that stand in users' code, configurations and saved models.
PROMISED = (
    "vocos_plugins.Vocos",
    "vocos_plugins.MelConvention",
    "vocos_plugins.MelMismatch",
    "vocos_plugins.MelSpectrogram",
    "vocos_plugins.align",
    "vocos_plugins.adapt",
    "vocos_plugins.mel.MelConvention",
    "vocos_plugins.plugins.hookimpl",
    "vocos_plugins.plugins.mel_conventions",
    "vocos_plugins.model.Vocos",
    "vocos_plugins.config.VocosConfig",
    "vocos_plugins.config.ISTFT",
    "vocos_plugins.streaming.Stream",
    "vocos_plugins.streaming.stream_frames",
    "vocos_plugins.export.export_onnx",
    "vocos_plugins.export.load_session",
    "vocos_plugins.evaluation.evaluate.Evaluation",
    "vocos_plugins.training.discriminators.Discriminators",
    "vocos_plugins.training.discriminators.MultiPeriodDiscriminator",
    "vocos_plugins.training.schedule.Optimization",
    "vocos_plugins.training.schedule.LossWeights",
    "vocos_plugins.training.objective.Objective",
    "vocos_speechbrain.generator.VocosGenerator",
    "vocos_speechbrain.generator.load_checkpoint",
    "vocos_speechbrain.mel.from_speechbrain",
    "vocos_speechbrain.mel_function.MelFunction",
    "vocos_coqui.finder.install",
)

TOOLKITS = {"speechbrain", "nemo", "TTS", "bark", "transformers"}
# Audio is encoded by one of these where it is installed and a user asks for it.
ENCODEC = {"vocos_plugins/network/encodec_loading.py": {"transformers", "encodec"}}
# Speed is measured against the package of the paper's authors, where it is installed.
RIVALS = {"vocos_plugins/apps/bench/reference.py": {"vocos"}}
EXEMPT = ENCODEC | RIVALS
FORBIDDEN_IN_CORE = (
    TOOLKITS
    | {"torchaudio", "encodec", "vocos", "librosa", "recipes"}
    | {path.name for path in (ROOT / "adapters").iterdir() if path.is_dir()}
)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def imported(path: Path) -> frozenset[str]:
    """Dotted names of the modules that a file imports; ``from . import x`` is ``x`` where that is a module."""
    package = path.relative_to(ROOT).parent.parts
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *(node.module.split(".") if node.module else ())))
            submodules = {f"{module}.{alias.name}" for alias in node.names} & MODULES.keys()
            names |= submodules if len(submodules) == len(node.names) else submodules | {module}
    return frozenset(names)


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def test_modules_are_found() -> None:
    """The lists below are not empty by a wrong path."""
    assert len(CORE) > 150
    assert len(ADAPTERS) > 30


def test_no_import_closes_a_circle() -> None:
    graph = {module: imported(path) & MODULES.keys() - {module} for module, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("these import each other: " + " <- ".join(error.args[1]))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_go_to_a_lower_floor(module: str) -> None:
    own = room(module)
    targets = {room(target) for target in imported(MODULES[module]) & MODULES.keys()} - {own}
    assert {target for target in targets if FLOOR[target] <= FLOOR[own]} == set()


def test_the_root_has_few_entries() -> None:
    entries = [path for path in (ROOT / "vocos_plugins").iterdir() if path.name != "__pycache__"]
    assert {path.name for path in entries if path.is_dir()} == FOLDERS
    assert {path.name for path in entries if path.is_file()} == FILES
    assert set(FLOOR) - {"__init__", "__main__", "model", "spectral", "_version"} == FOLDERS


@pytest.mark.parametrize("path", [*CORE, *ADAPTERS], ids=name)
def test_no_path_leaves_its_folder(path: Path) -> None:
    """Files of another folder are reached by an import, not by ``parents[1]`` or ``parent.parent``."""
    source = path.read_text()
    assert ".parents[" not in source
    assert ".parent.parent" not in source


@pytest.mark.parametrize("dotted", PROMISED)
def test_promised_names_import(dotted: str) -> None:
    module, _, attribute = dotted.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("path", CORE, ids=name)
def test_core_imports_no_toolkit_and_no_adapter(path: Path) -> None:
    """The core works where no toolkit is installed."""
    roots = {module.split(".")[0] for module in imported(path)}
    assert not roots & (FORBIDDEN_IN_CORE - EXEMPT.get(name(path), set()))


def test_exempt_files_exist() -> None:
    assert {file for file in EXEMPT if not (ROOT / file).is_file()} == set()


@pytest.mark.parametrize("path", [path for path in CORE if path.parent.name != "training"], ids=name)
def test_only_training_imports_lightning(path: Path) -> None:
    """Decoding needs no training framework."""
    assert not {module.split(".")[0] for module in imported(path)} & {"lightning", "tensorboard"}


@pytest.mark.parametrize("file", ENCODEC)
def test_an_encodec_is_imported_only_when_it_is_needed(file: str) -> None:
    """Importing the core, and decoding codes, imports neither package: only functions do."""
    tree = ast.parse((ROOT / file).read_text())
    inside = {each for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for each in ast.walk(node)}
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        if {module.split(".")[0] for module in names} & ENCODEC[file]:
            assert node in inside


@pytest.mark.parametrize("path", ADAPTERS, ids=name)
def test_only_vocoder_modules_import_a_toolkit(path: Path) -> None:
    """Loading plugins stays cheap: a toolkit is imported where its vocoder is, and what its trainer calls there."""
    if path.name not in ("vocoder.py", "training.py"):
        assert not {module.split(".")[0] for module in imported(path)} & TOOLKITS


@pytest.mark.parametrize("path", ADAPTERS, ids=name)
def test_adapters_import_no_application(path: Path) -> None:
    assert not {module for module in imported(path) if module.startswith("vocos_plugins.apps")}
