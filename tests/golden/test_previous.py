"""Files that the version before the folders moved wrote (`make_golden.py`) load and sound as they did.

What the toolkits load is in tests/adapters/test_previous.py.
"""

from __future__ import annotations

import hashlib
import pkgutil
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from safetensors.torch import load_file

from vocos_plugins import Vocos

PREVIOUS = Path(__file__).parent / "previous"
# Relative to the audio's peak. With the files' model, float32 is 1e-6 away from float64; another order of the sums, on
# another processor or in another version of torch, may take it a few times as far.
SAME_AUDIO = 1e-5
SAME_TABLES = 1e-5
# Of all files, by `digest`.
WRITTEN = "1722e16eb4490e0f2d8649e8c26907d517a7bade7305e0a47a2b76ce7edb47cf"
# The dotted names by which each file asks for our code. None may be renamed while users have such files.
NAMES = {
    "speechbrain/hyperparams.yaml": {
        "vocos_speechbrain.generator.VocosGenerator",
        "vocos_speechbrain.generator.load_checkpoint",
    },
    "vocos.nemo": {"vocos_nemo.vocoder.VocosModel"},
    "site-packages/vocos_coqui.pth": {"vocos_coqui.finder"},
    "recipes/speechbrain/hparams/vocos.yaml": {
        "vocos_speechbrain.mel.from_speechbrain",
        "vocos_speechbrain.generator.VocosGenerator",
        "vocos_plugins.config.VocosConfig",
        "vocos_plugins.config.ConvNeXt",
        "vocos_plugins.config.ISTFT",
        "vocos_plugins.model.Vocos",
        "vocos_plugins.training.discriminators.Discriminators",
        "vocos_plugins.training.schedule.LossWeights",
        "vocos_plugins.training.schedule.Optimization",
        "vocos_plugins.training.objective.Objective",
    },
    "recipes/speechbrain/hparams/hifigan_script.yaml": {
        "vocos_plugins.Vocos.from_pretrained",
        "vocos_plugins.model.Vocos",
        "vocos_speechbrain.generator.VocosGenerator",
        "vocos_speechbrain.mel_function.MelFunction",
    },
    "recipes/speechbrain/readme.yaml": {
        "vocos_speechbrain.vocoder.VOCOS.from_hparams",
        "vocos_speechbrain.generator.VocosGenerator",
        "vocos_plugins.Vocos.from_pretrained",
    },
}
# Modules that import a toolkit: tests/adapters/test_previous.py resolves their names.
NEED_A_TOOLKIT = ("vocos_nemo.vocoder.", "vocos_speechbrain.vocoder.")
WITHOUT_A_TOOLKIT = sorted(name for name in set().union(*NAMES.values()) if not name.startswith(NEED_A_TOOLKIT))
STEPS = 3  # of the stored run
RATE = 16000  # Hz, of the stored run


