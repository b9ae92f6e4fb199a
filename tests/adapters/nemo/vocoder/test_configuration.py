"""Vocoders from configurations: the minimum, and what is refused."""

from __future__ import annotations

import pytest
import torch

from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.inference.frames import decode_frames
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
