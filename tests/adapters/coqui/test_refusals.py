"""Settings of Coqui TTS's configurations that no mel convention can express."""

import math

import pytest
from vocos_coqui.mel import from_coqui, read_convention
from vocos_coqui.outputs import WITHOUT_MEL

from vocos_plugins.mel import ConventionError

pytestmark = pytest.mark.xdist_group("coqui")

MODELS_WITHOUT_MEL = {
    "vits": "TTS.tts.configs.vits_config.VitsConfig",
    "delightful_tts": "TTS.tts.configs.delightful_tts_config.DelightfulTTSConfig",
    "xtts": "TTS.tts.configs.xtts_config.XttsConfig",
    "tortoise": "TTS.tts.configs.tortoise_config.TortoiseConfig",
    "bark": "TTS.tts.configs.bark_config.BarkConfig",
    "tacotron": "TTS.tts.configs.tacotron_config.TacotronConfig",
    "freevc": "TTS.vc.configs.freevc_config.FreeVCConfig",
    "openvoice": "TTS.vc.configs.openvoice_config.OpenVoiceConfig",
    "knnvc": "TTS.vc.configs.knnvc_config.KNNVCConfig",
    "speaker_encoder": "TTS.encoder.configs.speaker_encoder_config.SpeakerEncoderConfig",
    "emotion_encoder": "TTS.encoder.configs.emotion_encoder_config.EmotionEncoderConfig",
}


def test_models_without_mel_are_covered():
    """The list above has all models without a mel."""
    assert set(MODELS_WITHOUT_MEL) == set(WITHOUT_MEL)


@pytest.mark.parametrize("name", MODELS_WITHOUT_MEL)
def test_models_without_mel(name, make_config, tmp_path):
    """The error names the model, what it outputs and the file; the object is refused too."""
    config = make_config(MODELS_WITHOUT_MEL[name])
    config.save_json(tmp_path / "config.json")
    with pytest.raises(ConventionError, match=rf"config\.json: .*Coqui TTS's {name} has no mel.*{WITHOUT_MEL[name]}"):
        read_convention(tmp_path)
    with pytest.raises(ConventionError, match=f"{name} has no mel"):
        from_coqui(config)


def test_model_names_in_any_case(write):
    """Names of models are compared as Coqui compares them, whatever the audio block holds."""
    with pytest.raises(ConventionError, match="vits has no mel"):
        read_convention(write({"model": "VITS", "audio": {}}))


@pytest.mark.parametrize(
    ("sections", "name"),
    [
        ({"model_name": "speaker_encoder"}, "speaker_encoder"),
        ({"model_params": {"model_name": "resnet", "input_dim": 64, "proj_dim": 512}}, "speaker_encoder"),
        ({"model": {"input_dim": 40, "proj_dim": 256, "lstm_dim": 768}}, "speaker_encoder"),
        ({"model": "my_model", "model_args": {"use_sdp": True}}, "vits"),
        ({"model": "my_model", "kl_loss_alpha": 1.0}, "vits"),
        ({"model": "my_model", "model_args": {"gpt_layers": 30}}, "xtts"),
    ],
    ids=["model_name", "model_params", "model", "vits", "loss", "xtts"],
)
def test_models_told_by_their_sections(sections, name, write):
    """Early speaker encoders and renamed models are told by the fields that only such models have."""
    with pytest.raises(ConventionError, match=f"Coqui TTS's {name} has no mel for a vocoder"):
        read_convention(write({**sections, "audio": {"spec_gain": 20}}))


@pytest.mark.parametrize("name", ["xtts", "bark", "openvoice"])
def test_audio_block_of_another_kind(name, make_config):
    """An audio configuration that lacks the mel's fields isn't filled up with defaults."""
    with pytest.raises(ConventionError, match="AudioConfig is not a BaseAudioConfig of Coqui TTS: it lacks"):
        from_coqui(make_config(MODELS_WITHOUT_MEL[name]).audio)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stft_pad_mode": "edge"}, "stft_pad_mode must be 'reflect' or 'constant', got 'edge'"),
        ({"log_func": "np.log2"}, "log_func must be one of np.log, np.log10, got 'np.log2'"),
        ({"log_func": ["np.log"]}, r"log_func must be one of np.log, np.log10, got \['np.log'\]"),
        ({"mel_fmax": 10**400}, "audio block: int too large"),
        ({"spec_gain": None}, "spec_gain must be a number, got None"),
        ({"spec_gain": -20}, "audio block: log_gain must be positive, got -20.0"),
        ({"preemphasis": "0.97"}, "preemphasis must be a number, got '0.97'"),
        ({"sample_rate": math.inf}, "sample_rate must be a whole number, got inf"),
        ({"spec_gain": math.nan}, "spec_gain must be a whole number, got nan"),
        ({"hop_length": "256"}, "hop_length must be a whole number, got '256'"),
        ({"num_freq": "1025"}, "num_freq must be a whole number, got '1025'"),
        ({"num_freq": 1025.5}, "num_freq must be a whole number, got 1025.5"),
        ({"frame_shift_ms": 12.5}, "frame_length_ms must be a number, got None"),
        ({"num_mels": True}, "num_mels must be a whole number, got True"),
        ({"num_mels": 0}, "audio block: n_mels must be at least 1, got 0"),
        ({"mel_fmin": None}, "mel_fmin must be a number, got None"),
        ({"mel_fmax": 12000}, "audio block: expected 0 <= f_min < f_max <= 11025"),
        ({"win_length": None}, "win_length must be a whole number, got None"),
        ({"win_length": 2048}, "audio block: expected hop_length <= win_length <= n_fft"),
        ({"hop_length": None}, "frame_length_ms must be a number, got None"),
        ({"hop_length": None, "frame_length_ms": 50}, "frame_shift_ms must be a number, got None"),
        ({"hop_length": None, "frame_length_ms": 50, "frame_shift_ms": 12}, "frame_shift_ms must divide.*12 and 50"),
        ({"hop_length": None, "frame_length_ms": 50, "frame_shift_ms": 0}, "frame_shift_ms must divide.*0 and 50"),
        ({"signal_norm": "yes"}, "signal_norm must be true or false, got 'yes'"),
        ({"symmetric_norm": None}, "symmetric_norm must be true or false, got None"),
        ({"clip_norm": 1}, "clip_norm must be true or false, got 1"),
        ({"do_amp_to_db_mel": None}, "do_amp_to_db_mel must be true or false, got None"),
        ({"min_level_db": 0}, "audio block: min_level must be negative, got 0"),
        ({"max_norm": 0}, "audio block: max_norm must be positive, got 0"),
        ({"stats_path": 5}, "stats_path must be a path, got 5"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refused_fields(write, fields, message):
    """Every error names the file, the field, the value and what was expected."""
    path = write({"model": "tacotron2", "audio": {"stats_path": None, **fields}})
    with pytest.raises(ConventionError, match=rf"config\.json: {message}"):
        read_convention(path)
