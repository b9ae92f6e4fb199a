"""The recipe's modules, and a stand-in for a voice: a graph with a voice's inputs and outputs that says nothing."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
import soundfile
from onnx import TensorProto, helper

RECIPE = Path(__file__).parents[3] / "recipes" / "tts"
RATE = 22050
HOP = 256
# Of a real voice's symbols, and their numbers.
SYMBOLS = {"_": [0], "^": [1], "$": [2], " ": [3], ".": [10], ",": [8], "a": [14], "h": [20], "o": [27], "ə": [59]}


@pytest.fixture(scope="session")
def recipe_folder() -> Path:
    """Where the recipe is."""
    return RECIPE


@pytest.fixture
def recipe_module(monkeypatch) -> Iterator[Callable[[str], ModuleType]]:
    """Imports a module of the recipe by its name, and forgets it afterwards: other recipes have the same names."""
    for folder in ("nemo", "coqui", "pipelines", "."):
        monkeypatch.syspath_prepend(str(RECIPE / folder))
    names = [path.stem for path in RECIPE.rglob("*.py")]
    others = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(others)


@pytest.fixture(scope="session")
def stand_in_voice(tmp_path_factory) -> Path:
    """A folder like a voice's unpacked wheel. Its speech is silence; symbol ``n`` lasts ceil(n / 8 + 1/2) frames."""
    folder = tmp_path_factory.mktemp("voice")
    constants = {"eight": [8.0], "half": [0.5], "hop": [float(HOP)]}
    nodes = [
        helper.make_node("Cast", ["input"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["numbers", "eight"], ["eighths"]),
        helper.make_node("Add", ["eighths", "half"], ["exact"]),
        helper.make_node("Ceil", ["exact"], ["durations"]),
        helper.make_node("ReduceSum", ["durations"], ["n_frames"], keepdims=0),
        helper.make_node("Mul", ["n_frames", "hop"], ["n_samples"]),
        helper.make_node("Cast", ["n_samples"], ["shape"], to=TensorProto.INT64),
        helper.make_node("ConstantOfShape", ["shape"], ["output"]),
    ]
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "symbols"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["samples"])
    initializers = [
        onnx.numpy_helper.from_array(np.array(value, np.float32), name) for name, value in constants.items()
    ]
    graph = helper.make_graph(nodes, "stand-in", inputs, [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "stand-in.onnx")
    config = {"audio": {"sample_rate": RATE}, "espeak": {"voice": "en-us"}, "phoneme_id_map": SYMBOLS}
    (folder / "stand-in.onnx.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "MODEL_CARD").write_text("A stand-in: silence.", encoding="utf-8")
    return folder


@pytest.fixture
def write_recordings(tmp_path) -> Callable[..., Path]:
    """A folder in LJSpeech's layout: ``metadata.csv`` as given, and a second of a tone under each name."""

    def write(metadata: str, names: tuple[str, ...], rate: int = RATE) -> Path:
        folder = tmp_path / "recordings"
        (folder / "wavs").mkdir(parents=True)
        (folder / "metadata.csv").write_text(metadata, encoding="utf-8")
        for name in names:
            soundfile.write(folder / "wavs" / f"{name}.wav", 0.1 * np.sin(np.arange(rate) / 20), rate)
        return folder

    return write
