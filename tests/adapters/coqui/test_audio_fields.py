"""Numbers of an audio block as Coqui TTS's own loader takes them, and the fields of its old versions."""

import warnings

import pytest
from vocos_coqui.audio_fields import DEFAULTS, IN_MILLISECONDS, WHOLE, read_fields
from vocos_coqui.mel import from_coqui, read_convention

from vocos_plugins.mel import ConventionWarning

pytestmark = pytest.mark.xdist_group("coqui")

NUMBERS = [name for name, value in DEFAULTS.items() if type(value) in (int, float)] + [*IN_MILLISECONDS, "mel_fmax"]
# Mozilla TTS's block for Tacotron 2, and the audio block of a file that names its sizes in two ways.
MOZILLA = {
    "num_mels": 80,
    "num_freq": 1025,
    "sample_rate": 22050,
    "frame_length_ms": 50,
    "frame_shift_ms": 12.5,
    "signal_norm": False,
}
AS_TRAINED = (2048, 1102, 275)
OURS = "2048, 1102, 275, on which the model was trained"


@pytest.fixture
def load(write):
    """Loads an audio block with Coqui TTS's own loader."""
    from TTS.config import load_config

    return lambda audio: load_config(write({"model": "glow_tts", "audio": audio})).audio


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_loaded_as_coqui_loads_them(name, load):
    """Each number has the type and value that Coqui's loader gives it: 1024.0 is 1024, and 1000.7 is 1000 or 1000.7."""
    for number in (1024.0, 1000.7, 33):
        # Coqui's sizes and levels have bounds.
        value = (
            number / 1000 if name == "preemphasis" else number / 20 if name in ("spec_gain", "min_level_db") else number
        )
        value = -value if name == "min_level_db" else value
        value = 1000 + value if name in ("sample_rate", "fft_size", "mel_fmax") else value
        try:
            theirs = getattr(load({name: value}), name)
        except ValueError:  # out of Coqui's bounds
            continue
        ours = read_fields({"hop_length": 256, name: value})[name]
        assert ours == theirs, value
        assert type(ours) is type(theirs) or name not in WHOLE, value


def test_whole_numbers_are_those_of_base_audio_config(make_audio_config):
    """The fields whose fractions are cut are those that Coqui declares as whole numbers."""
    import dataclasses

    types = {field.name: field.type for field in dataclasses.fields(make_audio_config)}
    assert {name for name in DEFAULTS if types[name] is int} == WHOLE


def test_the_mel_of_fractions(load):
    """The whole block is read as AudioProcessor computes it."""
    audio = {"sample_rate": 22050.0, "fft_size": 1024.0, "hop_length": 256.9, "num_mels": 80.0, "ref_level_db": 20.7}
    assert from_coqui(audio) == from_coqui(load(audio))
    assert from_coqui(audio).hop_length == 256
    assert from_coqui(audio).normalization.ref_level == 20


@pytest.mark.parametrize(
    ("fields", "expected", "theirs"),
    [
        ({}, AS_TRAINED, "takes fft_size, win_length and hop_length 1024, 1024, 256 instead"),
        ({"hop_length": None}, AS_TRAINED, "can't load it"),
        ({"num_freq": 1025.0, "frame_length_ms": 50.0}, AS_TRAINED, "1024, 1024, 256 instead"),
        ({"num_freq": None, "fft_size": 2048}, AS_TRAINED, "2048, 1024, 256 instead"),
        ({"hop_length": 256, "win_length": 1024}, (2048, 1024, 256), "1024, 1024, 256 instead"),
        ({"sample_rate": 16000, "num_freq": 513}, (1024, 800, 200), "1024, 1024, 256 instead"),
    ],
    ids=["mozilla", "hop-null", "floats", "fft_size", "hop", "16khz"],
)
def test_old_fields(fields, expected, theirs, load, write):
    """Old names and milliseconds give what the model was trained on; a warning says what Coqui makes of them today."""
    audio = {**MOZILLA, **fields}
    with pytest.warns(ConventionWarning, match=theirs) as caught:
        found = read_convention(write({"model": "Tacotron2", "audio": audio}))
    assert (found.n_fft, found.win_length, found.hop_length) == expected
    assert "num_freq" in str(caught[0].message) or "num_freq" not in fields or fields["num_freq"] is None
    loaded = load(audio)
    if "instead" in theirs:
        assert f"{loaded.fft_size}, {loaded.win_length}, {loaded.hop_length} instead" in theirs
    else:
        from TTS.utils.audio import AudioProcessor

        with pytest.raises(AssertionError, match="frame_shift_ms should divide"):
            AudioProcessor(loaded)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"num_freq": 513, "hop_length": 256, "win_length": 1024}, (1024, 1024, 256)),
        ({"num_freq": 513, "fft_size": 2048, "hop_length": 256}, (2048, 1024, 256)),
        ({"frame_length_ms": 50, "frame_shift_ms": 12.5, "hop_length": 256}, (1024, 1024, 256)),
        ({"frame_length_ms": 24.8, "frame_shift_ms": 12.4, "hop_length": None}, (1024, 529, 264)),
    ],
    ids=["agreeing", "fft_size", "hop_length", "cut"],
)
def test_old_fields_without_effect(fields, expected, load, write):
    """Where Coqui's loader reads the same mel, nothing is warned of."""
    from TTS.utils.audio import AudioProcessor

    processor = AudioProcessor(load(fields))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConventionWarning)
        found = read_convention(write({"model": "tacotron2", "audio": {**fields, "spec_gain": 20}}))
    assert (found.n_fft, found.win_length, found.hop_length) == expected
    assert (processor.fft_size, processor.win_length, processor.hop_length) == expected


def test_names_of_other_programs_are_pointed_out():
    """Coqui TTS drops them; the mel is the one that it computes without them."""
    block = {"n_fft": 2048, "n_mels": 100, "fmin": 50, "sample_rate": 22050, "mel_fmax": 8000.0}
    expected = (
        "Coqui TTS ignores n_fft .its field is fft_size, here 1024., n_mels .*num_mels, here 80., fmin .*mel_fmin"
    )
    with pytest.warns(ConventionWarning, match=expected):
        convention = from_coqui(block)
    assert convention == from_coqui({"sample_rate": 22050, "mel_fmax": 8000.0})


def test_coqui_s_own_fields_are_not_pointed_out(make_audio_config, recwarn):
    """A file that Coqui TTS writes has many fields that no mel depends on."""
    from_coqui(make_audio_config().to_dict())
    assert not recwarn.list
