"""The core's conventions against their sources' own computations, written again with librosa."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.mel.known import CONVENTIONS, KNOWN

BY_NAME = {mel.name: mel for mel in CONVENTIONS}
# Log mels of float32 against float64; the measured errors are at most 1e-5.
TOLERANCE = 1e-4
# MelConvention has no field for ESPnet's floor under each amplitude. The constant that it adds under the root instead
# is off by log10(sqrt(2)) at most, and by little in bands that are 1.5 decades above it (measured: 7e-4).
ESPNET_FLOOR_TOLERANCE, ESPNET_TOLERANCE, FLOOR_DECADES = 0.151, 1e-3, 1.5
N_SAMPLES = 12000

Mel = Callable[[np.ndarray], np.ndarray]


def spectrum(audio: np.ndarray, n_fft: int, hop: int, win: int, *, padded: bool) -> np.ndarray:
    """Complex spectrum ``(F, T)``: centred frames, or frames within audio padded by ``(n_fft - hop) / 2`` (reflect)."""
    import librosa

    if padded:
        audio = np.pad(audio, (n_fft - hop) // 2, mode="reflect")
    return librosa.stft(audio, n_fft=n_fft, hop_length=hop, win_length=win, center=not padded, pad_mode="reflect")


def bands(rate: int, n_fft: int, n_mels: int, low: float, high: float, **kind: object) -> np.ndarray:
    import librosa

    return librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=low, fmax=high, dtype=np.float64, **kind)


def hifigan(rate: int, n_mels: int, high: float, n_fft: int = 1024, hop: int = 256) -> Mel:
    """The mel of HiFi-GAN's and BigVGAN's meldataset.py, matcha/utils/audio.py and transformers' UnivNet."""

    def mel(audio: np.ndarray) -> np.ndarray:
        spec = spectrum(audio, n_fft, hop, n_fft, padded=True)
        magnitude = np.sqrt(spec.real**2 + spec.imag**2 + 1e-9)
        return np.log(np.maximum(bands(rate, n_fft, n_mels, 0, high) @ magnitude, 1e-5))

    return mel


def matcha(mean: float, std: float) -> Mel:
    """The normalized mel of Matcha-TTS's text_mel_datamodule.py."""
    return lambda audio: (hifigan(22050, 80, 8000)(audio) - mean) / std


def vocos(floor: float) -> Mel:
    """The mel of vocos/feature_extractors.py, and of F5-TTS, which has another floor."""

    def mel(audio: np.ndarray) -> np.ndarray:
        magnitude = np.abs(spectrum(audio, 1024, 256, 1024, padded=False))
        return np.log(np.maximum(bands(24000, 1024, 100, 0, 12000, htk=True, norm=None) @ magnitude, floor))

    return mel


def centred(rate: int, n_mels: int, low: float, high: float, floor: float, log: Callable = np.log, **grid: int) -> Mel:
    """Centred frames and plain magnitudes: Parallel WaveGAN, SpeechT5, Tortoise, the langtech fork of Vocos."""
    n_fft, hop, win = grid.get("n_fft", 1024), grid.get("hop", 256), grid.get("win", 1024)

    def mel(audio: np.ndarray) -> np.ndarray:
        magnitude = np.abs(spectrum(audio, n_fft, hop, win, padded=bool(grid.get("padded", 0))))
        return log(np.maximum(bands(rate, n_fft, n_mels, low, high) @ magnitude, floor))

    return mel


def espnet(rate: int, n_fft: int, hop: int, win: int) -> Mel:
    """The mel of espnet2/tts/feats_extract/log_mel_fbank.py: no amplitude is below 1e-5."""

    def mel(audio: np.ndarray) -> np.ndarray:
        magnitude = np.maximum(np.abs(spectrum(audio, n_fft, hop, win, padded=False)), 1e-5)
        return np.log10(np.maximum(bands(rate, n_fft, 80, 80, 7600) @ magnitude, 1e-10))

    return mel


