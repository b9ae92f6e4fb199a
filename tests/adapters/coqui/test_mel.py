"""Coqui TTS's conventions against the mels that it computes itself."""

import dataclasses
import inspect

import librosa
import numpy as np
import pytest
import torch
from vocos_coqui.audio_fields import DEFAULTS
from vocos_coqui.mel import CONVENTIONS, COQUI_VITS, DEFAULT, from_coqui

from vocos_plugins.mel import LevelNormalization, MelSpectrogram
from vocos_plugins.mel.compression import expand

pytestmark = pytest.mark.xdist_group("coqui")

# Both compute in float64, so the difference is the last bit of a filterbank product, and Coqui's rounding to float32.
EXACT = 1e-6
ROUNDING = 2**-24
# Float32 window, filterbank and mel (whose last digit is 7e-6 nepers where a gain of 1 is normalized), in nepers where
# the mel amplitude is above -60 dB.
SINGLE = 5e-5
AUDIBLE = 1e-3
# The same float32 window in float64: only the filterbank differs, and is replaced.
DOUBLE = 1e-9
# Normalization undone and redone by two sequences of float64 steps.
STEPS = 1e-12

LJSPEECH = {"signal_norm": False, "mel_fmax": 8000, "spec_gain": 1.0, "log_func": "np.log"}
FIELDS = {
    "default": {},
    "ljspeech": LJSPEECH,
    "asymmetric": {"symmetric_norm": False, "max_norm": 1.0},
    "unclipped": {"clip_norm": False},
    "asymmetric-unclipped": {"symmetric_norm": False, "clip_norm": False},
    "other-levels": {"ref_level_db": 0, "min_level_db": -80, "max_norm": 2.5},
    "not-normalized": {"signal_norm": False},
    "natural-log-normalized": {"log_func": "np.log"},
    "gain-1": {"spec_gain": 1, "mel_fmin": 50.0, "mel_fmax": 7600.0},
    "linear": {"do_amp_to_db_mel": False, "signal_norm": False},
    "linear-normalized": {"do_amp_to_db_mel": False},
    "pre-emphasis": {"preemphasis": 0.98},
    "short-window": {"win_length": 1100, "fft_size": 2048, "hop_length": 275},
    "milliseconds": {"hop_length": None, "frame_shift_ms": 12.5, "frame_length_ms": 50.0, "fft_size": 2048},
    "milliseconds-rounded": {"hop_length": None, "frame_shift_ms": 10, "frame_length_ms": 40},
    "zero-padded": {"stft_pad_mode": "constant"},
    "capacitron": {"sample_rate": 24000, "mel_fmin": 80.0, "mel_fmax": 12000, "spec_gain": 25.0},
    "16khz": {"sample_rate": 16000, "num_mels": 40, "fft_size": 512, "win_length": 512, "hop_length": 160},
}
SIGNALS = ("arctic-1", "austen-2", "clipped", "silence", "impulse")


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_mel_equals_audio_processor(fields, signal, make_audio_config, make_signal, coqui_mel, exact_mel):
    """In float64, with the same window and filterbank, the mel is that of Coqui's AudioProcessor."""
    config = make_audio_config(**fields)
    audio = make_signal(signal, config.sample_rate)
    found = exact_mel(from_coqui(config), audio)
    np.testing.assert_allclose(found, coqui_mel(config, audio), rtol=ROUNDING, atol=EXACT)


# A linear amplitude on the scale of decibels has lost its last digits to float32 in Coqui TTS as well.
@pytest.mark.parametrize("signal", ["arctic-1", "austen-2", "clipped", "impulse"])
@pytest.mark.parametrize("name", [name for name in FIELDS if name != "linear-normalized"])
def test_single_precision_mel_equals_audio_processor(name, signal, make_audio_config, make_signal, coqui_mel):
    """In float32, as vocoders compute it, the mel agrees in everything audible."""
    config = make_audio_config(**FIELDS[name])
    audio = make_signal(signal, config.sample_rate)
    convention = from_coqui(config)
    expected = torch.from_numpy(coqui_mel(config, audio))
    found = MelSpectrogram(convention)(torch.from_numpy(audio).float()[None])[0]
    assert found.shape == expected.shape
    found, expected = expand(found.double(), convention), expand(expected.double(), convention)
    audible = expected > AUDIBLE
    assert audible.any()
    assert float((found[audible] / expected[audible]).log().abs().max()) < SINGLE


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_expand_equals_denormalize(fields, make_audio_config, make_signal, coqui_mel):
    """A mel expands to the amplitude that Coqui's denormalize and db_to_amp return."""
    from TTS.utils.audio import AudioProcessor
    from TTS.utils.audio.numpy_transforms import db_to_amp

    config = make_audio_config(**fields)
    mel = coqui_mel(config, make_signal("austen-2", config.sample_rate)).astype(np.float64)
    processor = AudioProcessor(config)
    expected = processor.denormalize(mel)
    if config.do_amp_to_db_mel:
        expected = db_to_amp(x=expected, gain=processor.spec_gain, base=processor.base)
    found = expand(torch.from_numpy(mel), from_coqui(config))
    np.testing.assert_allclose(found.numpy(), expected.clip(0), rtol=STEPS, atol=STEPS)


