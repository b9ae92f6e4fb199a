"""The vocoder's interface, in NeMo's own terms, and its audio against the core's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from vocos_plugins import adapt
from vocos_plugins.inference.frames import decode_frames

pytestmark = pytest.mark.xdist_group("nemo")

# Relative to the peak: the same sums in another order.
SAME = 1e-5
NAMES = ["nemo-fastpitch-22khz", "nemo-hifigan-22khz"]


@pytest.fixture
def small(vocoder, make_vocos):
    """Returns a small vocoder for FastPitch's mels."""
    return vocoder.wrap(make_vocos())


@pytest.mark.parametrize("n_frames", [1, 2, 20])
@pytest.mark.parametrize("framing", ["center", "same"])
@pytest.mark.parametrize("name", NAMES)
def test_audio_is_the_cores(
    name, framing, n_frames, vocoder, make_vocos, make_mel, conventions_by_name, relative_error
):
    """Between all framings of mels and models, the audio equals `decode_frames`, one hop per frame."""
    vocos, source = make_vocos(framing=framing), conventions_by_name[name]
    model = vocoder.wrap(vocos, source=source)
    mel = make_mel(n_frames=n_frames)
    audio = model.convert_spectrogram_to_audio(spec=mel)
    assert audio.shape == (2, n_frames * 256)
    assert relative_error(audio, decode_frames(vocos, mel, source=source)) <= SAME
    forward = model(spec=mel)
    assert forward.shape == (2, 1, n_frames * 256)
    assert relative_error(forward[:, 0].detach(), audio) <= SAME
    assert relative_error(model.generator(x=mel).detach(), forward.detach()) <= SAME


@pytest.mark.parametrize(("name", "kind"), [(NAMES[0], "pointwise"), (NAMES[1], "framing")])
def test_the_bundled_model(name, kind, vocoder, bundled, nemo_mel, make_signal, conventions_by_name, relative_error):
    """The bundled model takes NeMo's mels of speech without loss."""
    source = conventions_by_name[name]
    model = adapt(bundled, "nemo", source=source)
    assert type(model) is vocoder.VocosModel
    assert model.generator.alignment.kind == kind
    audio = make_signal("arctic-1", 22050)
    mel, _ = nemo_mel(name, audio, audio.shape[1] + 256)
    found = model.convert_spectrogram_to_audio(spec=mel)
    assert relative_error(found, decode_frames(bundled, mel, source=source)) <= SAME


@pytest.mark.parametrize("name", NAMES)
def test_unequal_lengths(name, vocoder, make_vocos, make_mel, conventions_by_name, relative_error):
    """Each row equals its single decode and is 0 past its end, whatever the padding holds; a row may be empty."""
    model = vocoder.wrap(make_vocos(), source=conventions_by_name[name])
    mel = make_mel(batch=4)
    lengths = torch.tensor([20, 13, 1, 0])
    audio = model.convert_spectrogram_to_audio(spec=mel, lengths=lengths)
    differentiable = model.generator(x=mel, lengths=lengths).detach()[:, 0]
    for row, n_frames in enumerate(lengths.tolist()):
        n_samples = n_frames * 256
        if n_frames:
            alone = model.convert_spectrogram_to_audio(spec=mel[row, None, :, :n_frames])
            assert relative_error(audio[row, None, :n_samples], alone) <= SAME
            assert relative_error(differentiable[row, None, :n_samples], alone) <= SAME
        assert (audio[row, n_samples:] == 0).all()
        assert (differentiable[row, n_samples:] == 0).all()