LIBRITTS = {"n_fft": 2048, "hop": 300, "win": 1200}
ORACLES: dict[str, Mel] = {
    "vocos-24khz": vocos(1e-7),
    "chattts": vocos(1e-7),
    "f5-tts-vocos": vocos(1e-5),
    "vocos-22khz": centred(22050, 80, 0, 8000, 1e-5),
    "langtech-22khz": centred(22050, 80, 0, 8000, 1e-5, padded=1),
    "hifigan-22khz": hifigan(22050, 80, 8000),
    "bigvgan-22khz-80band": hifigan(22050, 80, 8000),
    "bigvgan-24khz-100band": hifigan(24000, 100, 12000),
    "univnet": hifigan(24000, 100, 12000),
    "cosyvoice-1": hifigan(22050, 80, 8000),
    "cosyvoice-2": hifigan(24000, 80, 8000, n_fft=1920, hop=480),
    "cosyvoice-3": hifigan(24000, 80, 12000, n_fft=1920, hop=480),
    "matcha-tts-ljspeech": matcha(-5.536622, 2.116101),
    "matcha-tts-vctk": matcha(-6.630575, 2.482914),
    "matcha-tts-hifi-en": matcha(-6.38385, 2.541796),
    "parallel-wavegan-ljspeech": centred(22050, 80, 80, 7600, 1e-10, np.log10),
    "parallel-wavegan-libritts": centred(24000, 80, 80, 7600, 1e-10, np.log10, **LIBRITTS),
    "espnet-ljspeech": espnet(22050, 1024, 256, 1024),
    "espnet-libritts": espnet(24000, 2048, 300, 1200),
    "speecht5": centred(16000, 80, 80, 7600, 1e-10, np.log10),
    "tortoise-univnet": centred(24000, 100, 0, 12000, 1e-5),
}


@pytest.fixture(scope="module")
def audio() -> np.ndarray:
    """Noise that decays over four decades of amplitude, then silence, where only the floor remains."""
    noise = np.random.default_rng(0).standard_normal(N_SAMPLES)
    return np.pad(0.1 * noise * np.logspace(0, -4, N_SAMPLES), (0, N_SAMPLES // 2))


def test_every_convention_has_an_oracle() -> None:
    """A new convention needs its source's computation above."""
    assert set(ORACLES) == set(BY_NAME)


@pytest.mark.parametrize("name", ORACLES)
def test_it_is_its_source_s_mel(audio, name) -> None:
    """Sample rate, bands, framing, floor, logarithm and normalization match its source's."""
    actual = MelSpectrogram(BY_NAME[name])(torch.from_numpy(audio).float()[None])[0].numpy()
    expected = ORACLES[name](audio)
    assert actual.shape == expected.shape
    error = np.abs(actual - expected)
    if not name.startswith("espnet"):
        assert error.max() < TOLERANCE
    else:
        assert error.max() < ESPNET_FLOOR_TOLERANCE
        assert error[expected > expected.min() + FLOOR_DECADES].max() < ESPNET_TOLERANCE


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.mel.name)
def test_the_catalogue_is_well_formed(known) -> None:
    """Names are lower case with hyphens; the source names a repository and a file in it."""
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", known.mel.name)
    assert re.match(r"[\w./-]+(, branch \w+)?: [\w./-]+\.(py|yaml|json)\b", known.source)


def test_names_are_unique() -> None:
    """Even equal conventions have different names."""
    assert len(BY_NAME) == len(CONVENTIONS)


def test_what_the_notes_call_equal_is() -> None:
    """Every note that says "Equal to X" is true; there are some."""
    pairs = [
        (known.mel, BY_NAME[other]) for known in KNOWN for other in re.findall(r"Equal to ([\w-]+)[.:]", known.notes)
    ]
    assert len(pairs) >= 4
    assert all(mel == other for mel, other in pairs)


def test_the_bundled_checkpoint_s_mel_is_known() -> None:
    """The name in its configuration is a known convention's."""
    mel = Vocos.from_pretrained("vocos-mel-22khz-small").mel
    assert BY_NAME[mel.name] == mel
