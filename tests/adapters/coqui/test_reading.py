"""Conventions read from Coqui TTS's configuration files and objects."""

import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from vocos_coqui.mel import COQUI_DEFAULT, COQUI_LJSPEECH, from_coqui, read_convention

from vocos_plugins.mel import ConventionError, ConventionWarning, MeanStdNormalization

pytestmark = pytest.mark.xdist_group("coqui")

LJSPEECH = {"signal_norm": False, "mel_fmax": 8000, "spec_gain": 1.0, "log_func": "np.log"}
WITH_MEL = {
    "tacotron2": "TTS.tts.configs.tacotron2_config.Tacotron2Config",
    "glow_tts": "TTS.tts.configs.glow_tts_config.GlowTTSConfig",
    "fast_pitch": "TTS.tts.configs.fast_pitch_config.FastPitchConfig",
    "speedy_speech": "TTS.tts.configs.speedy_speech_config.SpeedySpeechConfig",
    "overflow": "TTS.tts.configs.overflow_config.OverflowConfig",
    "hifigan": "TTS.vocoder.configs.HifiganConfig",
    "univnet": "TTS.vocoder.configs.UnivnetConfig",
}
STATISTICS = MeanStdNormalization(mean=tuple(np.linspace(-5.0, 1.0, 80)), std=tuple(np.linspace(1.0, 2.0, 80)))


@pytest.mark.parametrize("fields", [{}, LJSPEECH], ids=["default", "ljspeech"])
@pytest.mark.parametrize("path", WITH_MEL.values(), ids=WITH_MEL)
def test_written_configurations(path, fields, make_config, tmp_path):
    """Files of the real classes are read like their objects, from the file and from its folder."""
    config = make_config(path, **fields)
    config.save_json(tmp_path / "config.json")
    expected = COQUI_LJSPEECH if fields else COQUI_DEFAULT
    assert read_convention(tmp_path / "config.json") == read_convention(tmp_path) == expected
    assert from_coqui(config) == from_coqui(config.audio) == from_coqui(config.to_dict()) == expected
    assert read_convention(tmp_path).name == expected.name


def test_to_json_and_yaml(make_config, tmp_path, write):
    """The text of to_json is read, and the same configuration as YAML."""
    config = make_config(WITH_MEL["glow_tts"], **LJSPEECH)
    assert read_convention(write(config.to_json(), "glow.json")) == COQUI_LJSPEECH
    text = yaml.safe_dump(json.loads(config.to_json()))
    assert read_convention(write(text, "glow.yaml")) == read_convention(write(text, "glow.yml")) == COQUI_LJSPEECH
    write(text, "config.yml")
    assert read_convention(tmp_path) == COQUI_LJSPEECH


COMMENTED = """{
    // a model of old: "model": "vits"
    "model": "Tacotron2",  // with comments
    "github": "https://github.com/coqui-ai/TTS",
    "audio": {
        "num_mels": 80, // "num_mels": 40
        "mel_fmin": 50.0, "quote": "a \\" // b",
        "signal_norm": false
    }
}"""


def test_comments_as_coqui_reads_them(write, tmp_path):
    """Comments are dropped, URLs and quoted slashes kept, as Coqui's own loader does."""
    from TTS.config import load_config

    path = write(COMMENTED)
    found = read_convention(path)
    assert (found.n_mels, found.f_min, found.normalization) == (80, 50.0, None)
    assert found == from_coqui(load_config(path))


def test_block_comments(write):
    """Comments over several lines, which Coqui means to drop, are dropped."""
    assert read_convention(write('{"audio": {/* "num_mels": 1,\n\n */ "spec_gain": 20}}')) == COQUI_DEFAULT


def test_milliseconds(write, make_config, tmp_path):
    """Frames in milliseconds are read."""
    make_config(
        WITH_MEL["tacotron2"], hop_length=None, frame_shift_ms=12.5, frame_length_ms=50, fft_size=2048
    ).save_json(tmp_path / "config.json")
    # Coqui TTS 0.28 writes a fraction, but can't load it.
    with pytest.warns(ConventionWarning, match="2048, 1102, 275"):
        found = read_convention(tmp_path)
    assert (found.n_fft, found.win_length, found.hop_length) == (2048, 1102, 275)


OTHER_FILES = {
    "no-audio": ("config.json", {"model": "tacotron2", "batch_size": 32}),
    "null": ("config.json", {"model": "tacotron2", "audio": None}),
    "text": ("config.json", {"model": "tacotron2", "audio": "22050"}),
    "hifigan": ("config.json", {"sampling_rate": 22050, "n_fft": 1024, "hop_size": 256, "num_mels": 80}),
    "piper": ("config.json", {"audio": {"sample_rate": 22050, "quality": "medium"}, "espeak": {"voice": "en-us"}}),
    "univnet": ("config.yaml", "audio: {n_mel_channels: 100, filter_length: 1024, mel_fmin: 0.0, mel_fmax: 12000.0}"),
    "speechbrain": ("config.yaml", "model: !new:speechbrain.Tacotron2\naudio: {spec_gain: 20}\n"),
    "list": ("config.json", [1, 2]),
    "broken-json": ("config.json", '{"audio": {"spec_gain": 20}'),
    "broken-yaml": ("config.yaml", "audio: [unclosed"),
    "empty": ("config.json", ""),
    "not-utf-8": ("config.json", b'\xff\xfe{"audio": {"spec_gain": 20}}'),
    "toml": ("config.toml", '{"audio": {"spec_gain": 20}}'),
}


