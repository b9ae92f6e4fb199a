"""``VOCOS``: a ``HIFIGAN`` with the features that Vocos adds."""

from __future__ import annotations

import copy
import dataclasses
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from vocos_speechbrain.export import export
from vocos_speechbrain.mel import DEFAULT

from vocos_plugins import MelMismatch, Vocos, adapt
from vocos_plugins.storage.safe_files import CheckpointError

pytestmark = pytest.mark.xdist_group("speechbrain")

# The same operations in the same order.
EXACT = {"rtol": 0, "atol": 0}
# Relative to full scale: pieces of other shapes round differently.
ROUNDING = {"rtol": 0, "atol": 1e-5}
FRAMES = torch.tensor([40, 25])


@pytest.fixture(scope="module")
def load():
    """Returns the loader of ``VOCOS``."""
    from vocos_speechbrain.vocoder import VOCOS

    return VOCOS.from_hparams


@pytest.fixture(scope="module")
def vocoder(load, exported):
    """Returns the small vocoder."""
    return load(source=str(exported))


def test_is_a_hifigan(vocoder, tiny):
    """Code that asks for a HIFIGAN accepts it; it knows its rate, hop and mel."""
    from speechbrain.inference.vocoders import HIFIGAN

    assert isinstance(vocoder, HIFIGAN)
    assert (vocoder.sample_rate, vocoder.hop_length, vocoder.mel) == (22050, 256, DEFAULT)


def test_decodes_as_the_core(vocoder, tiny, mel, held_decode):
    """A batch, one mel with and without a batch dimension, a view, and calling the object itself all decode."""
    expected = held_decode(tiny, mel)
    view = mel.transpose(1, 2).contiguous().transpose(1, 2)
    for found in (vocoder.decode_batch(mel), vocoder(mel), vocoder.decode_batch(view)):
        torch.testing.assert_close(found, expected[:, None], **EXACT)
    torch.testing.assert_close(vocoder.decode_batch(mel[0]), expected[:1], **ROUNDING)
    torch.testing.assert_close(vocoder.decode_spectrogram(mel[0]), expected[:1], **ROUNDING)


@pytest.mark.parametrize("hop", [None, 256])
@pytest.mark.parametrize(
    "lengths", [FRAMES, FRAMES.int(), FRAMES.float(), FRAMES.tolist()], ids=["int64", "int32", "float", "list"]
)
def test_rows_equal_their_own(vocoder, mel, lengths, hop):
    """Each row of a ragged batch is its single decode, whatever its padding holds, and is silent past its end."""
    batch = mel.clone()
    batch[1, :, 25:] = float("nan")
    found = vocoder.decode_batch(batch, mel_lens=lengths, hop_len=hop)
    assert found.shape == (2, 1, 40 * 256)
    torch.testing.assert_close(found[1, 0, : 25 * 256], vocoder.decode_spectrogram(mel[1, :, :25])[0], **ROUNDING)
    torch.testing.assert_close(found[0], vocoder.decode_spectrogram(mel[0]), **ROUNDING)
    assert not found[1, 0, 25 * 256 :].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"mel_lens": torch.tensor([1.0, 0.6])},
            r"numbers of frames, got \[1.0, 0.6.*relative lengths, 0 to 1",
        ),
        ({"mel_lens": torch.tensor([1.0, 1.0])}, r"convert relative lengths, 0 to 1, with"),
        ({"mel_lens": torch.tensor([40.0, 25.5])}, r"mel_lens must be numbers of frames, got \[40.0, 25.5\]"),
        ({"mel_lens": torch.rand(2, 7)}, r"got shape \(2, 7\); convert FastSpeech2's durations with VOCOS\.mel_"),
        ({"mel_lens": torch.tensor([41, 2])}, r"lengths must lie in 0\.\.40, got \[41, 2\]"),
        ({"mel_lens": torch.tensor([40])}, r"lengths must be 2 integers"),
        ({"hop_len": 300}, "hop_len is 300, but this vocoder produces 256 samples per frame"),
    ],
)
def test_lengths_that_cannot_be(vocoder, mel, arguments, message):
    """Invalid lengths are errors; SpeechBrain silently mutes nearly all, or the wrong part."""
    with pytest.raises(ValueError, match=message):
        vocoder.decode_batch(mel, **arguments)


