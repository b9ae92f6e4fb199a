"""Uses a vocoder as SpeechBrain's recipes do; they aren't in its package, so each test repeats one of them."""

from __future__ import annotations

import copy
import io
import shutil
from types import SimpleNamespace

import pytest
import soundfile
import torch
from vocos_speechbrain.export import export

from vocos_plugins import MelSpectrogram

pytestmark = pytest.mark.xdist_group("speechbrain")

# Relative to full scale: pieces of other shapes round differently.
ROUNDING = {"rtol": 0, "atol": 1e-5}
TO_16_BITS = {"rtol": 0, "atol": 1e-4}  # relative to full scale: the rounding of a 16-bit file
FASTSPEECH2 = """
sample_rate: 22050
hop_length: 256
progress_sample_path: {samples}
vocoder: "hifi-gan"
pretrained_vocoder: True
vocoder_source: {source}
vocoder_download_path: {savedir}
"""
DIFFUSION = """
vocoder_model: {source}
vocoder: !name:{loader}
    source: !ref <vocoder_model>
"""
TRAINING = """
generator: !new:vocos_speechbrain.generator.VocosGenerator
  vocos: !apply:vocos_plugins.Vocos.from_pretrained
    name_or_path: {start}
modules:
  generator: !ref <generator>
checkpointer: !new:speechbrain.utils.checkpoints.Checkpointer
  checkpoints_dir: {folder}
  recoverables:
    generator: !ref <generator>
"""


@pytest.fixture(scope="module")
def load_yaml():
    """Loads a recipe's hyperparameters as its train.py does."""
    from hyperpyyaml import load_hyperpyyaml

    return lambda text, **values: load_hyperpyyaml(io.StringIO(text.format(**values)))


def run_vocoder(hparams, inference_mel, mel_lens):
    """Does what ``run_vocoder`` does in recipes/LJSpeech/TTS/fastspeech2/train.py and train_internal_alignment.py."""
    from speechbrain.dataio import audio_io
    from speechbrain.inference.vocoders import HIFIGAN

    assert hparams.vocoder == "hifi-gan"
    assert hparams.pretrained_vocoder is True
    hifi_gan = HIFIGAN.from_hparams(source=hparams.vocoder_source, savedir=hparams.vocoder_download_path)
    waveforms = hifi_gan.decode_batch(inference_mel.transpose(2, 1), mel_lens, hparams.hop_length)
    for number, waveform in enumerate(waveforms):
        audio_io.save(f"{hparams.progress_sample_path}/pred_{number}.wav", waveform, hparams.sample_rate)


def test_fastspeech2(load_yaml, exported, make_fastspeech2, tiny, tmp_path):
    """Only `vocoder_source` and a new download path differ from the recipe's own hyperparameters."""
    paths = {"samples": tmp_path, "source": exported, "savedir": tmp_path / "new"}
    hparams = SimpleNamespace(**load_yaml(FASTSPEECH2, **paths))
    model = make_fastspeech2().hparams.model
    with torch.no_grad():
        _, mels, *_, lengths = model(torch.tensor([[3, 4, 5, 6, 7, 8], [3, 4, 5, 6, 7, 7]]))
    mels, lengths = mels[:, :-2], lengths.clamp_max(mels.shape[1] - 2) - torch.tensor([0, 3])
    run_vocoder(hparams, mels, lengths)
    for row, (mel, n_frames) in enumerate(zip(mels, lengths.tolist(), strict=True)):
        samples, rate = soundfile.read(tmp_path / f"pred_{row}.wav", dtype="float32")
        assert rate == 22050
        assert len(samples) == len(mel) * 256
        assert not samples[n_frames * 256 :].any()
        expected = tiny.decode(mel.T[None])[0, : (n_frames - 12) * 256].clamp(-1, 1)
        torch.testing.assert_close(torch.from_numpy(samples)[: len(expected)], expected, **TO_16_BITS)


def test_mstacotron2(exported, mel, tmp_path):
    """recipes/LibriTTS/TTS/mstacotron2/train.py loads a frozen vocoder once, for batches and single mels."""
    from speechbrain.inference.vocoders import HIFIGAN

    options = {"run_opts": {"device": "cpu"}, "freeze_params": True}
    vocoder = HIFIGAN.from_hparams(source=str(exported), savedir=str(tmp_path / "new"), **options)
    assert vocoder.decode_batch(mel[0]).shape == (1, 40 * 256)
    assert vocoder.decode_batch(mel).shape == (2, 1, 40 * 256)


@pytest.mark.parametrize("loader", ["speechbrain.inference.vocoders.HIFIGAN", "vocos_speechbrain.vocoder.VOCOS"])
def test_diffusion(load_yaml, exported, mel, tiny, held_decode, loader):
    """In recipes/AudioMNIST/diffusion the YAML names a loader; train.py calls it, and then the vocoder."""
    hparams = load_yaml(DIFFUSION, source=exported, loader=f"{loader}.from_hparams")
    vocoder = hparams["vocoder"]()
    samples = mel.transpose(1, 2)[:, None]
    found = vocoder(samples.transpose(-1, -2).squeeze(1))
    torch.testing.assert_close(found[:, 0], held_decode(tiny, mel), **ROUNDING)


def test_hifigan_training(load_yaml, make_tiny, make_signal, tmp_path):
    """recipes/LJSpeech/TTS/vocoder/hifigan/train.py trains, samples, saves and decodes with a `VocosGenerator`."""
    from speechbrain.inference.vocoders import HIFIGAN

    start = make_tiny(prior=True)
    start.save_pretrained(tmp_path / "start")
    hparams = load_yaml(TRAINING, start=tmp_path / "start", folder=tmp_path / "save")
    generator = hparams["generator"].train()
    segment = make_signal("arctic-1", 22050)[:, 4000 : 4000 + 8192]
    x, y = MelSpectrogram(start.mel)(segment), segment[:, None]
    optimizer = torch.optim.AdamW(generator.parameters(), 1e-3, (0.8, 0.99))
    losses = []
    for _ in range(3):
        y_hat = generator(x)[:, :, : y.size(2)]
        assert y_hat.shape == y.shape
        loss = (MelSpectrogram(start.mel)(y_hat[:, 0]) - x).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]

    with torch.no_grad():
        inference_generator = copy.deepcopy(generator)
        inference_generator.remove_weight_norm()
        sample = inference_generator.inference(x)
    hparams["checkpointer"].save_checkpoint()

    export(start, tmp_path / "vocos")
    shutil.copy(next((tmp_path / "save").glob("*/generator.ckpt")), tmp_path / "vocos" / "generator.ckpt")
    trained = HIFIGAN.from_hparams(source=str(tmp_path / "vocos"))
    torch.testing.assert_close(trained.decode_batch(x), sample, **ROUNDING)
