"""The mel front end against the reference package, torchaudio, librosa and scipy."""

import dataclasses

import librosa
import numpy as np
import pytest
import scipy.signal
import torch
import torchaudio.transforms

from vocos_plugins.mel import MelConvention, MelSpectrogram
from vocos_plugins.mel.spectrogram import Spectrogram

# Log mels of float32 spectra; near the guard of 1e-7 rounding of the spectrum shows most.
SAME_MEL = 1e-5
# HiFi-GAN's filterbank is rounded once from float64, this package's is torchaudio's: 5e-5 in a log mel near its floor.
OTHER_FILTERBANK = 1e-4
# Powers of float32 spectra against librosa's float64 ones, relative to the largest.
DOUBLE_SPECTRUM = 5e-6
# Linear magnitudes of float32 spectra, relative to the largest.
SINGLE = 2e-6

VOCOS = MelConvention(
    name="vocos-24khz",
    sample_rate=24000,
    n_fft=1024,
    win_length=1024,
    hop_length=256,
    n_mels=100,
    guard_value=1e-7,
)
HIFIGAN = MelConvention(
    name="hifigan-22khz",
    sample_rate=22050,
    n_fft=1024,
    win_length=1024,
    hop_length=256,
    n_mels=80,
    f_max=8000.0,
    mel_scale="slaney",
    mel_norm="slaney",
    framing="same",
    magnitude_eps=1e-9,
)


SIGNALS = ("noise", "silence", "impulse", "clipped-tone", "chirp", "barely-long-enough")


@pytest.fixture(params=SIGNALS)
def audio(request, noise, chirp) -> torch.Tensor:
    """Each of the signals in turn."""
    impulse = torch.zeros(1, 6000)
    impulse[0, 3000] = 1.0
    signals = {
        "noise": 0.3 * noise(2, 6000),
        "silence": torch.zeros(1, 6000),
        "impulse": impulse,
        "clipped-tone": (3 * torch.sin(torch.arange(6000) / 17.0))[None].clamp(-1, 1),
        "chirp": chirp(6000),
        "barely-long-enough": 0.3 * noise(1, 513),
    }
    return signals[request.param]


@pytest.mark.parametrize("framing", ["center", "same"])
def test_vocos_convention_equals_reference(framing, audio):
    """The 24 kHz convention is the published package's feature extractor."""
    from vocos.feature_extractors import MelSpectrogramFeatures

    expected = MelSpectrogramFeatures(24000, 1024, 256, 100, framing)(audio)
    found = MelSpectrogram(dataclasses.replace(VOCOS, framing=framing))(audio)
    torch.testing.assert_close(found, expected, rtol=0, atol=SAME_MEL)


def test_hifigan_convention_equals_its_recipe(audio):
    """The mel of HiFi-GAN's ``meldataset.py``, written out with librosa's filterbank and torch.stft."""
    bank = torch.from_numpy(librosa.filters.mel(sr=22050, n_fft=1024, n_mels=80, fmin=0, fmax=8000)).float()
    padded = torch.nn.functional.pad(audio[:, None], (384, 384), mode="reflect")[:, 0]
    spectrum = torch.stft(padded, 1024, 256, window=torch.hann_window(1024), center=False, return_complex=True)
    magnitude = torch.sqrt(torch.view_as_real(spectrum).pow(2).sum(-1) + 1e-9)
    expected = torch.log(torch.clamp(bank @ magnitude, min=1e-5))
    torch.testing.assert_close(MelSpectrogram(HIFIGAN)(audio), expected, rtol=0, atol=OTHER_FILTERBANK)


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("win_length", [1024, 600])
@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
def test_linear_mel_equals_torchaudio(power, win_length, pad_mode, audio):
    """Powers, short windows and padding of the linear mel are torchaudio's."""
    convention = dataclasses.replace(VOCOS, power=power, win_length=win_length, pad_mode=pad_mode, log=None)
    transform = torchaudio.transforms.MelSpectrogram(
        24000, 1024, win_length, 256, n_mels=100, power=power, pad_mode=pad_mode
    )
    expected = transform(audio)
    found = MelSpectrogram(convention)(audio)
    torch.testing.assert_close(found, expected, rtol=0, atol=SINGLE * max(float(expected.max()), 1e-9))


