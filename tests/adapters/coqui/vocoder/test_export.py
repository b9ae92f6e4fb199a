"""`export` writes a vocoder for each TTS model, or refuses."""

from __future__ import annotations

import dataclasses
import json
import warnings

import numpy as np
import pytest
import soxr
import torch
from vocos_coqui.audio_block import write_audio_block
from vocos_coqui.export import export
from vocos_coqui.mel import CONVENTIONS, COQUI_DEFAULT, COQUI_LJSPEECH, COQUI_VITS, from_coqui, read_convention

from vocos_plugins import MelMismatch, Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, EncodecCodes, VocosConfig
from vocos_plugins.inference.frames import decode_frames
from vocos_plugins.mel import ConventionError, LevelNormalization, MelMismatchWarning
from vocos_plugins.storage.safe_files import CheckpointError

pytestmark = pytest.mark.xdist_group("coqui")

# soxr's filter at the very ends, and a length that is a sample off before it is cut.
RESAMPLED = 1e-6
# Mean log mel distance: half of what a wrong sample rate in the header would cause.
NEAR = 0.5


@pytest.fixture
def exported(tmp_path):
    """Returns a function that exports, and reads the configuration."""

    def write(vocos, **options):
        export(vocos, tmp_path / "exported", **options)
        return json.loads((tmp_path / "exported" / "config.json").read_text())

    return write


def test_two_files(exported, make_vocos, tmp_path):
    """`export` writes two files and nothing else; architecture and provenance are kept."""
    vocos = make_vocos(COQUI_LJSPEECH)
    vocos.provenance = {"licence": "MIT", "data": [{"source": "ljspeech", "minutes": 15.0}]}
    config = exported(vocos)
    assert sorted(path.name for path in (tmp_path / "exported").iterdir()) == ["config.json", "model.safetensors"]
    assert config["model"] == "vocos"
    assert config["model_args"] == {**vocos.config.to_dict(), "provenance": vocos.provenance}


def test_recipes_for_ljspeech_by_default(exported, make_vocos):
    """The default is the convention of most released models."""
    assert from_coqui(exported(make_vocos(COQUI_LJSPEECH))) == COQUI_LJSPEECH


@pytest.mark.parametrize("as_file", [True, False])
def test_a_tts_s_own_bands_and_logarithm(as_file, exported, make_vocos, make_tts):
    """The mel of a TTS's configuration or folder is written without its normalization, which Coqui TTS undoes."""
    folder = make_tts(spec_gain=1, ref_level_db=0, mel_fmin=50.0, mel_fmax=7600.0)
    convention = read_convention(folder)
    assert isinstance(convention.normalization, LevelNormalization)
    config = exported(make_vocos(convention), tts=folder / "config.json" if as_file else folder)
    assert from_coqui(config) == dataclasses.replace(convention, normalization=None)


def test_a_convention(exported, make_vocos):
    """A convention is accepted instead of a file."""
    found = from_coqui(exported(make_vocos(COQUI_DEFAULT), tts=COQUI_DEFAULT))
    assert found == dataclasses.replace(COQUI_DEFAULT, normalization=None)


