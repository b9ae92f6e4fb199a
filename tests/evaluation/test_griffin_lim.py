"""Griffin-Lim against librosa's, and the properties of any phase retrieval."""

from __future__ import annotations

import dataclasses
from statistics import fmean

import librosa
import numpy as np
import pytest
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from vocos_plugins.evaluation.griffin_lim import griffin_lim, invert_magnitude, linear_magnitude
from vocos_plugins.mel import LevelNormalization, MelConvention, MelSpectrogram
from vocos_plugins.mel.speech import CLIPS
from vocos_plugins.spectral import output_length

CONVENTION = MelConvention(
    sample_rate=22050, n_fft=1024, win_length=1024, hop_length=256, n_mels=80, mel_scale="slaney", mel_norm="slaney"
)
# Each starts from its own random phases; means over four seeds differ by up to 5 %, in either direction.
CONVERGENCE_TOLERANCE = 0.07
# Least squares leave 1 to 5 % of a mel up to the Nyquist frequency unexplained, the clamped pseudo-inverse 5 to 11 %.
LEAST_SQUARES_GAIN = 0.6
# Division by the gain of pre-emphasis is exact for a stationary sound only.
EMPHASIS_TOLERANCE = 0.03
# Floating point: sums over the rows of a batch have another order.
ROW_TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def vowels() -> Tensor:
    """A second of a gliding pulse train through a falling spectrum, with some noise: ``(2, N)``."""
    time = np.arange(22050) / 22050
    noise = np.random.default_rng(0).normal(size=(2, 22050)) * 0.003
    rows = []
    for row, pitch in enumerate((110.0, 190.0)):
        phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.2 * np.sin(2 * np.pi * time))) / 22050
        harmonics = sum(np.cos(k * phase + k * k) / k for k in range(1, int(7000 / pitch)))
        rows.append(0.1 * harmonics * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time)) + noise[row])
    return torch.from_numpy(np.stack(rows)).float()


def spectral_convergence(audio: NDArray[np.float32], magnitude: NDArray[np.float32]) -> float:
    """Returns the distance of the audio's ``(N,)`` magnitude from the target ``(F, T)``, relative to the target."""
    found = np.abs(librosa.stft(audio, n_fft=1024, hop_length=256, pad_mode="reflect"))
    return float(np.linalg.norm(found - magnitude) / np.linalg.norm(magnitude))


@pytest.mark.parametrize("momentum", [0.0, 0.99])
def test_converges_as_librosa_does(momentum: float) -> None:
    """From the same magnitude of speech and after as many iterations, the result is as consistent as librosa's."""
    speech, rate = soundfile.read(CLIPS[0].path, dtype="float32")
    mel = MelSpectrogram(CONVENTION)(torch.from_numpy(soxr.resample(speech, rate, 22050))[None])
    magnitude = linear_magnitude(mel, CONVENTION)
    ours, theirs = [], []
    for seed in range(4):
        audio = invert_magnitude(magnitude, CONVENTION, n_iter=32, momentum=momentum, seed=seed)[0]
        ours.append(spectral_convergence(audio.numpy(), magnitude[0].numpy()))
        options = {"hop_length": 256, "n_fft": 1024, "pad_mode": "reflect"}
        reference = librosa.griffinlim(magnitude[0].numpy(), n_iter=32, momentum=momentum, random_state=seed, **options)
        theirs.append(spectral_convergence(reference, magnitude[0].numpy()))
    assert fmean(ours) == pytest.approx(fmean(theirs), rel=CONVERGENCE_TOLERANCE)


@pytest.mark.parametrize("framing", ["center", "same"])
def test_more_iterations_are_more_consistent(vowels: Tensor, framing: str) -> None:
    """In both framings the mel comes closer to the target."""
    convention = dataclasses.replace(CONVENTION, framing=framing)
    front_end = MelSpectrogram(convention)
    mel = front_end(vowels)
    errors = [
        float((front_end(griffin_lim(mel, convention, n_iter=n_iter)) - mel).abs().mean()) for n_iter in (0, 4, 32)
    ]
    assert errors[0] > 1.5 * errors[1] > 1.5 * errors[2]


