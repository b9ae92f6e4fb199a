"""Clips in NeMo's manifests, a small run, and the commands that train it."""

from __future__ import annotations

import json
import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.paths import ROOT

RECIPE = ROOT / "recipes" / "nemo"
RATE = 22050
# A model and discriminators of a few thousand parameters; mels are the configuration's own.
TINY = (
    "n_samples=4096",
    "validation_n_samples=8192",
    "model.generator.backbone={kind: convnext, dim: 24, intermediate_dim: 48, num_layers: 2}",
    "model.discriminators={periods: [2, 3], period_channels: [4, 8], n_ffts: [256], resolution_channels: 4}",
    "model.losses.mel_resolutions=[[512, 128, 40]]",
    "model.optimization.learning_rate=2e-3",
    "model.train_ds.dataloader_params={batch_size: 4, num_workers: 0}",
    "model.validation_ds.dataloader_params={batch_size: 4, num_workers: 0}",
    "trainer.accelerator=cpu",
    "trainer.strategy=auto",
    "trainer.log_every_n_steps=1",
    "+trainer.enable_progress_bar=false",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ignores NeMo's warnings, as in tests/adapters; this package's stay errors."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("default", "error:::vocos_"))


@pytest.fixture(scope="session")
def recipe() -> Path:
    """The folder of the recipe."""
    return RECIPE


@pytest.fixture(scope="session")
def write_manifest() -> Callable[..., Path]:
    """Writes a manifest, with one entry per line."""

    def write(path: Path, *entries: dict[str, object]) -> Path:
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        return path

    return write


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory, write_manifest) -> Path:
    """A manifest of eight clips of a second or more: harmonic tones that glide, over a little noise, with texts."""
    folder = tmp_path_factory.mktemp("clips")
    entries = []
    for number in range(8):
        time = np.arange(RATE + 700 * number) / RATE
        phase = 2 * np.pi * np.cumsum((100.0 + 15 * number) * (1 + 0.2 * np.sin(3 * time))) / RATE
        voice = sum(np.sin(k * phase) / k for k in range(1, 12))
        noise = np.random.default_rng(number).standard_normal(len(time))
        soundfile.write(folder / f"{number}.wav", 0.2 * voice * (1 + np.sin(5 * time)) / 2 + 0.01 * noise, RATE)
        entries.append({"audio_filepath": f"{number}.wav", "duration": len(time) / RATE, "text": "A text."})
    return write_manifest(folder / "train.json", *entries)


@pytest.fixture(scope="session")
def start_recipe(start_process) -> Callable[..., subprocess.Popen[str]]:
    """Starts a script of the recipe in its own process."""

    def start(script: str, *arguments: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        return start_process(*launcher, RECIPE / script, *arguments)

    return start


@pytest.fixture(scope="session")
def run_recipe(start_recipe, finish_process) -> Callable[..., str]:
    """Runs a script of the recipe to its end; returns its output."""
    return lambda *arguments, **launcher: finish_process(start_recipe(*arguments, **launcher))


@pytest.fixture(scope="session")
def training_arguments(manifest) -> Callable[..., tuple[str, ...]]:
    """Makes the arguments of ``train.py`` for a small run in a folder."""

    def make(out: Path, *more: str) -> tuple[str, ...]:
        datasets = (f"train_dataset={manifest}", f"validation_datasets={manifest}")
        return (*datasets, *TINY, f"exp_manager.exp_dir={out}", "name=Vocos", *more)

    return make


@pytest.fixture(scope="session")
def tiny_fastpitch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``.nemo`` file of a minimal NeMo FastPitch for English characters, with random weights."""
    from nemo.collections.tts.models import FastPitchModel
    from omegaconf import OmegaConf
    from vocos_nemo.mel import FASTPITCH
    from vocos_nemo.preprocessor_block import preprocessor_block

    modules = "nemo.collections.tts.modules"
    transformer = {"n_layer": 1, "n_head": 1, "d_model": 8, "d_head": 8, "d_inner": 8, "kernel_size": 3}
    transformer |= {"dropout": 0.1, "dropatt": 0.1, "dropemb": 0.0}
    predictor = {
        "_target_": f"{modules}.fastpitch.TemporalPredictor",
        "input_size": 8,
        "kernel_size": 3,
        "filter_size": 8,
        "dropout": 0.1,
        "n_layers": 1,
    }
    block = preprocessor_block(FASTPITCH)
    for name in ("nfilt", "use_grads"):
        block.pop(name)
    block |= {
        "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
        "features": 80,
        "window_size": False,
        "window_stride": False,
    }
    tokenizers = "nemo.collections.common.tokenizers.text_to_speech.tts_tokenizers"
    config = {
        "learn_alignment": True,
        "n_speakers": 1,
        "symbols_embedding_dim": 8,
        "pitch_embedding_kernel_size": 3,
        "n_mel_channels": 80,
        "min_token_duration": 3,
        "max_token_duration": 9,
        "text_tokenizer": {"_target_": f"{tokenizers}.EnglishCharsTokenizer"},
        "train_ds": {"defer_setup": True, "dataset": {"_target_": "nemo.collections.tts.data.dataset.TTSDataset"}},
        "preprocessor": block,
        "alignment_module": {"_target_": f"{modules}.aligner.AlignmentEncoder", "n_text_channels": 8},
        "input_fft": {"_target_": f"{modules}.transformer.FFTransformerEncoder", "d_embed": 8, **transformer},
        "output_fft": {"_target_": f"{modules}.transformer.FFTransformerDecoder", **transformer},
        "duration_predictor": predictor,
        "pitch_predictor": predictor,
    }
    path = tmp_path_factory.mktemp("fastpitch") / "fastpitch.nemo"
    FastPitchModel(cfg=OmegaConf.create(config)).save_to(str(path))
    return path


@pytest.fixture(scope="session")
def predicted_manifest(manifest, tiny_fastpitch, recipe, tmp_path_factory) -> Path:
    """The output of ``generate_mels.py`` for the clips."""
    root = tmp_path_factory.mktemp("predicted")
    script = runpy.run_path(str(recipe / "generate_mels.py"))
    arguments = ("--fastpitch-model-ckpt", tiny_fastpitch, "--input-json-manifests", manifest)
    assert script["main"]([*map(str, arguments), "--output-json-manifest-root", str(root), "--cpu"]) == 0
    return root / "train_mel.json"