def test_threads(small, make_mel):
    """Calls from several threads at once equal calls in sequence."""
    mels = [make_mel(batch=1, n_frames=10 + n, seed=n) for n in range(24)]
    expected = [small.convert_spectrogram_to_audio(spec=mel) for mel in mels]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda mel: small.convert_spectrogram_to_audio(spec=mel), mels))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_neural_types(small, make_mel):
    """NeMo's checks apply: keywords only, three dimensions, types of inputs and outputs."""
    from nemo.core.neural_types import AudioSignal, MelSpectrogramType, NeuralType

    mel = make_mel()
    audio = small.convert_spectrogram_to_audio(spec=mel)
    assert isinstance(audio.neural_type.elements_type, AudioSignal)
    for call in (small, small.convert_spectrogram_to_audio):
        with pytest.raises(TypeError, match="kwargs"):
            call(mel)
        with pytest.raises(TypeError, match="shape mismatch"):
            call(spec=mel[0])
        mistyped = make_mel()
        mistyped.neural_type = NeuralType(("B", "D", "T"), AudioSignal())
        with pytest.raises(TypeError, match="Input type"):
            call(spec=mistyped)
    with pytest.raises(TypeError, match="shape mismatch"):
        small.convert_spectrogram_to_audio(spec=mel, lengths=torch.tensor(3))
    assert isinstance(small.input_types["spec"].elements_type, MelSpectrogramType)
    assert isinstance(small.output_types["audio"].elements_type, AudioSignal)
    assert small.sample_rate == 22050


def test_gradients(small, make_mel):
    """Calling the model trains it, in every parameter that the audio depends on; converting records nothing."""
    mel = make_mel().requires_grad_()
    assert not small.convert_spectrogram_to_audio(spec=mel).requires_grad
    small(spec=mel).square().mean().backward()
    assert mel.grad.abs().max() > 0
    for name, parameter in small.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_mode_makes_no_difference(small, make_mel):
    """NeMo restores into training mode, and users forget eval()."""
    mel = make_mel()
    expected = small.convert_spectrogram_to_audio(spec=mel)
    assert torch.equal(small.train().convert_spectrogram_to_audio(spec=mel), expected)


def test_state_dict(small, vocoder, nemo_config):
    """The state dict holds only the model and the preprocessor's two buffers, for either of NeMo's classes."""
    pasted = vocoder.VocosModel(cfg=nemo_config())
    for model in (small, pasted):
        keys = set(model.state_dict())
        expected = {f"generator.vocos.{key}" for key in model.generator.vocos.state_dict()}
        assert keys == expected | {"audio_to_melspec_precessor.window", "audio_to_melspec_precessor.fb"}


@pytest.mark.parametrize("name", NAMES)
def test_preprocessor_is_nemos(name, vocoder, nemo, make_vocos, nemo_mel, make_signal, conventions_by_name):
    """The preprocessor has NeMo's misspelt name, and is called by position as HiFi-GAN's is."""
    model = vocoder.wrap(make_vocos(), source=conventions_by_name[name])
    audio = make_signal("austen-1", 22050)
    assert type(model.audio_to_melspec_precessor) is nemo.FilterbankFeatures
    found, lengths = model.audio_to_melspec_precessor(audio, torch.tensor([audio.shape[1]]))
    expected, reported = nemo_mel(name, audio, audio.shape[1])
    assert torch.equal(found, expected)
    assert torch.equal(lengths, reported)


def test_vocoder_artifacts(small, make_signal):
    """NeMo's generator for vocoder logs accepts the model: its own mel becomes audio of the right length."""
    from nemo.collections.tts.parts.utils.callbacks import VocoderArtifactGenerator

    audio = make_signal("austen-1", 22050).repeat(2, 1)
    lengths = torch.tensor([audio.shape[1], 20000])
    audio[1, 20000:] = 0
    batch = {"dataset_names": ["a", "a"], "audio_filepaths": [Path("1.wav"), Path("2.wav")]}
    artifacts, _ = VocoderArtifactGenerator().generate_artifacts(
        model=small, batch_dict={**batch, "audio": audio, "audio_lens": lengths}
    )
    mel, _ = small.audio_to_melspec_precessor(audio, lengths)
    expected = small.convert_spectrogram_to_audio(spec=mel)
    for row, artifact in enumerate(artifacts):
        assert artifact.sample_rate == 22050
        np.testing.assert_allclose(
            artifact.data, expected[row, : lengths[row]], atol=SAME * float(expected.abs().max())
        )


def test_wrapping_shares_the_model(vocoder, make_vocos):
    """Wrapping copies nothing, and keeps the program's random state."""
    vocos = make_vocos()
    before = torch.random.get_rng_state()
    model = vocoder.wrap(vocos)
    assert model.generator.vocos is vocos
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not model.training
