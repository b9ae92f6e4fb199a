"""Vocoders from configurations: the minimum, and what is refused."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import pytest
import torch

from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.inference.frames import decode_frames
from vocos_plugins.inference.resampling import resample
from vocos_plugins.mel import ConventionError, MelMismatch, MelMismatchWarning

pytestmark = pytest.mark.xdist_group("nemo")

# Relative to the peak: the same sums in another order.
SAME = 1e-5


def test_from_configuration(vocoder, nemo_config, make_mel):
    """Two blocks are enough; weights are random, and depend on the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        models = [vocoder.VocosModel(cfg=nemo_config()) for _ in range(2)]
    first, second = (model.convert_spectrogram_to_audio(spec=make_mel()) for model in models)
    assert not torch.equal(first, second)
    assert models[0].generator.source.name == "nemo-fastpitch-22khz"
    assert models[0].cfg.target == "vocos_nemo.vocoder.VocosModel"


def test_blocks_that_can_not_be(vocoder, nemo_config):
    """Missing or invalid parts of a configuration are named when the model is built."""
    from nemo.core.classes.common import UnsafeTargetError
    from omegaconf import OmegaConf

    build = vocoder.VocosModel
    with pytest.raises(ConfigError, match="VocosModel's configuration: missing generator"):
        build(cfg=OmegaConf.create({"preprocessor": nemo_config().preprocessor}))
    config = nemo_config()
    config.generator._target_ = "os.system"
    with pytest.raises(ConfigError, match="unknown key '_target_'"):
        build(cfg=config)
    config = nemo_config()
    config.generator.head.hop_length = 128
    with pytest.raises(ConfigError, match="the head produces 128 samples per frame"):
        build(cfg=config)
    with pytest.raises(ConventionError, match="normalize is 'per_feature'"):
        build(cfg=nemo_config(normalize="per_feature"))
    with pytest.raises(UnsafeTargetError, match=r"torch\.hub\.AudioToMelSpectrogramPreprocessor"):
        build(cfg=nemo_config(_target_="torch.hub.AudioToMelSpectrogramPreprocessor"))
    config = nemo_config()
    del config.preprocessor._target_
    with pytest.raises(ConfigError, match=r"expected a _target_ that is FilterbankFeatures .*got None"):
        build(cfg=config)
    config = nemo_config()
    config.train_ds = {"dataset": {}}
    with pytest.raises(ConfigError, match="train_ds: there is no 'dataloader_params'"):
        build(cfg=config)


def test_mels_that_do_not_fit(vocoder, nemo_config, make_vocos, conventions_by_name):
    """Mels that can't be converted are refused at construction; lossy ones are warned of, or refused if strict."""
    with pytest.raises(MelMismatch, match="has no information for"):
        vocoder.VocosModel(cfg=nemo_config(highfreq=2000))
    lossy = conventions_by_name["nemo-fastpitch-22khz-full-band"]
    with pytest.raises(MelMismatch, match="strict=True forbids a lossy conversion"):
        vocoder.wrap(make_vocos(), source=lossy, strict=True)
    with pytest.warns(MelMismatchWarning, match="nemo-fastpitch-22khz-full-band"):
        vocoder.wrap(make_vocos(f_max=7900.0), source=lossy)  # another test's pair would already have been warned of


def test_lossy_conversion(vocoder, make_vocos, make_mel, conventions_by_name, relative_error):
    """A lossy conversion returns the core's audio too, in both methods."""
    vocos, source = make_vocos(f_max=7800.0), conventions_by_name["nemo-fastpitch-22khz"]
    with pytest.warns(MelMismatchWarning):
        model = vocoder.wrap(vocos, source=source)
    mel = make_mel()
    audio = model.convert_spectrogram_to_audio(spec=mel)
    assert audio.shape == (2, 20 * 256)
    assert relative_error(audio, decode_frames(vocos, mel, source=source)) <= SAME
    assert relative_error(model(spec=mel)[:, 0].detach(), audio) <= SAME


@pytest.fixture
def wrap_lossily(vocoder):
    """Wraps a model for mels of another rate, without the warning."""

    def wrap(vocos, source):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MelMismatchWarning)
            return vocoder.wrap(vocos, source=source)

    return wrap


@pytest.mark.parametrize("framing", ["center", "same"])
@pytest.mark.parametrize(("rate", "hop"), [(44100, 512), (44100, 440), (24000, 300), (16000, 200), (22050, 276)])
def test_mels_of_another_rate(rate, hop, framing, wrap_lossily, make_vocos, make_mel, relative_error):
    """The audio has the mel's rate and hop, whatever the model's, in both methods, also for rows of unequal lengths."""
    vocos = make_vocos()
    changes = {"sample_rate": rate, "hop_length": hop, "n_fft": 2048, "win_length": 2048, "f_max": 8000.0}
    source = dataclasses.replace(vocos.mel, **changes, framing=framing, pad_mode="constant", periodic=False)
    model = wrap_lossily(vocos, source)
    mel, lengths = make_mel(n_frames=69), torch.tensor([69, 30])
    audio = model.convert_spectrogram_to_audio(spec=mel)
    assert model.sample_rate == rate
    assert audio.shape == (2, 69 * hop)
    assert relative_error(audio, resample(decode_frames(vocos, mel, source=source), 22050, rate, 69 * hop)) <= SAME
    assert relative_error(model(spec=mel)[:, 0].detach(), audio) <= SAME
    ragged = model.convert_spectrogram_to_audio(spec=mel, lengths=lengths)
    assert relative_error(model.generator(x=mel, lengths=lengths)[:, 0].detach(), ragged) <= SAME
    assert (ragged[1, 30 * hop :] == 0).all()
    alone = model.convert_spectrogram_to_audio(spec=mel[1:, :, :30])
    # The end of the shorter row is cut off the resampler's decay.
    assert relative_error(ragged[1:, : 20 * hop], alone[:, : 20 * hop]) <= SAME
    assert model.convert_spectrogram_to_audio(spec=mel[:0]).shape == (0, 69 * hop)


def test_the_log_of_another_rate(wrap_lossily, make_vocos, make_signal, conventions_by_name):
    """NeMo's log gets audio as long as the recording, at the rate that it writes."""
    from nemo.collections.tts.parts.utils.callbacks import VocoderArtifactGenerator

    model = wrap_lossily(make_vocos(), conventions_by_name["nemo-hifigan-44khz"])
    audio = make_signal("austen-1", 44100)[:, : 60 * 512]
    batch = {"dataset_names": ["a"], "audio_filepaths": [Path("1.wav")], "audio": audio}
    artifacts, _ = VocoderArtifactGenerator().generate_artifacts(
        model=model, batch_dict={**batch, "audio_lens": torch.tensor([60 * 512])}
    )
    assert [(artifact.sample_rate, artifact.data.shape) for artifact in artifacts] == [(44100, (60 * 512,))]
