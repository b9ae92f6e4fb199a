"""Writes ``previous/``: one file of each kind that users have on their disks, tiny, with random weights.

Run once, by commit 71aaf23, the last before the package's folders moved, with Python 3.11, torch 2.13.0, SpeechBrain
1.1.2, NeMo 3.0.0, Coqui TTS 0.28.0, Lightning 2.4.0, numpy 2.4.6 and safetensors 0.8.0:

    python tests/golden/make_golden.py tests/golden/previous

The tests of these files hold that later versions load what that one wrote, so never write them again by a later one:
files of a newer layout go into a folder of their own. The script keeps to what users call: `vocos_plugins.Vocos`,
`vocos_plugins.config`, the command ``vocos``, and each toolkit's own loader.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np
import soundfile
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig

ROOT = Path(__file__).parents[2]
# The bundled model's mel, which every toolkit's usual mel at 22.05 kHz is converted to exactly.
MEL = MelConvention(
    name="vocos-22khz",
    sample_rate=22050,
    n_fft=1024,
    win_length=1024,
    hop_length=256,
    n_mels=80,
    f_max=8000.0,
    mel_scale="slaney",
    mel_norm="slaney",
    guard_value=1e-5,
)
CONFIG = VocosConfig(
    features=MEL,
    backbone=ConvNeXt(dim=8, intermediate_dim=16, num_layers=2),
    head=ISTFT(n_fft=1024, hop_length=256, amplitude_prior=True, refinement_steps=2, contrast=1.1),
)
PROVENANCE = {"licence": "MIT", "data": [{"source": "none: random weights"}]}
N_FRAMES = 12
EXPORTS = {"speechbrain": "speechbrain", "nemo": "vocos.nemo", "coqui": "coqui"}
# What a toolkit's users type; `folder` and `mel` are set before, `audio` (B, N) is read after.
DECODE = {
    "checkpoint": """
from vocos_plugins import Vocos
audio = Vocos.from_pretrained(folder / "checkpoint", precision="float32").decode(mel)
""",
    "speechbrain": """
from speechbrain.inference.vocoders import HIFIGAN
audio = HIFIGAN.from_hparams(source=str(folder / "speechbrain")).decode_batch(mel)[:, 0]
""",
    "nemo": """
import vocos_nemo.vocoder
from nemo.collections.tts.models import HifiGanModel
model = HifiGanModel.restore_from(str(folder / "vocos.nemo"), map_location="cpu")
audio = model.convert_spectrogram_to_audio(spec=mel)
""",
    "coqui": """
import vocos_coqui
from TTS.config import load_config
from TTS.vocoder.models import setup_model
config = load_config(str(folder / "coqui" / "config.json"))
model = setup_model(config)
model.load_checkpoint(config, folder / "coqui" / "model.safetensors", eval=True)
audio = model.inference(mel)[:, 0]
""",
}
AROUND = """
import sys
from pathlib import Path
from safetensors.torch import load_file, save_file
folder, source, target = map(Path, sys.argv[1:])
mel = load_file(source)["mel"]
{code}
save_file({{"audio": audio.detach().contiguous()}}, target)
"""
# The smallest run that has a state of every kind: both discriminators, both optimizers, the average.
TRAINING = {
    "model": {
        "features": {
            **{"kind": "mel", "sample_rate": 16000, "n_fft": 64, "win_length": 64, "hop_length": 16, "n_mels": 12},
        },
        "backbone": {"kind": "convnext", "dim": 8, "intermediate_dim": 16, "num_layers": 1},
        "head": {"kind": "istft", "n_fft": 64, "hop_length": 16},
    },
    "data": {"train": ["clips"], "num_samples": 2048, "batch_size": 2, "num_workers": 0},
    "discriminators": {
        "periods": [2],
        "period_channels": [2],
        "n_ffts": [64],
        "resolution_channels": 2,
        "resolution_bands": [[0.0, 1.0]],
        "frequency_strides": [1, 2],
    },
    "losses": {"mel_resolutions": [[64, 16, 12]]},
    "run": {"max_steps": 3, "accelerator": "cpu", "devices": 1, "log_every": 1},
}
# Configurations that users copy and keep: they hold dotted names of ours, as does the YAML in `SPEECHBRAIN_README`.
RECIPES = (
    "speechbrain/hparams/vocos.yaml",
    "speechbrain/hparams/hifigan_script.yaml",
    "coqui/vocos-22khz-small.json",
)
SPEECHBRAIN_README = ROOT / "adapters" / "vocos_speechbrain" / "README.md"


def make_model() -> Vocos:
    """A model whose every parameter is random, also gains and shifts: a fresh model's ones and zeros hide errors."""
    vocos = Vocos(CONFIG, PROVENANCE)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in vocos.parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 1
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
    return vocos.eval()