@pytest.fixture(scope="module")
def run_vocos_train() -> Callable[[Path], str]:
    """Runs ``vocos train`` on the ``config.yaml`` of a folder, into that folder; returns what it prints."""
    command = Path(sys.executable).parent / "vocos"

    def run(folder: Path) -> str:
        done = subprocess.run(
            [command, "train", "config.yaml", "--out", "."],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


@pytest.fixture
def write_training(tmp_path) -> Callable[..., Path]:
    """Writes a folder with a clip and the stored run's configuration, some values of its ``run`` section changed."""

    def write(**changes: object) -> Path:
        noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
        (tmp_path / "clips").mkdir()
        soundfile.write(tmp_path / "clips" / "noise.wav", noise, RATE)
        config = yaml.safe_load((PREVIOUS / "training" / "config.yaml").read_text())
        config["run"].update(changes)
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        return tmp_path

    return write


def digest(folder: Path) -> str:
    """SHA-256 of the names and contents of all files in a folder."""
    total = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def read_state(path: Path) -> dict[str, object]:
    """A run's state, which holds only tensors and plain values."""
    return torch.load(path, weights_only=True)


def optimizer_steps(state: dict[str, object]) -> list[set[float]]:
    """Steps that each optimizer counts for its parameters."""
    return [{float(each["step"]) for each in one["state"].values()} for one in state["optimizers"]]


def test_a_checkpoint(relative_error) -> None:
    """It decodes to the same audio, and its provenance is kept."""
    expected = load_file(PREVIOUS / "expected.safetensors")
    vocos = Vocos.from_pretrained(PREVIOUS / "checkpoint", precision="float32")
    assert relative_error(vocos.decode(expected["mel"]), expected["checkpoint"]) < SAME_AUDIO
    assert vocos.provenance == {"licence": "MIT", "data": [{"source": "none: random weights"}]}


def test_weights_are_written_by_the_same_names(relative_error, tmp_path) -> None:
    """Older installations read newer checkpoints, and other programs the names of the published ones."""
    Vocos.from_pretrained(PREVIOUS / "checkpoint").save_pretrained(tmp_path)
    before, after = (load_file(folder / "model.safetensors") for folder in (PREVIOUS / "checkpoint", tmp_path))
    assert after.keys() == before.keys()
    computed = {key for key in before if key.startswith("feature_extractor.")}
    assert all(torch.equal(after[key], before[key]) for key in before.keys() - computed)
    # Tables are computed anew, in float32: another processor's exponentials and logarithms change the last digits.
    assert all(relative_error(after[key], before[key]) < SAME_TABLES for key in computed)


def test_a_run_is_resumed(run_vocos_train, write_training) -> None:
    """``vocos train`` carries on from the stored state: weights, averages, both optimizers and the step."""
    folder = write_training(max_steps=STEPS + 2)
    shutil.copy(PREVIOUS / "training" / "last.ckpt", folder)
    before = read_state(folder / "last.ckpt")
    run_vocos_train(folder)
    after = read_state(folder / "last.ckpt")
    assert (before["generator_step"], after["generator_step"]) == (STEPS, STEPS + 2)
    assert optimizer_steps(before) == [{STEPS}] * 2
    assert optimizer_steps(after) == [{STEPS + 2}] * 2
    assert list(after["state_dict"]) == list(before["state_dict"])


def test_a_finished_run_is_loaded_unchanged(run_vocos_train, write_training) -> None:
    """The same command again leaves the stored state as it is, and writes the model if it is gone."""
    folder = write_training()
    shutil.copy(PREVIOUS / "training" / "last.ckpt", folder)
    run_vocos_train(folder)
    assert (folder / "last.ckpt").read_bytes() == (PREVIOUS / "training" / "last.ckpt").read_bytes()
    assert Vocos.from_pretrained(folder / "model").provenance["steps"] == STEPS


def test_a_run_starts_from_a_trained_model(run_vocos_train, write_training) -> None:
    """``init_from`` takes the generator and the discriminators in the same folder, all of both."""
    folder = write_training(max_steps=1, init_from=str(PREVIOUS / "training" / "model"))
    assert "random weights" not in run_vocos_train(folder)
    trained = Vocos.from_pretrained(folder / "model")
    assert trained.config == Vocos.from_pretrained(PREVIOUS / "training" / "model").config


@pytest.mark.parametrize("file", NAMES)
def test_names_in_the_files(file) -> None:
    """Each file holds these names and no others, so that the tests below resolve what users' files ask for."""
    if file.endswith(".nemo"):
        with tarfile.open(PREVIOUS / file) as archive:
            text = archive.extractfile("./model_config.yaml").read().decode()
    else:
        text = (PREVIOUS / file).read_text()
    assert set(re.findall(r"(?:![a-z]+:|target: |from )(vocos_\w+(?:\.\w+)+)", text)) == NAMES[file]


@pytest.mark.parametrize("name", WITHOUT_A_TOOLKIT)
def test_names_resolve(name) -> None:
    """By importing as much as is a module, and attributes of it from there."""
    assert pkgutil.resolve_name(name) is not None


def test_no_file_has_changed() -> None:
    """A file that is rewritten, by hand or by a replacement across the repository, proves nothing any more."""
    assert digest(PREVIOUS) == WRITTEN


def test_no_file_is_ignored() -> None:
    """``*.ckpt`` is ignored elsewhere; here a file that git ignores would be missing from a source distribution."""
    files = [str(path) for path in PREVIOUS.rglob("*") if path.is_file()]
    command = ["git", "-C", str(PREVIOUS), "check-ignore", "--no-index", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
