"""Clips, small TTS models that list them, a small configuration, and the recipe's commands in new processes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from helpers.paths import ROOT

RECIPE = ROOT / "recipes" / "coqui"
RATE = 22050
MEL = {
    "kind": "mel",
    "sample_rate": RATE,
    "n_fft": 1024,
    "win_length": 1024,
    "hop_length": 256,
    "n_mels": 80,
    "f_max": 8000,
    "mel_scale": "slaney",
    "mel_norm": "slaney",
    "guard_value": 1e-5,
}
CONFIG = {
    "model": "vocos",
    "audio": {"mel_fmax": 8000, "log_func": "np.log", "spec_gain": 1, "signal_norm": False, "do_trim_silence": False},
    "model_args": {
        "features": MEL,
        "backbone": {"kind": "convnext", "dim": 24, "intermediate_dim": 48, "num_layers": 2},
        "head": {"kind": "istft", "n_fft": 1024, "hop_length": 256},
    },
    "discriminators": {"periods": [2, 3], "period_channels": [4, 8], "n_ffts": [256], "resolution_channels": 4},
    "losses": {"mel": 45.0, "mel_resolutions": [[1024, 256, 80]], "mel_scale": "slaney", "mel_norm": "slaney"},
    "eval_split_size": 1,
    "batch_size": 4,
    "seq_len": 8192,
    "epochs": 8,
    "lr_gen": 3e-3,
    "lr_disc": 1e-3,
    "plot_step": 1,
    "lr_scheduler_gen_params": {"T_max": 40},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ignores Coqui TTS's own warnings, as in tests/adapters; this package's stay errors."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings("default", "error:::vocos_"))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Five clips of a second in LJSpeech's layout: gliding harmonic tones over a little noise, with texts."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "wavs").mkdir()
    time = np.arange(RATE) / RATE
    for number, pitch in enumerate((110.0, 170.0, 140.0, 125.0, 155.0)):
        phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.2 * np.sin(3 * time))) / RATE
        voice = sum(np.sin(k * phase) / k for k in range(1, 12))
        noise = np.random.default_rng(number).standard_normal(len(time))
        audio = 0.2 * voice * (1 + np.sin(5 * time)) / 2 + 0.01 * noise
        soundfile.write(folder / "wavs" / f"{number}.wav", audio[: RATE - 300 * number], RATE)
    (folder / "metadata.csv").write_text("".join(f"{number}|Hello there.|Hello there.\n" for number in range(5)))
    return folder


@pytest.fixture(scope="session")
def make_config(corpus, tmp_path_factory) -> Callable[..., Path]:
    """Writes a configuration of a few thousand parameters, with some fields changed."""

    def write(**fields: Any) -> Path:
        folder = tmp_path_factory.mktemp("config")
        paths = {"data_path": str(corpus / "wavs"), "output_path": str(folder / "runs")}
        (folder / "vocos.json").write_text(json.dumps({**CONFIG, **paths, **fields}))
        return folder / "vocos.json"

    return write


@pytest.fixture(scope="session")
def make_tts(corpus, tmp_path_factory) -> Callable[..., Path]:
    """Writes ``config.json`` and ``model.pth`` of a random TTS that lists the corpus; returns the folder."""
    from TTS.tts.configs.fast_pitch_config import FastPitchConfig
    from TTS.tts.configs.glow_tts_config import GlowTTSConfig
    from TTS.tts.configs.shared_configs import BaseDatasetConfig
    from TTS.tts.configs.tacotron2_config import Tacotron2Config
    from TTS.tts.models import setup_model

    layers = {"kernel_size": 3, "dropout_p": 0.1, "num_layers": 1, "num_heads": 2, "hidden_channels_ffn": 16}
    widths = {"hidden_channels_enc": 16, "hidden_channels_dec": 16, "hidden_channels_dp": 16}
    small = {"num_flow_blocks_dec": 2, "num_block_layers": 1, "encoder_params": layers}
    dataset = BaseDatasetConfig(
        formatter="ljspeech", dataset_name="tones", path=str(corpus), meta_file_train="metadata.csv"
    )

    def write(name: str, **audio: Any) -> Path:
        folder = tmp_path_factory.mktemp(name)
        config = {
            "glow_tts": lambda: GlowTTSConfig(**widths, **small),
            "fast_pitch": lambda: FastPitchConfig(f0_cache_path=str(folder / "f0")),
            "tacotron2": lambda: Tacotron2Config(r=2),
        }[name]()
        if name == "fast_pitch":
            config.model_args.hidden_channels = 16
            for part in (config.model_args.encoder_params, config.model_args.decoder_params):
                part.update(hidden_channels_ffn=16, num_heads=1, num_layers=1)
        config.update({"datasets": [dataset], "eval_split_size": 1, "eval_batch_size": 3, "min_audio_len": 1})
        config.audio.update({"do_trim_silence": False, "mel_fmax": 8000, **audio})
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = setup_model(config)
        config.save_json(folder / "config.json")
        torch.save({"model": model.state_dict()}, folder / "model.pth")
        return folder

    return write


@pytest.fixture(scope="session")
def start(start_process) -> Callable[..., subprocess.Popen[str]]:
    """Starts one of the recipe's scripts in its own process."""
    return lambda script, *arguments: start_process(RECIPE / script, *arguments)


@pytest.fixture(scope="session")
def run(start, finish_process) -> Callable[..., str]:
    """Runs a script to its end and returns its output."""
    return lambda script, *arguments: finish_process(start(script, *arguments))


@pytest.fixture(scope="session")
def run_folder() -> Callable[[str], Path]:
    """Finds the folder of a run in the output of its process."""
    return lambda output: Path(re.search(r"tensorboard --logdir=(.*)", output)[1].strip())


@pytest.fixture(scope="session")
def logged() -> Callable[[Path, str], list[tuple[int, float]]]:
    """Reads step and value of a quantity that a run has logged for TensorBoard, in chronological order."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(folder: Path, name: str) -> list[tuple[int, float]]:
        events = []
        for file in sorted(folder.glob("events*")):
            board = EventAccumulator(str(file))
            board.Reload()
            events += [(event.step, event.value) for event in board.Scalars(name)]
        return events

    return read