@pytest.mark.parametrize("fields", [{}, LJSPEECH, {"do_amp_to_db_mel": False}], ids=["default", "ljspeech", "linear"])
def test_statistics_equal_audio_processor(
    fields, statistics_file, make_audio_config, make_signal, coqui_mel, exact_mel
):
    """Mean and deviation from Coqui's own file normalize as its scaler does."""
    fields = {**fields, "signal_norm": True, "stats_path": str(statistics_file(**fields))}
    config = make_audio_config(**fields)
    audio = make_signal("clipped", config.sample_rate)
    found = exact_mel(from_coqui(config), audio)
    np.testing.assert_allclose(found, coqui_mel(config, audio), rtol=ROUNDING, atol=EXACT)


@pytest.mark.parametrize("signal", SIGNALS)
def test_vits_mel_equals_wav_to_mel(signal, make_signal):
    """The VITS convention is the mel of VITS's loss."""
    from TTS.utils.audio.torch_transforms import amp_to_db, wav_to_mel

    c = COQUI_VITS
    # The epsilon under the root keeps silence above the guard, so no mel shows the guard's value: check it here.
    assert inspect.signature(amp_to_db).parameters["clip_val"].default == c.guard_value
    audio = torch.from_numpy(make_signal(signal, c.sample_rate))[None]
    expected = wav_to_mel(audio, c.n_fft, c.n_mels, c.sample_rate, c.hop_length, c.win_length, c.f_min, c.f_max)
    front_end = MelSpectrogram(c).double()
    bank = librosa.filters.mel(sr=c.sample_rate, n_fft=c.n_fft, n_mels=c.n_mels, fmin=c.f_min, fmax=c.f_max)
    front_end.mel_scale.fb = torch.from_numpy(bank.T).double()
    torch.testing.assert_close(front_end(audio), expected, rtol=0, atol=DOUBLE)


def test_defaults_equal_base_audio_config(make_audio_config):
    """The defaults are BaseAudioConfig's, and include every field that could change a mel."""
    theirs = {field.name: field.default for field in dataclasses.fields(make_audio_config)}
    loading = {"resample", "do_sound_norm", "do_trim_silence", "trim_db", "do_rms_norm", "db_level"}
    others = {"power", "griffin_lim_iters", "do_amp_to_db_linear", "pitch_fmax", "pitch_fmin"}
    assert set(theirs) == set(DEFAULTS) | loading | others
    assert {name: theirs[name] for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(
    ("name", "fields"), [(f"coqui-{name}", FIELDS[name]) for name in ("default", "ljspeech", "capacitron")]
)
def test_conventions_are_those_of_recipes(name, fields, make_audio_config):
    """A recipe's audio block is read as the named convention, with its name."""
    found = from_coqui(make_audio_config(**fields))
    assert found == {convention.name: convention for convention in CONVENTIONS}[name]
    assert found.name == name


def test_conventions_are_distinct():
    """Four conventions have four names; LJSpeech's is the default."""
    assert len(CONVENTIONS) == len(set(CONVENTIONS)) == len({convention.name for convention in CONVENTIONS}) == 4
    assert DEFAULT in CONVENTIONS
    assert DEFAULT.name == "coqui-ljspeech"


def test_milliseconds_count_only_without_a_hop():
    """Milliseconds count only without a hop_length, as in AudioProcessor, and then set the window too."""
    milliseconds = {"frame_shift_ms": 10, "frame_length_ms": 40, "sample_rate": 16000}
    assert from_coqui({**milliseconds, "hop_length": 256}).hop_length == 256
    found = from_coqui({**milliseconds, "hop_length": None, "win_length": 800})
    assert (found.win_length, found.hop_length) == (640, 160)


def test_linear_mel_has_no_gain():
    """Without a logarithm, its options make no difference between conventions."""
    linear = {"do_amp_to_db_mel": False}
    assert from_coqui({**linear, "spec_gain": 1, "log_func": "np.log"}) == from_coqui(linear)


def test_level_normalization_is_read():
    """Levels are read under the core's names."""
    assert from_coqui({"ref_level_db": 0, "min_level_db": -80}).normalization == LevelNormalization(
        ref_level=0.0, min_level=-80.0, max_norm=4.0, symmetric=True, clip=True
    )
