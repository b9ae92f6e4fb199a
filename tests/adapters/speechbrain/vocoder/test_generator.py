"""The generator that SpeechBrain builds from an exported file; no SpeechBrain needed."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest
import torch
from vocos_speechbrain.generator import VocosGenerator, load_checkpoint
from vocos_speechbrain.mel import DEFAULT

from vocos_plugins import MelMismatch, MelSpectrogram, Vocos
from vocos_plugins.config import ConvNeXt
from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.storage.safe_files import CheckpointError

# The same operations in the same order.
EXACT = {"rtol": 0, "atol": 0}
# Relative to full scale: pieces of other shapes round differently.
ROUNDING = {"rtol": 0, "atol": 1e-5}
# Samples: a quarter of a frame. The model predicts new phases, which moves a correlation's peak a little.
IN_STEP = 64
RECEPTIVE_FIELD = 9  # frames, of the small model


@pytest.fixture(scope="module")
def generator(tiny):
    """Returns a generator around the live model."""
    return VocosGenerator(tiny)


def test_equals_the_core(generator, tiny, mel, held_decode):
    """Inference is the core's decoding of the mel with its last frame held, in SpeechBrain's shape."""
    found = generator.inference(mel)
    assert found.shape == (2, 1, 40 * 256)
    torch.testing.assert_close(found[:, 0], held_decode(tiny, mel), **EXACT)


def test_frames_lie_where_the_core_puts_them(generator, tiny, mel):
    """Nothing is delayed: up to where the held frame has an effect, the audio is the core's for the bare mel."""
    known = (39 - RECEPTIVE_FIELD - 2) * 256
    torch.testing.assert_close(generator.inference(mel)[:, 0, :known], tiny.decode(mel)[:, :known], **ROUNDING)


def test_one_mel_without_a_batch(generator, mel):
    """``(n_mels, T)`` becomes ``(1, N)``, as with HifiganGenerator; ``padding`` is accepted and ignored."""
    torch.testing.assert_close(generator.inference(mel[0], padding=False), generator.inference(mel[:1])[0], **EXACT)


def test_transposed_mels(generator, mel):
    """Views decode: FastSpeech2's mels are views of ``(B, T, n_mels)``."""
    view = mel.transpose(1, 2).contiguous().transpose(1, 2)
    assert not view.is_contiguous()
    torch.testing.assert_close(generator.inference(view), generator.inference(mel), **EXACT)


def test_its_audio_may_be_written_to(generator, mel):
    """Audio can be changed in place, as SpeechBrain's masks do; inference tensors would forbid that."""
    audio = generator.inference(mel)
    assert not audio.requires_grad
    assert not audio.is_inference()
    audio.masked_fill_(torch.ones_like(audio, dtype=torch.bool), 0.0)


@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize("framing", ["center", "same"])
@pytest.mark.parametrize("changes", [{}, {"framing": "same"}, {"log": "log10"}], ids=["same mel", "framing", "log"])
def test_forward_equals_inference(make_tiny, mel, framing, changes, prior):
    """Training and inference compute the same audio, whatever the input mels."""
    vocos = make_tiny(prior=prior, framing=framing)
    generator = VocosGenerator(vocos, dataclasses.replace(vocos.mel, **changes))
    torch.testing.assert_close(generator(mel), generator.inference(mel), **ROUNDING)