@pytest.mark.parametrize("power", [1, 2])
def test_magnitude_explains_the_mel(vowels: Tensor, power: int) -> None:
    """Its mel is closer to the target than that of the pseudo-inverse, and no value is negative."""
    convention = dataclasses.replace(CONVENTION, power=power)
    front_end = MelSpectrogram(convention)
    mel = front_end(vowels)
    magnitude = linear_magnitude(mel, convention)
    pseudo_inverse = torch.linalg.pinv(front_end.mel_scale.fb.T) @ mel.exp()
    found, before = (
        float((front_end.mel_scale(spectrogram) - mel.exp()).norm())
        for spectrogram in (magnitude**power, pseudo_inverse.clamp_min(0))
    )
    assert found < LEAST_SQUARES_GAIN * before
    assert float(magnitude.min()) >= 0


def test_logarithm_and_levels_are_undone(vowels: Tensor) -> None:
    """Another way of storing the same mel leads to the same magnitude."""
    levels = LevelNormalization(ref_level=20.0, min_level=-140.0, max_norm=4.0, symmetric=True, clip=False)
    stored = dataclasses.replace(CONVENTION, log="log10", log_gain=20.0, normalization=levels)
    plain, other = (linear_magnitude(MelSpectrogram(c)(vowels), c) for c in (CONVENTION, stored))
    assert float((plain - other).norm() / plain.norm()) < ROW_TOLERANCE


def test_pre_emphasis_is_undone(vowels: Tensor) -> None:
    """The magnitude is that of the sound before pre-emphasis."""
    emphasized = dataclasses.replace(CONVENTION, pre_emphasis=0.97, guard_value=1e-7)
    filtered = vowels - 0.97 * torch.nn.functional.pad(vowels, (1, 0))[:, :-1]
    plain = dataclasses.replace(emphasized, pre_emphasis=0.0)
    expected = linear_magnitude(MelSpectrogram(plain)(filtered), plain)
    found = linear_magnitude(MelSpectrogram(emphasized)(vowels), emphasized)
    gain = (1 - 0.97 * torch.exp(-2j * torch.pi * torch.arange(513) / 1024)).abs()
    torch.testing.assert_close(found * gain[:, None], expected, rtol=EMPHASIS_TOLERANCE, atol=1e-4)


@pytest.mark.parametrize("framing", ["center", "same"])
@pytest.mark.parametrize("n_frames", [0, 1, 2, 3, 50])
@pytest.mark.parametrize(("n_fft", "win_length"), [(512, 512), (512, 300), (511, 511)])
def test_length_follows_the_framing(framing: str, n_frames: int, n_fft: int, win_length: int) -> None:
    """The length is right, also for mels too short to mirror, short windows, an odd n_fft and empty batches."""
    convention = dataclasses.replace(CONVENTION, n_fft=n_fft, win_length=win_length, hop_length=128, framing=framing)
    mel = torch.randn(2, 80, n_frames, generator=torch.Generator().manual_seed(1)) - 4
    expected = output_length(n_frames, 128, framing)
    audio = griffin_lim(mel, convention, n_iter=2)
    assert audio.shape == (2, expected)
    assert bool(torch.isfinite(audio).all())
    assert griffin_lim(mel[:0], convention, n_iter=2).shape == (0, expected)


def test_rows_are_independent_and_repeatable(vowels: Tensor) -> None:
    """A row of a batch equals its own decode, and the result depends on the seed alone."""
    mel = MelSpectrogram(CONVENTION)(vowels)
    both = griffin_lim(mel, CONVENTION, n_iter=4)
    alone = griffin_lim(mel[1:], CONVENTION, n_iter=4)
    torch.testing.assert_close(both[1:], alone, rtol=0, atol=ROW_TOLERANCE)
    assert not torch.allclose(alone, griffin_lim(mel[1:], CONVENTION, n_iter=4, seed=1), atol=1e-2)


def test_silence_stays_silent() -> None:
    """A mel at its floor decodes to inaudible and finite samples."""
    audio = griffin_lim(torch.full((1, 80, 20), float(np.log(1e-5))), CONVENTION)
    assert float(audio.abs().max()) < 1e-4


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((80, 9), {}, "shape"),
        ((1, 79, 9), {}, "80"),
        ((1, 80, 9), {"n_iter": -1}, "n_iter"),
        ((1, 80, 9), {"momentum": -0.1}, "momentum"),
    ],
)
def test_invalid_arguments_are_refused(shape: tuple[int, ...], options: dict[str, float], message: str) -> None:
    """The message names the argument and its value."""
    with pytest.raises(ValueError, match=message):
        griffin_lim(torch.zeros(shape), CONVENTION, **options)
