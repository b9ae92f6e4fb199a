"""NeMo's own FastPitch speaks through Vocos, in a program and in its training log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vocos_plugins.inference.frames import decode_frames

pytestmark = pytest.mark.xdist_group("nemo")

TEXT = "A text to be spoken."
# Rounding of a 16-bit WAV file.
ROUNDING = 1 / 2**15


@pytest.fixture
def spec(fastpitch):
    """Returns FastPitch's mel of a text, ``(1, 80, T)``."""
    return fastpitch.generate_spectrogram(tokens=fastpitch.parse(TEXT))


@pytest.fixture
def archive(vocoder, bundled, tmp_path):
    """Returns the bundled model's ``.nemo`` file."""
    vocoder.wrap(bundled).save_to(str(tmp_path / "vocos.nemo"))
    return tmp_path / "vocos.nemo"


@pytest.fixture
def batch(fastpitch):
    """Returns a batch of the log's data loader, with two texts of unequal length."""
    tokens = [fastpitch.parse(text)[0] for text in (TEXT, "Short.")]
    return {
        "dataset_names": ["a", "a"],
        "audio_filepaths": [Path("1.wav"), Path("2.wav")],
        "text": torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=fastpitch.vocab.pad),
        "text_lens": torch.tensor([len(each) for each in tokens]),
    }


@pytest.fixture
def predicted(fastpitch, batch):
    """Returns FastPitch's mels of the batch, ``(2, 80, T)``, and their lengths, in its own dtype."""
    with torch.no_grad():
        mels, lengths, *_ = fastpitch(text=batch["text"], input_lens=batch["text_lens"], speaker=None)
    return mels, lengths


@pytest.fixture
def generator(archive):
    """Returns NeMo's generator for the log, built from a configuration as FastPitch does."""
    from nemo.core.classes.common import safe_instantiate
    from omegaconf import OmegaConf

    config = {
        "_target_": "nemo.collections.tts.parts.utils.callbacks.FastPitchArtifactGenerator",
        "log_spectrogram": False,
        "audio_params": {
            "vocoder_type": "hifigan",
            "vocoder_name": None,
            "vocoder_checkpoint_path": str(archive),
            "log_audio_gta": False,
        },
    }
    return safe_instantiate(OmegaConf.create(config))


def test_text_to_waveform(spec, vocoder, bundled, make_vocos, conventions_by_name, relative_error):
    """NeMo's two calls work with FastPitch's neural type; the audio is the core's."""
    source = conventions_by_name["nemo-fastpitch-22khz"]
    assert hasattr(spec, "neural_type")
    for vocos in (bundled, make_vocos()):
        audio = vocoder.wrap(vocos).convert_spectrogram_to_audio(spec=spec)
        assert audio.shape == (1, spec.shape[-1] * 256)
        assert not audio.requires_grad
        expected = decode_frames(vocos, torch.tensor(spec.tolist()), source=source)
        assert relative_error(audio, expected) <= 1e-5


def test_pasted_preprocessor(fastpitch, spec, vocoder, bundled):
    """FastPitch's preprocessor block is accepted unchanged."""
    from omegaconf import OmegaConf

    config = OmegaConf.create({"preprocessor": fastpitch.cfg.preprocessor, "generator": bundled.config.to_dict()})
    model = vocoder.VocosModel(cfg=config)
    model.load_state_dict(vocoder.wrap(bundled).state_dict())
    assert model.cfg.preprocessor == fastpitch.cfg.preprocessor
    expected = vocoder.wrap(bundled).convert_spectrogram_to_audio(spec=spec)
    assert torch.equal(model.convert_spectrogram_to_audio(spec=spec), expected)


def test_log_artifacts(generator, fastpitch, batch, predicted, vocoder, bundled):
    """`vocoder_type: hifigan` takes the exported file: each text becomes its audio, as long as its frames."""
    assert type(generator.vocoder) is vocoder.VocosModel
    artifacts, _ = generator.generate_artifacts(model=fastpitch, batch_dict=batch)
    mels, lengths = predicted
    expected = vocoder.wrap(bundled).convert_spectrogram_to_audio(spec=mels)
    assert lengths[0] > lengths[1]
    for row, artifact in enumerate(artifacts):
        assert artifact.sample_rate == 22050
        np.testing.assert_array_equal(artifact.data, expected[row, : int(lengths[row]) * 256])


def test_log_files(generator, fastpitch, batch, predicted, vocoder, bundled, tmp_path):
    """The callback writes the files at the end of an epoch."""
    from nemo.collections.tts.parts.utils.callbacks import LoggingCallback

    callback = LoggingCallback([generator], [batch], log_epochs=[1], output_dir=tmp_path / "log")
    callback.on_train_epoch_end(trainer=None, model=fastpitch)
    found, sample_rate = soundfile.read(tmp_path / "log" / "epoch_1" / "a" / "1.wav", dtype="float32")
    mels, lengths = predicted
    expected = vocoder.wrap(bundled).convert_spectrogram_to_audio(spec=mels)[0, : int(lengths[0]) * 256]
    assert sample_rate == 22050
    np.testing.assert_allclose(found, expected.clamp(-1, 1), atol=ROUNDING)


def test_batches_of_fastpitch(predicted, vocoder, bundled):
    """FastPitch pads shorter rows with values that look like speech, so lengths must be passed."""
    mels, lengths = predicted
    model, n_frames = vocoder.wrap(bundled), int(lengths[1])
    filling = mels[1, :, n_frames:]
    assert (filling == filling[:, :1]).all()
    assert (filling != 0).any()
    audio = model.convert_spectrogram_to_audio(spec=mels, lengths=lengths)
    alone = model.convert_spectrogram_to_audio(spec=mels[1:, :, :n_frames])
    assert torch.equal(audio[1:, : n_frames * 256], alone)
    assert (audio[1, n_frames * 256 :] == 0).all()


def test_ssl_model_calls_the_generator(spec, vocoder, bundled):
    """The generator can be called as `FastPitchModel_SSL` calls its vocoder."""
    model = vocoder.wrap(bundled)
    with torch.no_grad():
        audio = model.generator(x=spec.to(model.device))[0]
    assert torch.equal(audio, model.convert_spectrogram_to_audio(spec=spec))
