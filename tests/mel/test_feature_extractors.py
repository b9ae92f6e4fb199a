"""Conventions of transformers' feature extractors against the mels that they compute."""

from types import SimpleNamespace

import librosa
import numpy as np
import pytest
import scipy.signal
import torch

from vocos_plugins.mel import ConventionError, MelSpectrogram
from vocos_plugins.mel.feature_extractors import from_transformers

# transformers rounds its spectrum to complex64 and its mel to float32; window and filterbank are the same.
EXACT = 2e-6
# As vocoders compute it: float32 with this package's filterbank and window, near the extractors' low floors; in nepers
# or decades.
SINGLE = 2e-3

SPEECHT5, UNIVNET, CLVP = "SpeechT5FeatureExtractor", "UnivNetFeatureExtractor", "ClvpFeatureExtractor"
EXTRACTORS = {
    "speecht5": (SPEECHT5, {}),
    "speecht5-normalized-audio": (SPEECHT5, {"do_normalize": True}),
    "speecht5-short-window": (SPEECHT5, {"sampling_rate": 22050, "win_length": 40, "hop_length": 10, "fmax": 8000}),
    "speecht5-hamming": (
        SPEECHT5,
        {"win_function": "hamming_window", "num_mel_bins": 40, "mel_floor": 1e-5, "fmin": 0.0},
    ),
    "univnet": (UNIVNET, {}),
    "univnet-normalized": (UNIVNET, {"do_normalize": True}),
    "univnet-factor": (UNIVNET, {"compression_factor": 2.0, "fmin": 40.0}),
    "univnet-factor-normalized": (UNIVNET, {"compression_factor": 0.5, "do_normalize": True, "normalize_max": 3.0}),
    "univnet-hifigan": (UNIVNET, {"sampling_rate": 22050, "num_mel_bins": 80, "fmax": 8000.0, "filter_length": None}),
    "clvp": (CLVP, {}),
    "clvp-norms": (CLVP, {"mel_norms": np.linspace(2.0, 6.0, 80).tolist()}),
}
SIGNALS = ("arctic-1", "austen-2", "clipped", "silence", "impulse")


@pytest.fixture(scope="module")
def make_extractor():
    """Makes a feature extractor of transformers from its class and settings."""
    import transformers

    transformers.logging.set_verbosity_error()
    return lambda name, settings: getattr(transformers, name)(**settings)


def extracted(extractor, audio):
    """Returns the mel of the extractor's public call, ``(n_mels, T)``."""
    rate = extractor.sampling_rate
    match type(extractor).__name__:
        case "SpeechT5FeatureExtractor":
            return extractor(audio_target=audio, sampling_rate=rate)["input_values"][0].T
        case "UnivNetFeatureExtractor":
            return extractor(audio, sampling_rate=rate)["input_features"][0].T
    return np.asarray(extractor(audio, sampling_rate=rate, max_length=len(audio))["input_features"][0])


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(("name", "settings"), EXTRACTORS.values(), ids=EXTRACTORS)
def test_mel_equals_extractor(name, settings, signal, make_extractor, make_signal):
    """In float64, with the same window and filterbank, the mel is the extractor's."""
    extractor = make_extractor(name, settings)
    audio = make_signal(signal, extractor.sampling_rate).astype(np.float32)
    c = from_transformers(extractor)
    front_end = MelSpectrogram(c).double()
    front_end.spectrogram.window = torch.from_numpy(scipy.signal.get_window(c.window, c.win_length))
    bank = librosa.filters.mel(
        sr=c.sample_rate,
        n_fft=c.n_fft,
        n_mels=c.n_mels,
        fmin=c.f_min,
        fmax=c.f_max,
        htk=c.mel_scale == "htk",
        dtype=np.float64,
    )
    front_end.mel_scale.fb = torch.from_numpy(bank.T)
    found = front_end(torch.from_numpy(audio).double()[None])[0]
    np.testing.assert_allclose(found.numpy(), extracted(extractor, audio), rtol=0, atol=EXACT)


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(("name", "settings"), EXTRACTORS.values(), ids=EXTRACTORS)
def test_single_precision_mel_equals_extractor(name, settings, signal, make_extractor, make_signal):
    """The unmodified front end agrees in float32."""
    extractor = make_extractor(name, settings)
    audio = make_signal(signal, extractor.sampling_rate).astype(np.float32)
    found = MelSpectrogram(from_transformers(extractor))(torch.from_numpy(audio)[None])[0]
    np.testing.assert_allclose(found.numpy(), extracted(extractor, audio), rtol=0, atol=SINGLE)