def make_mel() -> Tensor:
    """Noise at the level of speech, ``(1, n_mels, N_FRAMES)``."""
    return 2 * torch.randn(1, MEL.n_mels, N_FRAMES, generator=torch.Generator().manual_seed(1)) - 5


def run(*arguments: str | Path, cwd: Path | None = None, python: str | Path = sys.executable) -> None:
    """Runs Python with these arguments and this process's path, in float32 and offline.

    In a process of its own, because toolkits change the process that imports them.
    """
    environment = {"VOCOS_PLUGINS_PRECISION": "float32", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path[1:])
    subprocess.run([python, *map(str, arguments)], check=True, cwd=cwd, env={**os.environ, **environment})


def run_vocos(*arguments: str | Path, cwd: Path | None = None, python: str | Path = sys.executable) -> None:
    """Runs the command ``vocos`` of this environment."""
    run(Path(sys.executable).parent / "vocos", *arguments, cwd=cwd, python=python)


def decode(name: str, folder: Path, mel: Tensor) -> Tensor:
    """Audio ``(B, N)`` of one of `DECODE`, from a copy of the files: some toolkits write beside what they load."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        shutil.copytree(folder, work / "files")
        save_file({"mel": mel}, work / "mel")
        run("-c", AROUND.format(code=DECODE[name]), work / "files", work / "mel", work / "audio", cwd=work)
        return load_file(work / "audio")["audio"]


def train(target: Path) -> None:
    """Writes the state of a run of three steps on a clip of noise, as ``vocos train`` leaves it."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        (work / "clips").mkdir()
        noise = 0.1 * np.random.default_rng(0).standard_normal(16000)
        soundfile.write(work / "clips" / "noise.wav", noise, 16000)
        (work / "config.yaml").write_text(yaml.safe_dump(TRAINING, sort_keys=False))
        run_vocos("train", "config.yaml", "--out", "run", cwd=work)
        target.mkdir()
        shutil.copy(work / "config.yaml", target)
        shutil.copy(work / "run" / "last.ckpt", target)
        shutil.copytree(work / "run" / "model", target / "model")


def enable(target: Path) -> None:
    """Writes what ``vocos enable coqui`` leaves in site-packages, in a new environment: this one stays as it is."""
    with tempfile.TemporaryDirectory() as environment:
        venv.create(environment)
        run_vocos("enable", "coqui", python=Path(environment) / "bin" / "python")
        (written,) = Path(environment).rglob("vocos_coqui.pth")
        target.mkdir()
        shutil.copy(written, target)


def copy_recipes(target: Path) -> None:
    """Copies the configurations, and the YAML of SpeechBrain's README as one file."""
    for recipe in RECIPES:
        copy = target / recipe
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "recipes" / recipe, copy)
    blocks = re.findall(r"```yaml\n(.*?)```", SPEECHBRAIN_README.read_text(), flags=re.DOTALL)
    (target / "speechbrain" / "readme.yaml").write_text("\n".join(blocks))


def main() -> None:
    """Writes everything into a folder that must not be there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, help="the folder; it must not exist")
    target: Path = parser.parse_args().target.absolute()
    target.mkdir(parents=True)
    make_model().save_pretrained(target / "checkpoint")
    for toolkit, name in EXPORTS.items():
        run_vocos("export", toolkit, target / name, "--model", target / "checkpoint")
    train(target / "training")
    enable(target / "site-packages")
    copy_recipes(target / "recipes")
    mel = make_mel()
    save_file({"mel": mel, **{name: decode(name, target, mel) for name in DECODE}}, target / "expected.safetensors")


if __name__ == "__main__":
    main()
