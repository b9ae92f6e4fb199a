"""Makes a folder that SpeechBrain's inference loads out of a training's best checkpoint, its weights in half precision.

python recipes/tts/speechbrain/export.py RUN MODEL
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import torch
import yaml

from vocos_plugins.storage.bounded_yaml import BoundedLoader, load_yaml

RECIPE = Path(__file__).resolve().parent
KEPT = ("symbols", "sample_rate", "hop_length")
MODEL = "model: !new:speechbrain.lobes.models.FastSpeech2.FastSpeech2\n"
LOADING = """modules:
  model: !ref <model>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    model: !ref <model>
"""


def main() -> None:
    # Not above: `describe` needs no SpeechBrain, whose lazy modules disturb programs that look at all modules.
    from speechbrain.utils.checkpoints import Checkpointer  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the training's output_folder")
    parser.add_argument("model", type=Path, help="folder to write")
    arguments = parser.parse_args()
    best = Checkpointer(arguments.run / "save").find_checkpoint(min_key="loss")
    if best is None:
        raise SystemExit(f"{arguments.run / 'save'} holds no checkpoint")
    weights = torch.load(best.paramfiles["model"], map_location="cpu", weights_only=True)
    arguments.model.mkdir(parents=True, exist_ok=True)
    halves = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    torch.save(halves, arguments.model / "model.ckpt")
    hyperparameters = (arguments.run / "hyperparams.yaml").read_text(encoding="utf-8")
    (arguments.model / "hyperparams.yaml").write_text(describe(hyperparameters), encoding="utf-8")
    for path in (RECIPE / "custom.py", RECIPE.parent / "phonemes.py"):
        shutil.copyfile(path, arguments.model / path.name)
    print(f"{arguments.model}: {best.meta}")


def describe(hyperparameters: str) -> str:
    """Returns the part of a training's YAML that inference needs."""
    values: dict[str, Any] = load_yaml(hyperparameters, _Plain)
    model = {key: values["dim"] if value == "<dim>" else value for key, value in values["model"].items()}
    kept = yaml.safe_dump({key: values[key] for key in KEPT}, allow_unicode=True, sort_keys=False, width=1000)
    arguments = yaml.safe_dump(model, sort_keys=False).replace("\n", "\n  ").rstrip()
    return f"{kept}{MODEL}  {arguments}\n{LOADING}"


class _Plain(BoundedLoader):
    """Reads HyperPyYAML's tags as the values behind them."""


def _value(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else node.value


_Plain.add_multi_constructor("!", _value)


if __name__ == "__main__":
    main()