@pytest.mark.parametrize(("name", "content"), OTHER_FILES.values(), ids=OTHER_FILES)
def test_other_files_are_none(write, name, content):
    """Files that aren't Coqui's, or can't be parsed, are None."""
    assert read_convention(write(content, name)) is None


def test_no_file_is_none(tmp_path):
    """A folder without a configuration is None, and so is a missing path."""
    assert read_convention(tmp_path) is None
    assert read_convention(tmp_path / "gone.json") is None


@pytest.fixture
def statistics(tmp_path):
    """Returns a file of statistics in its own folder."""
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "scale_stats.npy", mel_mean=STATISTICS.mean, mel_std=STATISTICS.std)
    return shutil.move(tmp_path / "data" / "scale_stats.npy.npz", tmp_path / "data" / "scale_stats.npy")


def test_statistics_beside_the_configuration(write, statistics):
    """A relative path starts at the configuration, not at the working directory."""
    path = write({"model": "glow_tts", "audio": {"stats_path": "data/scale_stats.npy"}})
    assert read_convention(path).normalization == STATISTICS


def test_absolute_statistics(write, statistics):
    """An absolute path is used unchanged."""
    path = write({"model": "glow_tts", "audio": {"stats_path": str(statistics)}})
    assert read_convention(path).normalization == STATISTICS


def test_statistics_of_a_released_model(write, statistics, tmp_path):
    """A release names the file on its trainer's machine and ships it next to the configuration."""
    shutil.copy(statistics, tmp_path / "scale_stats.npy")
    path = write({"model": "glow_tts", "audio": {"stats_path": "/trainer/scale_stats.npy"}})
    assert read_convention(path).normalization == STATISTICS


@pytest.mark.parametrize("named", ["/trainer/stats.npy", "C:\\trainer\\stats.npy", "data/stats.npy"])
def test_missing_statistics(write, statistics, named):
    """The error says where they are looked for; there they are found, whatever the trainer's system was."""
    path = write({"model": "glow_tts", "audio": {"stats_path": named, "mel_fmax": 7600.0}})
    expected = (
        rf"config\.json: statistics {re.escape(named)} can't be read.* put the model's stats\.npy beside config\.json"
    )
    with pytest.raises(ConventionError, match=expected):
        read_convention(path)
    assert read_convention(path, normalized=False).f_max == 7600
    shutil.copy(statistics, path.parent / "stats.npy")
    assert read_convention(path).normalization == STATISTICS


def test_statistics_of_another_mel(write, statistics):
    """Statistics of 80 bands don't fit 40."""
    path = write({"model": "glow_tts", "audio": {"num_mels": 40, "stats_path": str(statistics)}})
    with pytest.raises(ConventionError, match=r"config\.json: audio block: normalization has 80 values for n_mels=40"):
        read_convention(path)


def test_statistics_without_normalization(write):
    """No file is opened if signal_norm is off, as in Coqui."""
    path = write({"model": "glow_tts", "audio": {"signal_norm": False, "stats_path": "/trainer/scale_stats.npy"}})
    assert read_convention(path).normalization is None
    assert from_coqui({"signal_norm": False}, STATISTICS).normalization is None


def test_given_statistics_win():
    """Statistics passed by the caller need no file."""
    assert from_coqui({"stats_path": "/trainer/scale_stats.npy"}, STATISTICS).normalization == STATISTICS
    assert from_coqui({}, STATISTICS).normalization == STATISTICS


def test_any_object_with_the_fields(make_audio_config):
    """A live AudioProcessor is read, which has the fields as attributes, and so is a whole configuration."""
    from TTS.utils.audio import AudioProcessor

    config = make_audio_config(**LJSPEECH)
    assert from_coqui(AudioProcessor(config)) == COQUI_LJSPEECH
    assert from_coqui(SimpleNamespace(model="tacotron2", audio=config)) == COQUI_LJSPEECH
    assert from_coqui({"model": "tacotron2", "audio": LJSPEECH}) == COQUI_LJSPEECH


@pytest.mark.parametrize("name", ["config.yml", "config.yaml"])
def test_yaml_is_read_in_bounds(tmp_path, name) -> None:
    """Nested merge keys, which older versions of PyYAML expand for minutes, and repeated keys are refused at once."""
    levels = [f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}]}}" for level in range(1, 9)]
    bomb = ["a0: &a0 {k0: 0, k1: 1}", *levels, "audio: {sample_rate: 22050, signal_norm: false}", "model: glow_tts"]
    for lines, expected in (
        (bomb, "aliases add more than"),
        (["model: a", "model: b"], "the key 'model' appears twice"),
    ):
        (tmp_path / name).write_text("\n".join(lines))
        with pytest.raises(ConventionError, match=rf"{name} can't be read: .*{expected}"):
            read_convention(tmp_path)