@pytest.mark.parametrize("convention", [each for each in CONVENTIONS if each != COQUI_VITS], ids=lambda each: each.name)
def test_audio_blocks_are_read_back(convention, make_audio_config):
    """Blocks are read back by `from_coqui` and by Coqui TTS's own class, whose whole numbers lose nothing."""
    block = write_audio_block(convention)
    assert from_coqui(block) == from_coqui(make_audio_config(**block)) == convention
    config = make_audio_config()
    config.from_dict(json.loads(json.dumps(block)))
    assert from_coqui(config) == convention


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mel_scale": "htk"}, "mel_scale: htk against slaney"),
        ({"mel_norm": None}, "mel_norm: None against slaney"),
        ({"power": 2.0}, "power: 2.0 against 1.0"),
        ({"framing": "same"}, "framing: same against center"),
        ({"guard": "add"}, "guard: add against clamp"),
        ({"log_gain": 8.5}, r"spec_gain must be a whole number, got 8\.5"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_mel_that_coqui_cannot_make(fields, message, exported, make_vocos):
    """The error names each field that Coqui TTS cannot compute."""
    with pytest.raises(ConventionError, match=rf"Coqui TTS cannot compute x mels: .*{message}"):
        exported(make_vocos(COQUI_LJSPEECH), tts=dataclasses.replace(COQUI_LJSPEECH, name="x", **fields))


def test_a_mel_that_the_model_cannot_take(exported, make_vocos, tmp_path):
    """It is refused with each field, its effect on the sound, and the options; nothing is written."""
    tts = dataclasses.replace(COQUI_DEFAULT, name="telephone", sample_rate=8000, f_max=3400.0)
    with pytest.raises(MelMismatch, match=r"(?s)cannot take telephone mels: .*pitch and speed.*Options"):
        exported(make_vocos(COQUI_DEFAULT), tts=tts)
    assert list(tmp_path.iterdir()) == []


def test_a_loss(exported, make_vocos, tmp_path):
    """A lossy conversion is warned of with its error, or refused if strict."""
    vocos = make_vocos(dataclasses.replace(COQUI_LJSPEECH, f_min=30.0))
    with pytest.raises(MelMismatch, match=r"strict=True forbids a lossy conversion"):
        exported(vocos, strict=True)
    assert list(tmp_path.iterdir()) == []
    with pytest.warns(MelMismatchWarning, match=r"lossy mel conversion from coqui-ljspeech to .*mean error"):
        assert from_coqui(exported(vocos)) == COQUI_LJSPEECH


def test_an_encodec_model(exported):
    """An EnCodec model is refused: it takes codes, and Coqui TTS outputs mels."""
    parts = {"backbone": ConvNeXt(dim=16, intermediate_dim=32, num_layers=1), "head": ISTFT(n_fft=1280, hop_length=320)}
    with pytest.raises(MelMismatch, match="the vocoder has no mel"):
        exported(Vocos(VocosConfig(features=EncodecCodes(), **parts)))


def test_a_tts_without_mel(exported, make_vocos, write):
    """A TTS without a mel is refused with what it outputs instead; so is a file that is no configuration."""
    with pytest.raises(ConventionError, match="vits has no mel for a vocoder: it outputs a waveform"):
        exported(make_vocos(), tts=write({"model": "vits", "audio": {}}))
    with pytest.raises(ConventionError, match=r"other\.json is not a configuration of a Coqui TTS model"):
        exported(make_vocos(), tts=write({"model": "tacotron2"}, "other.json"))


def test_another_model_s_folder(exported, make_vocos, make_tts, tmp_path):
    """The TTS's own configuration is never overwritten; an earlier export is."""
    (tmp_path / "exported").mkdir()
    own = (make_tts() / "config.json").read_text()
    (tmp_path / "exported" / "config.json").write_text(own)
    with pytest.raises(CheckpointError, match=r"config\.json belongs to another model .*choose another target"):
        exported(make_vocos(), tts=COQUI_DEFAULT)
    assert (tmp_path / "exported" / "config.json").read_text() == own
    (tmp_path / "exported" / "config.json").unlink()
    exported(make_vocos(seed=1), tts=COQUI_DEFAULT)
    exported(make_vocos(seed=2), tts=COQUI_DEFAULT)


def test_another_checkpoint_s_folder(exported, make_vocos, tmp_path):
    """Weights without a configuration of this package are kept."""
    make_vocos(seed=1).save_pretrained(tmp_path / "exported")
    before = (tmp_path / "exported" / "model.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match=r"model\.safetensors belongs to another model"):
        exported(make_vocos(seed=2), tts=COQUI_DEFAULT)
    assert (tmp_path / "exported" / "model.safetensors").read_bytes() == before


def test_a_target_that_cannot_be_made(make_vocos, tmp_path):
    """A target that is a file is refused, and kept."""
    (tmp_path / "file").write_text("kept")
    with pytest.raises(CheckpointError, match="could not be written"):
        export(make_vocos(), tmp_path / "file", tts=COQUI_DEFAULT)
    assert (tmp_path / "file").read_text() == "kept"


@pytest.fixture
def other_rate(make_tts, make_synthesizer, tmp_path):
    """Returns a 24 kHz TTS with the bundled vocoder of 22.05 kHz, and the vocoder."""
    vocos = Vocos.from_pretrained("vocos-mel-22khz-small")
    tts = make_tts(sample_rate=24000, signal_norm=False, mel_fmax=8000.0, spec_gain=1, log_func="np.log")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MelMismatchWarning)  # only the first time
        export(vocos, tmp_path / "vocoder", tts=tts)
    return make_synthesizer(tts, tmp_path / "vocoder"), vocos


def test_another_sample_rate(other_rate, noise):
    """The vocoder resamples to the TTS's rate and exact length; Coqui TTS interpolates no mel."""
    synthesizer, vocos = other_rate
    assert synthesizer.output_sample_rate == synthesizer.tts_model.ap.sample_rate == 24000
    mel = noise(60, 80)
    audio = synthesizer._run_vocoder(mel, "cpu")
    assert audio.shape == (1, 1, 60 * 256)
    decoded = decode_frames(vocos, mel.T[None], source=read_convention(synthesizer.tts_config_path))[0]
    assert len(decoded) == round(60 * 256 * 22050 / 24000)
    expected = soxr.resample(decoded.numpy(), 22050, 24000)
    overlap = min(len(expected), 60 * 256)
    assert abs(len(expected) - 60 * 256) <= 1
    np.testing.assert_allclose(audio[0, 0, :overlap], expected[:overlap], atol=RESAMPLED)


def test_another_sample_rate_keeps_the_pitch(other_rate, make_signal, coqui_mel):
    """Real speech keeps speed and pitch: its mel is near, and would be far at a wrong rate."""
    synthesizer, _ = other_rate
    config = synthesizer.tts_config.audio
    mel = coqui_mel(config, make_signal("arctic-1", 24000)[: 120 * 256])[:, :120]
    audio = synthesizer._run_vocoder(torch.from_numpy(mel.T), "cpu")[0, 0].numpy()
    wrong = soxr.resample(audio, 24000, 22050)

    def distance(found):
        n_frames = min(coqui_mel(config, found).shape[1], 120)
        return float(np.abs(coqui_mel(config, found)[:, :n_frames] - mel[:, :n_frames]).mean())

    assert distance(audio) < NEAR * distance(wrong)
