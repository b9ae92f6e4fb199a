"""Signals, Coqui TTS's own mels of them, and the files that it writes."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import scipy.signal
import soundfile
import torch
from numpy.typing import NDArray

from vocos_plugins.mel import MelConvention, MelSpectrogram


@pytest.fixture(scope="session")
def make_audio_config() -> Callable[..., Any]:
    """Makes Coqui TTS's ``BaseAudioConfig`` from some fields."""
    from TTS.config import BaseAudioConfig

    return BaseAudioConfig


@pytest.fixture(scope="session")
def coqui_mel() -> Callable[[Any, NDArray[np.float64]], NDArray[np.float32]]:
    """Computes Coqui TTS's mel, ``(n_mels, T)``, which it rounds to float32 at the end."""
    from TTS.utils.audio import AudioProcessor

    return lambda config, audio: AudioProcessor(config).melspectrogram(audio)


@pytest.fixture(scope="session")
def exact_mel() -> Callable[[MelConvention, NDArray[np.float64]], NDArray[np.float64]]:
    """Computes this package's mel in float64, with Coqui TTS's float64 window and librosa's filterbank."""

    def compute(convention: MelConvention, audio: NDArray[np.float64]) -> NDArray[np.float64]:
        front_end = MelSpectrogram(convention).double()
        window = scipy.signal.get_window(convention.window, convention.win_length)
        front_end.spectrogram.window = torch.from_numpy(window)
        bank = librosa.filters.mel(
            sr=convention.sample_rate,
            n_fft=convention.n_fft,
            n_mels=convention.n_mels,
            fmin=convention.f_min,
            fmax=convention.f_max,
        )
        front_end.mel_scale.fb = torch.from_numpy(bank.T).double()
        return front_end(torch.from_numpy(audio)[None])[0].numpy()

    return compute


@pytest.fixture
def statistics_file(tmp_path, make_signal, monkeypatch) -> Callable[..., Path]:
    """Makes a ``scale_stats.npy`` of two clips with Coqui TTS's own script, for an audio block's fields."""
    from TTS.bin import compute_statistics
    from TTS.tts.configs.glow_tts_config import GlowTTSConfig

    def make(**fields: Any) -> Path:
        config = GlowTTSConfig()
        config.audio.update(fields)
        config.save_json(tmp_path / "for_statistics.json")
        clips = []
        for name in ("arctic-1", "austen-2"):
            clips.append(str(tmp_path / f"{name}.wav"))
            soundfile.write(clips[-1], make_signal(name, config.audio.sample_rate), config.audio.sample_rate)
        # The script's search for clips is outdated, and fails; its computation still works.
        monkeypatch.setattr(compute_statistics, "load_tts_samples", lambda _: (clips, []))
        monkeypatch.setattr(compute_statistics, "setup_logger", lambda *_, **__: None)
        with pytest.raises(SystemExit, match="0"):
            compute_statistics.main([str(tmp_path / "for_statistics.json"), str(tmp_path / "scale_stats.npy")])
        return tmp_path / "scale_stats.npy"

    return make


@pytest.fixture(scope="session")
def make_config() -> Callable[..., Any]:
    """Makes a configuration of the real class, from its import path and some fields of its audio block."""

    def make(path: str, **fields: Any) -> Any:
        module, name = path.rsplit(".", 1)
        # Arguments that the encoders' classes require.
        needed = dict.fromkeys(("num_classes_in_batch", "num_utter_per_class", "num_loader_workers"), 1)
        config = getattr(importlib.import_module(module), name)(**(needed if "encoder" in module else {}))
        for field, value in fields.items():
            setattr(config.audio, field, value)
        return config

    return make


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    """Returns a function that writes a file into its own folder, an object as JSON."""

    def write(content: Any, name: str = "config.json") -> Path:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write
