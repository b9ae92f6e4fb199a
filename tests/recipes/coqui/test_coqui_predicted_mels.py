"""Mels that TTS models of Coqui TTS predict for recordings, aligned with them frame by frame."""

from __future__ import annotations

import argparse
import importlib.util

import numpy as np
import pytest
import soundfile
import torch

from helpers.paths import ROOT

pytestmark = pytest.mark.xdist_group("coqui")

SCRIPT = ROOT / "recipes" / "coqui" / "predict_mels.py"
HOP = 256
NATURAL = {"log_func": "np.log", "spec_gain": 1, "signal_norm": False}
# Float32 rounding of a level that is converted to decibels and back to the natural logarithm.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def script():
    """The recipe's script as a module."""
    spec = importlib.util.spec_from_file_location("predict_mels", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def arguments(make_config, corpus, tmp_path):
    """Makes the script's arguments for a TTS's folder."""
    return lambda tts: argparse.Namespace(
        tts=tts / "config.json",
        checkpoint=str(tts / "model.pth"),
        config=make_config(),
        data_path=corpus / "wavs",
        out=tmp_path / "mels",
        device="cpu",
    )


@pytest.mark.parametrize("name", ["glow_tts", "tacotron2", "fast_pitch"])
def test_each_clip_gets_its_frames(name, script, make_tts, arguments, corpus, tmp_path):
    """Each clip has a mel of its length (GlowTTS: whole pairs of frames), and Coqui TTS's data set accepts them all."""
    import vocos_coqui  # noqa: F401
    from TTS.config import load_config
    from TTS.utils.audio import AudioProcessor
    from TTS.vocoder.datasets.gan_dataset import GANDataset

    given = arguments(make_tts(name, **NATURAL))
    assert script.write_mels(given) == 5
    pairs = []
    for wav in sorted((corpus / "wavs").glob("*.wav")):
        mel = np.load(tmp_path / "mels" / f"{wav.stem}.npy")
        n_frames = soundfile.info(wav).frames // HOP + 1
        assert mel.shape == (80, n_frames - n_frames % 2 if name == "glow_tts" else n_frames)
        assert mel.dtype == np.float32
        assert np.isfinite(mel).all()
        pairs.append((str(wav), str(tmp_path / "mels" / f"{wav.stem}.npy")))
    processor = AudioProcessor(load_config(given.config).audio)
    data = GANDataset(processor, pairs, 8192, HOP, 0, conv_pad=0, return_segments=False, is_training=False)
    assert all(audio.shape[-1] == mel.shape[-1] * HOP for mel, audio in (data[index] for index in range(5)))


def test_glow_tts_predicts_mels(script, make_tts):
    """The script returns the decoder's mels, not the latents of ``model_outputs``; with the noise of synthesis."""
    from TTS.config import load_config
    from TTS.tts.models import setup_model

    torch.manual_seed(0)
    tts = make_tts("glow_tts")
    model = setup_model(load_config(tts / "config.json")).eval()
    batch = {
        "text_input": torch.randint(1, 20, (2, 7)),
        "text_lengths": torch.tensor([7, 5]),
        "mel_input": torch.randn(2, 40, 80),
        "mel_lengths": torch.tensor([40, 33]),
        "d_vectors": None,
        "speaker_ids": None,
    }
    made, latents = [], []
    model.decoder.register_forward_pre_hook(lambda _, given: latents.append(given[0]))
    model.decoder.register_forward_hook(lambda _, __, output: made.append(output[0]))
    scale, model.inference_noise_scale = model.inference_noise_scale, 0.0
    mels = script.predict(model, batch)
    _, upstream, ours = made
    assert torch.equal(mels, ours.transpose(1, 2))
    assert (ours - upstream)[0].abs().max() < TOLERANCE
    assert (ours - upstream)[1, :, :32].abs().max() < TOLERANCE
    model.inference_noise_scale = scale
    script.predict(model, batch)
    *_, mean, noisy = latents
    deviation = model.inference_with_MAS(*(batch[key] for key in list(batch)[:4]))["y_log_scale"].exp().mean() * scale
    # The deviation of 80 x 73 values is known to a hundredth.
    assert float((noisy - mean)[0].std()) == pytest.approx(float(deviation), rel=0.05)


def test_another_logarithm_is_converted(script, make_tts, arguments, tmp_path):
    """A TTS's normalized decibels become the natural logarithms of the vocoder's configuration."""
    from TTS.config import load_config
    from TTS.tts.datasets import load_tts_samples
    from TTS.tts.models import setup_model
    from TTS.utils.audio import AudioProcessor

    given = arguments(make_tts("glow_tts"))
    script.write_mels(given)
    config = load_config(given.tts)
    model = setup_model(config)
    model.load_checkpoint(config, given.checkpoint, eval=True)
    predicted = list(script.predict_all(model, config, load_tts_samples(config, eval_split=False)[0]))
    assert len(predicted) == 5
    for clip, mel in predicted:
        decibels = AudioProcessor(config.audio).denormalize(mel.numpy())
        written = np.load(tmp_path / "mels" / f"{clip.stem}.npy")
        assert np.abs(written - decibels / 20 * np.log(10)).max() < TOLERANCE


def test_another_filterbank_is_refused(script, make_tts, arguments):
    """A vocoder must be trained on mels with the bands that it is used with."""
    with pytest.raises(ValueError, match="f_max: 7600"):
        script.write_mels(arguments(make_tts("glow_tts", **NATURAL, mel_fmax=7600)))


def test_other_trimming_is_refused(script, make_tts, arguments, corpus):
    """Coqui TTS trims silence by default, so frames would not match the recording."""
    from TTS.config import BaseAudioConfig
    from TTS.utils.audio import AudioProcessor

    whole, trimmed = (
        AudioProcessor(BaseAudioConfig(do_trim_silence=trim, trim_db=20, **NATURAL)) for trim in (False, True)
    )
    clip = corpus / "quiet.wav"
    soundfile.write(clip, np.concatenate([np.zeros(30000), np.sin(np.arange(9000) / 9)]), 22050)
    n_frames = 39000 // HOP + 1
    script.check_recording(clip, n_frames, 1, whole, whole)
    with pytest.raises(SystemExit, match="do_trim_silence, trim_db"):
        script.check_recording(clip, n_frames, 1, whole, trimmed)
    with pytest.raises(SystemExit, match=f"{n_frames - 1} frames of 39000 samples, expected {n_frames}"):
        script.check_recording(clip, n_frames - 1, 1, whole, whole)


def test_other_levels_are_refused(script, corpus):
    """Coqui TTS's own extraction pairs recordings at full level with mels at the original level."""
    from TTS.config import BaseAudioConfig
    from TTS.utils.audio import AudioProcessor

    own, normalized = (
        AudioProcessor(BaseAudioConfig(do_trim_silence=False, do_sound_norm=norm, **NATURAL)) for norm in (False, True)
    )
    clip = corpus / "wavs" / "0.wav"
    n_frames = soundfile.info(clip).frames // HOP + 1
    script.check_recording(clip, n_frames, 1, own, own)
    with pytest.raises(SystemExit, match="at another level than the vocoder"):
        script.check_recording(clip, n_frames, 1, own, normalized)