def test_milliseconds_become_samples(make_extractor):
    """SpeechT5's lengths are milliseconds: 64 and 16 at 16 kHz; a window of 640 has an FFT of 1024."""
    c = from_transformers(make_extractor(SPEECHT5, {}))
    assert (c.sample_rate, c.n_fft, c.win_length, c.hop_length) == (16000, 1024, 1024, 256)
    c = from_transformers(make_extractor(SPEECHT5, {"win_length": 40}))
    assert (c.n_fft, c.win_length) == (1024, 640)


def test_padding_of_a_batch(make_extractor):
    """SpeechT5 fills a shorter item's mel with padding_value; UnivNet pads its audio, so its pad_value is None."""
    extractor = make_extractor(SPEECHT5, {"padding_value": -7.0})
    batch = extractor(audio_target=[np.zeros(16000), np.zeros(8000)], padding=True, sampling_rate=16000)
    assert np.unique(batch["input_values"][1][32:]) == from_transformers(extractor).pad_value == -7.0
    assert from_transformers(make_extractor(UNIVNET, {})).pad_value is None


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (SPEECHT5, {"win_function": "boxcar"}, "win_function must be one of hann, .*got 'boxcar'"),
        (SPEECHT5, {"win_length": 25, "sampling_rate": 22040}, "window of 551 samples .*win_length=25 ms"),
        (SPEECHT5, {"hop_length": 100}, "hop_length <= win_length <= n_fft, got hop_length=1600"),
        (UNIVNET, {"center": True}, "center=True pads a signal twice"),
        (UNIVNET, {"win_length": 800}, "win_length=800 differs from filter_length=1024"),
        (UNIVNET, {"hop_length": 255}, "must be even to pad both ends equally, got 1024 - 255"),
        (UNIVNET, {"compression_factor": 0.0}, "compression_factor must be positive, got 0.0"),
        (UNIVNET, {"do_normalize": True, "normalize_max": -20.0}, "min_level must be negative"),
        (UNIVNET, {"win_function": "povey"}, "win_function must be one of hann, .*got 'povey'"),
        (CLVP, {"mel_norms": [1.0, 2.0]}, "normalization has 2 values for n_mels=80"),
        (CLVP, {"mel_norms": [0.0] * 80}, "every std must be positive"),
    ],
)
def test_refused_settings(name, settings, message, make_extractor):
    """The message names the class, the setting and the reason."""
    with pytest.raises(ConventionError, match=f"{name}: .*{message}"):
        from_transformers(make_extractor(name, settings))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("WhisperFeatureExtractor", "below each clip's own maximum"), ("SeamlessM4TFeatureExtractor", "follows Kaldi")],
)
def test_refused_classes(name, reason, make_extractor):
    """A mel that depends on its clip, or follows Kaldi, is refused with the reason."""
    with pytest.raises(ConventionError, match=f"no convention can express the mel of {name}: .*{reason}"):
        from_transformers(make_extractor(name, {}))


def test_refusal_of_whisper_is_right(make_extractor, make_signal):
    """A louder clip moves Whisper's floor, whereas silence has one fixed value in every `MelConvention`."""
    extractor, speech = make_extractor("WhisperFeatureExtractor", {}), make_signal("arctic-1", 16000)
    quiet, loud = (extractor(gain * speech, sampling_rate=16000)["input_features"][0].min() for gain in (0.05, 1.0))
    assert loud - quiet > 0.1


def test_other_objects(make_extractor):
    """The message lists the supported classes, and points a processor to its feature extractor."""
    with pytest.raises(ConventionError, match=r"expected one of SpeechT5.*, got EncodecFeatureExtractor$"):
        from_transformers(make_extractor("EncodecFeatureExtractor", {}))
    processor = SimpleNamespace(feature_extractor=make_extractor(SPEECHT5, {}))
    with pytest.raises(ConventionError, match="got SimpleNamespace; pass its feature_extractor"):
        from_transformers(processor)


def test_subclasses(make_extractor):
    """A subclass is read like its base class."""
    base = make_extractor(SPEECHT5, {})
    derived = type("Mine", (type(base),), {})()
    assert from_transformers(derived) == from_transformers(base)
    assert from_transformers(derived).name == "speecht5"