def test_mels_that_cannot_be(vocoder, mel):
    """Transposed mels, batches in place of single mels and values that are not finite are errors; arrays are mels."""
    with pytest.raises(ValueError, match=r"the bands come first: try mel\.transpose\(1, 2\)"):
        vocoder.decode_batch(mel.transpose(1, 2))
    with pytest.raises(ValueError, match=r"expected one mel \(n_mels, T\), got shape \(2, 80, 40\); batches go to"):
        vocoder.decode_spectrogram(mel)
    torch.testing.assert_close(vocoder.decode_batch(mel.numpy()), vocoder.decode_batch(mel), **EXACT)
    with pytest.raises(TypeError, match="got list"):
        vocoder.decode_batch(mel.tolist())
    with pytest.raises(ValueError, match="NaN or infinite"):
        vocoder.decode_batch(torch.full((1, 80, 4), float("nan")))


def test_threads(vocoder, mel, noise):
    """Eight threads at once, some with ragged batches, return the result of one."""
    batches = [(2 * noise(2, 80, 20 + n, seed=n) - 5, [20 + n, 9] if n % 2 else None) for n in range(8)]
    expected = [vocoder.decode_batch(*batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            found = pool.map(lambda batch: vocoder.decode_batch(*batch), batches)
            for together, alone in zip(found, expected, strict=True):
                torch.testing.assert_close(together, alone, **EXACT)


def test_copies(vocoder, mel):
    """A deep copy decodes by itself."""
    copied = copy.deepcopy(vocoder)
    torch.testing.assert_close(copied.decode_batch(mel), vocoder.decode_batch(mel), **EXACT)
    with torch.no_grad():
        for weight in copied.parameters():
            weight.zero_()
    assert not torch.equal(copied.decode_batch(mel), vocoder.decode_batch(mel))


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")], ids=["text", "device"])
def test_device_is_followed(load, exported, device):
    """``device`` follows the model; stock ``HIFIGAN`` keeps sending mels to the former device."""
    vocoder = load(source=str(exported), run_opts={"device": device})
    assert vocoder.device == "cpu"
    assert vocoder.to("meta").device == "meta"


def test_loading_is_strict(load, exported, tmp_path):
    """Weights that don't fit raise."""
    shutil.copytree(exported, tmp_path / "broken")
    torch.save({"conv_pre.weight": torch.zeros(1)}, tmp_path / "broken" / "generator.ckpt")
    with pytest.raises(CheckpointError, match=r"conv_pre\.weight"):
        load(source=str(tmp_path / "broken"))


def test_outdated_savedir(load, exported, make_tiny, mel, tmp_path):
    """Files of an earlier vocoder, which SpeechBrain would reuse, are refused; the same vocoder's files are fine."""
    from speechbrain.inference.vocoders import HIFIGAN

    export(make_tiny(seed=1), tmp_path / "other", tts=dataclasses.replace(DEFAULT, framing="same"))
    savedir = str(tmp_path / "savedir")
    expected = load(source=str(exported), savedir=savedir).decode_batch(mel)
    torch.testing.assert_close(load(source=exported, savedir=savedir).decode_batch(mel), expected, **EXACT)
    stale = HIFIGAN.from_hparams(source=str(tmp_path / "other"), savedir=savedir)
    torch.testing.assert_close(stale.decode_batch(mel), expected, **EXACT)
    message = r"hyperparams\.yaml belongs to another vocoder than .*other.*; remove .*savedir"
    with pytest.raises(ValueError, match=message):
        load(source=str(tmp_path / "other"), savedir=savedir)


def test_outdated_weights(load, exported, make_tiny, mel, tmp_path):
    """Other weights under the same hyperparameters are detected too, unless weights from elsewhere are asked for."""
    vocos = make_tiny(seed=1)
    export(vocos, tmp_path / "other")
    savedir = str(tmp_path / "savedir")
    load(source=str(exported), savedir=savedir)
    with pytest.raises(ValueError, match=r"generator\.ckpt belongs to another vocoder"):
        load(source=str(tmp_path / "other"), savedir=savedir)
    elsewhere = {"pretrainer": {"paths": {"generator": str(tmp_path / "other" / "generator.ckpt")}}}
    for _ in range(2):
        overridden = load(source=str(exported), savedir=str(tmp_path / "new"), overrides=elsewhere)
        assert not torch.equal(overridden.decode_batch(mel), load(source=str(exported)).decode_batch(mel))


def test_another_vocoders_hyperparameters(load, tmp_path):
    """A HiFi-GAN's hyperparameters, as left behind in a savedir, are refused."""
    text = "sample_rate: 22050\nhop_length: 256\ngenerator: !new:torch.nn.Identity\nmodules: {}\n"
    (tmp_path / "hyperparams.yaml").write_text(
        text + "pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer"
    )
    with pytest.raises(ValueError, match=r"with a VocosGenerator, got a Identity\. Was .*vocos export speechbrain"):
        load(source=str(tmp_path))


@pytest.mark.parametrize("name", ["sample_rate", "hop_length"])
def test_numbers_that_disagree(load, exported, name):
    """A number on a recipe's command line can't change a vocoder's rate or hop, so it is an error."""
    with pytest.raises(ValueError, match=rf"{name} is 16000 in the hyperparameters, but \d+ in the generator"):
        load(source=str(exported), overrides={name: 16000})


def test_around_a_live_model(make_tiny, mel, held_decode):
    """`adapt` leaves the model as it is: it still trains, and the vocoder follows its weights."""
    vocos = make_tiny().train()
    vocoder = adapt(vocos, "speechbrain")
    torch.testing.assert_close(vocoder.decode_batch(mel)[:, 0], held_decode(vocos, mel), **EXACT)
    assert vocos.training
    assert all(weight.requires_grad for weight in vocos.parameters())
    with torch.no_grad():
        vocos.head.out.bias += 0.1
    torch.testing.assert_close(vocoder.decode_batch(mel)[:, 0], held_decode(vocos, mel), **EXACT)


def test_adapt_takes_a_source(tiny, make_tiny, mel, make_model):
    """Mels of another convention are aligned, or refused; SpeechBrain's own is the default, not the model's."""
    other = make_tiny(framing="same")
    torch.testing.assert_close(
        adapt(other, "speechbrain").decode_batch(mel), adapt(other, "speechbrain", source=DEFAULT).decode_batch(mel)
    )
    assert not torch.equal(adapt(other, "speechbrain").decode_batch(mel)[:, 0], other.decode(mel))
    source = dataclasses.replace(DEFAULT, framing="same")
    found = adapt(tiny, "speechbrain", source=source).decode_batch(mel)
    torch.testing.assert_close(found[:, 0], tiny.decode(mel, source=source), **EXACT)
    with pytest.raises(MelMismatch, match="strict=True"):
        adapt(tiny, "speechbrain", source=dataclasses.replace(DEFAULT, mel_scale="htk"), strict=True)
    with pytest.raises(MelMismatch, match="EnCodec"):
        adapt(make_model("encodec"), "speechbrain")


def test_the_bundled_model_in_step(lag, make_signal):
    """Speech to SpeechBrain's own mel and back: nothing is late (the phases account for a quarter of a frame)."""
    from speechbrain.lobes.models.HifiGAN import mel_spectrogram

    speech = make_signal("arctic-1", 22050)
    mels = mel_spectrogram(22050, 256, 1024, 1024, 80, 0.0, 8000.0, 1, False, "slaney", "slaney", True, speech)
    vocoder = adapt(Vocos.from_pretrained("vocos-mel-22khz-small"), "speechbrain", strict=True)
    assert abs(lag(vocoder.decode_batch(mels)[0, 0], speech[0])) < 64
