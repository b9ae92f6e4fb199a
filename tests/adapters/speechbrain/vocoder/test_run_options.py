"""SpeechBrain's run options take effect in ``VOCOS``, or are refused with a reason."""

from __future__ import annotations

import copy
import functools

import pytest
import torch
from vocos_speechbrain.export import export

from vocos_plugins import Vocos

pytestmark = pytest.mark.xdist_group("speechbrain")

# Traced or compiled modules against the core's own operators, which sum in another order.
CLOSE = {"rtol": 0, "atol": 1e-5}
# The same operations in the same order.
EXACT = {"rtol": 0, "atol": 0}
# Relative to the loudest sample: 8 bits of mantissa, through two layers.
HALF = 0.1


@pytest.fixture(scope="module")
def load():
    """Returns a function that loads a directory with `VOCOS` and run options."""
    from vocos_speechbrain.vocoder import VOCOS

    return lambda directory, **options: VOCOS.from_hparams(source=str(directory), run_opts=options)


def backbone(vocoder):
    """Returns the backbone that the options have configured."""
    return vocoder.hparams.generator.vocos.backbone


def test_nothing_is_wrapped_without_options(load, exported):
    """Without options the model is as it was saved."""
    assert "ConfiguredBackbone" not in repr(load(exported))


def test_jit_traces(load, exported, mel):
    """The traced backbone runs for mels of any length with the same result, rows of a batch included."""
    traced, plain = load(exported, jit=True), load(exported)
    assert isinstance(backbone(traced).traced, torch.jit.ScriptModule)
    for frames in (1, 7, 40):
        part = mel[..., :frames]
        torch.testing.assert_close(traced.decode_batch(part), plain.decode_batch(part), **CLOSE)
    torch.testing.assert_close(traced.decode_batch(mel, [40, 9]), plain.decode_batch(mel, [40, 9]), **CLOSE)
    backbone(traced).plain = backbone(traced).compiled = None
    torch.testing.assert_close(backbone(traced)(mel), backbone(plain)(mel), **CLOSE)


def test_compile_compiles(load, exported, mel, monkeypatch):
    """Only the backbone is compiled, once for all lengths; the head's complex numbers are left alone.

    What is captured is run as it is: generating code for it is torch's part, and takes half a minute.
    """
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled, plain = load(exported, compile=True, compile_using_fullgraph=True), load(exported)
    for frames in (40, 9, 23):
        part = mel[..., :frames]
        torch.testing.assert_close(compiled.decode_batch(part), plain.decode_batch(part), **CLOSE)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    torch._dynamo.reset()


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("option", ["precision", "eval_precision"])
@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_precision_is_followed(load, exported, mel, name, option, jit):
    """Convolutions run in half precision, which is slightly audible; audio and the head's weights stay float32."""
    half, plain = load(exported, jit=jit, **{option: name}), load(exported)
    expected, found = plain.decode_batch(mel), half.decode_batch(mel)
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    assert float((found - expected).abs().max() / expected.abs().max()) < HALF
    assert all(weight.dtype == torch.float32 for weight in half.parameters())
    torch.testing.assert_close(half.decode_batch(mel, [40, 40]), found, rtol=0, atol=HALF)


def test_precision_leaves_the_prior_alone(load, tmp_path, make_signal):
    """In the bundled model the head inverts the mel's filterbank, which half precision would spoil."""
    from speechbrain.lobes.models.HifiGAN import mel_spectrogram

    vocos = Vocos.from_pretrained("vocos-mel-22khz-small")
    export(vocos, tmp_path)
    speech = make_signal("arctic-1", 22050)
    mels = mel_spectrogram(22050, 256, 1024, 1024, 80, 0.0, 8000.0, 1, False, "slaney", "slaney", True, speech)
    priors = []
    half = load(tmp_path, precision="bf16")
    half.hparams.generator.vocos.head.prior.register_forward_hook(lambda *call: priors.append(call[2]))
    half.decode_batch(mels)
    held = torch.cat([mels, mels[..., -1:]], dim=-1)
    torch.testing.assert_close(priors[0], vocos.head.prior(held), **EXACT)


@pytest.mark.parametrize("options", [{"jit": True}, {"precision": "bf16"}, {"jit": True, "precision": "bf16"}], ids=str)
def test_copies(load, exported, mel, options):
    """A deep copy of a configured vocoder decodes the same, with its own weights."""
    vocoder = load(exported, **options)
    expected = vocoder.decode_batch(mel)
    copied = copy.deepcopy(vocoder)
    torch.testing.assert_close(copied.decode_batch(mel), expected, **EXACT)
    with torch.no_grad():
        for weight in copied.parameters():
            weight.zero_()
    assert not torch.equal(copied.decode_batch(mel), expected)
    torch.testing.assert_close(vocoder.decode_batch(mel), expected, **EXACT)


def test_lists_of_modules(load, exported):
    """The option is a switch which a list narrows, as in SpeechBrain; an unknown name in the list is an error."""
    assert "ConfiguredBackbone" in repr(load(exported, jit=True, jit_module_keys=["generator"]))
    assert "ConfiguredBackbone" not in repr(load(exported, jit=True, jit_module_keys=[]))
    assert "ConfiguredBackbone" not in repr(load(exported, jit_module_keys=["generator"]))
    with pytest.raises(ValueError, match="jit_module_keys has 'vocoder', but the modules are generator"):
        load(exported, jit=True, jit_module_keys=["vocoder"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_parallel_backend": True}, "to decode on several GPUs, run one process per GPU"),
        ({"eval_precision": "int8"}, "eval_precision must be one of fp32, bf16, fp16, got 'int8'"),
    ],
)
def test_what_is_refused(load, exported, options, message):
    """Options that can't be applied are errors."""
    with pytest.raises(ValueError, match=message):
        load(exported, **options)


def test_streams_still(load, exported, mel):
    """A configured backbone has the receptive field that the core's chunked decoding asks for."""
    vocos = load(exported, jit=True).hparams.generator.vocos
    assert vocos.backbone.receptive_field == vocos.backbone.plain.receptive_field == 9
