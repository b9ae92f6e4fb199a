"""Names: those of the original are there with its arguments; what is missing says how to get it back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from vocos_reference.finder import SHIM

MODULES = sorted(path.stem for path in SHIM.glob("[a-z]*.py"))
DESCRIBE = Path(__file__).with_name("describe.py")
# Names that only the original has.
ABSENT = {"discriminators.DiscriminatorP", "discriminators.DiscriminatorR"}
STATEMENTS = {
    "import vocos.experiment": ("ModuleNotFoundError", "vocos.experiment"),
    "from vocos.dataset import VocosDataModule": ("ModuleNotFoundError", "vocos.dataset"),
    "from vocos import experiment": ("ImportError", "vocos.experiment"),
    "from vocos.heads import WaveNextHead": ("ImportError", "vocos.heads.WaveNextHead"),
    "from vocos import Thing": ("ImportError", "vocos.Thing"),
    "vocos.models.Thing": ("AttributeError", "vocos.models.Thing"),
    "vocos.__thing__": ("AttributeError", "__thing__"),
}
TRY = f"""
import json, pickle, sys
import vocos_reference
vocos_reference.install()
import torch, vocos, vocos.models
errors = {{}}
for statement in {[*STATEMENTS]!r}:
    try:
        exec(statement)
    except Exception as error:
        errors[statement] = type(error).__name__, str(error)
looking = hasattr(vocos.models, "relu"), pickle.loads(pickle.dumps(torch.relu)) is torch.relu
print(json.dumps([errors, looking]))
"""


def python(*arguments: str | Path) -> str:
    """Returns what a fresh process prints."""
    command = [sys.executable, "-W", "ignore", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def original():
    """Returns the classes and functions of the original package."""
    return json.loads(python(DESCRIBE, *MODULES))


@pytest.fixture(scope="module")
def found():
    """Returns those of this package."""
    return json.loads(python("-m", "vocos_reference.run", DESCRIBE, *MODULES))


def test_every_name_of_the_original(original, found) -> None:
    """All that the original's modules define is there, but for the names above."""
    assert {name for name, each in original.items() if each["own"] and name not in found} == ABSENT
    assert found.keys() <= original.keys()


def test_arguments(original, found) -> None:
    """Arguments have the original's names, order and defaults."""
    # A tuple, instead of a list that all calls would share.
    for module in ("feature_extractors", "pretrained"):
        bandwidths = found[f"{module}.EncodecFeatures"]["arguments"][1]
        bandwidths[1] = bandwidths[1].replace("(", "[").replace(")", "]")
    for name, each in found.items():
        assert each["arguments"] == original[name]["arguments"], name
        assert each["methods"] == original[name]["methods"], name


def test_what_is_not_there() -> None:
    """Errors name what is missing and the remedy; ``hasattr`` and pickle, which try names, are not disturbed."""
    errors, looking = json.loads(python("-c", TRY))
    for statement, (kind, name) in STATEMENTS.items():
        assert errors[statement][0] == kind, statement
        assert name in errors[statement][1]
        remedy = "`vocos disable vocos` gives the original package back"
        assert (remedy in errors[statement][1]) == ("__" not in statement)
    assert looking == [False, True]