@pytest.mark.parametrize("win_length", [1024, 601])
@pytest.mark.filterwarnings("ignore:n_fft=1024 is too large for input signal of length=513")
def test_linear_mel_equals_librosa(win_length, audio):
    """The zero-padded Slaney mel is that of librosa in float64."""
    convention = MelConvention(
        sample_rate=22050,
        n_fft=1024,
        win_length=win_length,
        hop_length=256,
        n_mels=80,
        mel_scale="slaney",
        mel_norm="slaney",
        power=2.0,
        pad_mode="constant",
        log=None,
    )
    expected = librosa.feature.melspectrogram(
        y=audio.double().numpy(), sr=22050, n_fft=1024, hop_length=256, win_length=win_length, n_mels=80
    )
    found = MelSpectrogram(convention)(audio).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=DOUBLE_SPECTRUM * max(expected.max(), 1e-9))


def test_pre_emphasis_equals_lfilter(audio):
    """Pre-emphasis is the first-order filter, its first sample unchanged."""
    plain, emphasized = (Spectrogram(dataclasses.replace(VOCOS, pre_emphasis=a)) for a in (0.0, 0.97))
    filtered = scipy.signal.lfilter([1, -0.97], [1], audio.double().numpy())
    expected = plain(torch.from_numpy(filtered).float())
    torch.testing.assert_close(emphasized(audio), expected, rtol=0, atol=SINGLE * float(expected.max()))


@pytest.mark.parametrize("window", ["hann", "hamming"])
@pytest.mark.parametrize("periodic", [True, False], ids=["periodic", "symmetric"])
def test_windows_equal_scipy(window, periodic):
    """Both shapes, periodic and symmetric, are scipy's."""
    found = Spectrogram(dataclasses.replace(VOCOS, window=window, periodic=periodic)).window
    expected = scipy.signal.get_window(window, 1024, fftbins=periodic)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=SINGLE)


def test_magnitude_eps_lifts_silence():
    """Silence has the magnitude ``sqrt(eps)``, and its gradient is finite."""
    silence = torch.zeros(1, 2048, requires_grad=True)
    magnitude = Spectrogram(dataclasses.replace(VOCOS, magnitude_eps=1e-6))(silence)
    torch.testing.assert_close(magnitude, torch.full_like(magnitude, 1e-3))
    magnitude.sum().backward()
    assert torch.isfinite(silence.grad).all()


def test_silence_is_the_guard():
    """A silent log mel is the logarithm of the guard in every band."""
    mel = MelSpectrogram(VOCOS)(torch.zeros(1, 4096))
    torch.testing.assert_close(mel, torch.full_like(mel, float(np.log(1e-7))))


@pytest.mark.parametrize(("framing", "n_frames"), [("center", 24), ("same", 23)])
def test_number_of_frames(framing, n_frames, noise):
    """6000 samples in hops of 256 make 24 centred frames, or 23 with ``same`` framing."""
    found = MelSpectrogram(dataclasses.replace(VOCOS, framing=framing))(noise(2, 6000))
    assert found.shape == (2, 100, n_frames)


def test_tone_lands_in_its_band():
    """A 3 kHz tone is loudest in the band whose triangle is centred nearest to it."""
    tone = torch.sin(2 * torch.pi * 3000 * torch.arange(24000) / 24000)[None]
    loudest = MelSpectrogram(VOCOS)(tone)[0].mean(dim=1).argmax()
    centres = librosa.mel_frequencies(102, fmin=0, fmax=12000, htk=True)[1:-1]
    assert int(loudest) == int(np.abs(centres - 3000).argmin())


def test_half_precision_keeps_the_front_end():
    """Converting a model to half precision leaves its window and filterbank in float32."""
    module = MelSpectrogram(VOCOS).half()
    assert module.spectrogram.window.dtype == module.mel_scale.fb.dtype == torch.float32
    assert torch.equal(module.mel_scale.fb, MelSpectrogram(VOCOS).mel_scale.fb)