def test_trains(make_tiny, mel):
    """Cropped to the audio as SpeechBrain's train.py does it, a step reaches every parameter and lowers the loss."""
    generator = VocosGenerator(make_tiny(seed=3))
    wanted = torch.zeros(2, 1, 40 * 256 - 100)
    optimizer = torch.optim.SGD(generator.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        loss = (generator(mel)[:, :, : wanted.size(2)] - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        assert all(weight.grad is not None and weight.grad.any() for weight in generator.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[2] < losses[1] < losses[0]


def test_aligns_as_the_core_does(tiny, mel, accept_loss):
    """Other bands and another hop are aligned by the core; the length is the source's frames'."""
    source = dataclasses.replace(DEFAULT, mel_scale="htk", hop_length=200)
    accept_loss(source, tiny)
    found = VocosGenerator(tiny, source).inference(mel)
    assert found.shape == (2, 1, 40 * 200)
    held = torch.cat([mel, mel[..., -1:]], dim=-1)
    torch.testing.assert_close(found[:, 0], tiny.decode(held, source=source), **EXACT)


@pytest.mark.parametrize("clip", ["arctic-1", "austen-1"])
def test_another_rate_is_resampled(lag, at_16khz, make_signal, accept_loss, clip):
    """16 kHz mels become 16 kHz audio in a 22.05 kHz model, in step with the speech they were computed from."""
    speech = make_signal(clip, 16000)
    mels = MelSpectrogram(at_16khz)(speech)
    vocos = Vocos.from_pretrained("vocos-mel-22khz-small")
    accept_loss(at_16khz, vocos)
    generator = VocosGenerator(vocos, at_16khz)
    assert generator.sample_rate == 16000
    audio = generator.decode(mels)
    assert audio.shape == (1, mels.shape[-1] * 256)
    assert abs(lag(audio[0], speech[0])) < IN_STEP


@pytest.mark.parametrize("rate", [16000, 24000, 44100])
def test_lengths_at_another_rate(tiny, mel, accept_loss, rate):
    """Frames last as long as the source says, however the ratio of the rates rounds."""
    source = dataclasses.replace(DEFAULT, sample_rate=rate)
    accept_loss(source, tiny)
    generator = VocosGenerator(tiny, source)
    for n_frames in range(1, 24):
        assert generator.inference(mel[..., :n_frames]).shape == (2, 1, n_frames * 256)


def test_ragged_rows_at_another_rate(tiny, at_16khz, mel, accept_loss):
    """Resampled rows equal their own single decodes, and are silent past their ends."""
    accept_loss(at_16khz, tiny)
    generator = VocosGenerator(tiny, at_16khz)
    found = generator.decode(mel, torch.tensor([40, 23]))
    torch.testing.assert_close(found[1, : 23 * 256], generator.decode(mel[1:, :, :23])[0], **ROUNDING)
    assert not found[1, 23 * 256 :].any()


def test_another_rate_is_not_trained(tiny, at_16khz, mel, accept_loss):
    """Training a model of another rate is refused: the resampling has no gradient."""
    accept_loss(at_16khz, tiny)
    with pytest.raises(ValueError, match="22050 Hz can't be trained on mels of 16000 Hz; start from one of 16000 Hz"):
        VocosGenerator(tiny, at_16khz)(mel)


@pytest.mark.parametrize("clip", ["arctic-1", "austen-1"])
def test_speech_comes_back_in_step(lag, make_signal, clip):
    """Speech to mel and back through the bundled model: nothing is late."""
    speech = make_signal(clip, 22050)
    generator = VocosGenerator(Vocos.from_pretrained("vocos-mel-22khz-small"), DEFAULT)
    assert abs(lag(generator.decode(MelSpectrogram(DEFAULT)(speech))[0], speech[0])) < IN_STEP


def test_fields_build_what_objects_build(tiny, mel):
    """A generator is built from a YAML file's plain values; the weights are then loaded."""
    source = {"kind": "mel", **dataclasses.asdict(dataclasses.replace(DEFAULT, framing="same"))}
    built = VocosGenerator(tiny.config.to_dict(), source)
    built.load_state_dict(VocosGenerator(tiny).state_dict())
    expected = VocosGenerator(tiny, dataclasses.replace(DEFAULT, framing="same"))
    torch.testing.assert_close(built.inference(mel), expected.inference(mel), **EXACT)


def test_what_it_refuses(tiny, make_model):
    """Models without mels, mels that align lossily or not at all, conditioned models and unknown fields are refused."""
    with pytest.raises(MelMismatch, match="EnCodec features and mels cannot be converted into each other"):
        VocosGenerator(make_model("encodec"), DEFAULT)
    with pytest.raises(MelMismatch, match="mel_scale"):
        VocosGenerator(tiny, dataclasses.replace(DEFAULT, mel_scale="htk"), strict=True)
    with pytest.raises(MelMismatch, match="has no information for"):
        VocosGenerator(tiny, dataclasses.replace(DEFAULT, f_max=2000))
    with pytest.raises(ConfigError, match=r"source: unknown key 'hop_lenght'; did you mean 'hop_length'\?"):
        VocosGenerator(tiny, {"kind": "mel", "hop_lenght": 256})
    conditioned = dataclasses.replace(tiny.config, backbone=ConvNeXt(dim=16, intermediate_dim=32, num_layers=1,
                                                                      adanorm_num_embeddings=2))  # fmt: skip
    with pytest.raises(ValueError, match="conditioned on a bandwidth"):
        VocosGenerator(conditioned.to_dict())


@pytest.mark.parametrize("rate", [22050, 16000])
def test_copies_and_pickles(tiny, at_16khz, mel, accept_loss, rate):
    """HiFi-GAN's train.py copies the generator; some users pickle it. A copy has its own weights."""
    source = dataclasses.replace(at_16khz, sample_rate=rate)
    if rate != tiny.sample_rate:
        accept_loss(source, tiny)
    generator = VocosGenerator(tiny, source)
    expected = generator.inference(mel)
    for copied in (copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))):  # noqa: S301 - our own bytes
        torch.testing.assert_close(copied.inference(mel), expected, **EXACT)
        with torch.no_grad():
            next(copied.parameters()).zero_()
        torch.testing.assert_close(generator.inference(mel), expected, **EXACT)


def test_scripting_goes_round_it(generator, mel):
    """SpeechBrain's `jit` scripts whole modules: that must not fail, and the result must decode and train."""
    scripted = torch.jit.script(generator)
    torch.testing.assert_close(scripted(mel), generator(mel), **EXACT)
    assert len(list(scripted.parameters())) == len(list(generator.parameters()))


def test_loads_its_own_state_and_a_models(tiny, make_tiny, tmp_path, mel):
    """``generator.ckpt`` loads as SpeechBrain's checkpointer saves it, and as the weights of a Vocos model."""
    expected = VocosGenerator(tiny).inference(mel)
    for number, module in enumerate((VocosGenerator(tiny), tiny)):
        path = tmp_path / f"{number}.ckpt"
        torch.save(module.state_dict(), path)
        generator = VocosGenerator(make_tiny(seed=1))
        load_checkpoint(generator, str(path))
        torch.testing.assert_close(generator.inference(mel), expected, **EXACT)


def spoil(weights, how):
    """Returns weights that don't fit, with the message that they cause."""
    if how == "missing":
        return {key: value for key, value in weights.items() if "embed" not in key}, r"2 keys \(backbone\.embed"
    if how == "unexpected":
        return {**weights, "conv_pre.weight": torch.zeros(1)}, r"1 key \(conv_pre\.weight\) unexpected"
    if how == "nested":
        return {"state_dict": weights}, "expected a state dict of tensors"
    if how == "not finite":
        return {**weights, "vocos.head.out.bias": torch.full((1026,), float("nan"))}, r"head\.out\.bias holds NaN"
    return {**weights, "vocos.head.out.bias": torch.zeros(3)}, r"head\.out\.bias \(3,\) for \(1026,\)"


@pytest.mark.parametrize("how", ["missing", "unexpected", "nested", "not finite", "shape"])
def test_what_does_not_fit_is_an_error(generator, tmp_path, how):
    """A checkpoint that doesn't fit is an error; SpeechBrain would log it and decode with random weights."""
    weights, message = spoil(generator.state_dict(), how)
    torch.save(weights, tmp_path / "generator.ckpt")
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(generator, tmp_path / "generator.ckpt")
