"""Coqui TTS's Bark."""

from __future__ import annotations

import types

import pytest
import torch
import vocos_bark

pytestmark = pytest.mark.xdist_group("coqui")


@pytest.fixture
def vocos(tiny, coqui):
    """A Vocos for its codes."""
    return tiny.vocos_model(coqui.encodec)


def say(bark, seed: int = 0):
    torch.manual_seed(seed)
    return bark.synthesize("hello there", max_gen_duration_s=0.4)["wav"]


def test_text_to_waveform(coqui, vocos, expected) -> None:
    """The core's audio of the codes that Bark gave; afterwards EnCodec's again."""
    stock = say(coqui)
    given = []
    decode = coqui.codec_decode
    coqui.codec_decode = lambda fine: given.append(fine) or decode(fine)
    with vocos_bark.using(coqui, vocos):
        audio = say(coqui)
    assert torch.equal(audio, expected(vocos, given[0]))
    assert audio.shape == stock.shape == (320 * given[0].shape[1],)
    assert (audio - stock).abs().max() > 0.01
    assert torch.equal(say(coqui), stock)


def test_by_the_synthesizer_and_the_api(coqui_tts, vocos, expected) -> None:
    """Both hold the model; what the interface writes is the Vocos's, sentence by sentence, with its pauses."""
    bark = coqui_tts.synthesizer.tts_model
    codec, codes = bark.encodec, []
    decode = bark.codec_decode
    bark.codec_decode = lambda fine: codes.append(fine) or decode(fine)
    with vocos_bark.using(coqui_tts.synthesizer, vocos) as attached:
        assert bark.encodec is attached
    assert bark.encodec is codec
    with vocos_bark.using(coqui_tts, vocos):
        audio = torch.tensor(coqui_tts.tts("Hello there. Good day."))
    pause = torch.zeros(10_000)
    wanted = torch.cat([part for fine in codes for part in (expected(vocos, fine), pause)])
    assert len(codes) == 2
    assert torch.equal(audio.float(), wanted)


@pytest.fixture
def recording(noise, monkeypatch) -> str:
    """The name of a recording; HuBERT, which listens for its meaning, would be a download, and has a stand-in."""
    from TTS.tts.models import bark

    stub = types.SimpleNamespace
    listener = stub(to=lambda _: stub(forward=lambda *_, **__: None))
    monkeypatch.setattr(bark, "HubertManager", lambda: stub(make_sure_tokenizer_installed=lambda **_: None))
    monkeypatch.setattr(bark, "CustomHubert", lambda: listener)
    tokenizer = stub(get_token=lambda _: torch.arange(25))
    monkeypatch.setattr(bark, "HubertTokenizer", stub(load_from_checkpoint=lambda *_, **__: tokenizer))
    monkeypatch.setattr(bark.torchaudio, "load", lambda _: (0.3 * noise(1, 12000), 24000))
    return "voice.wav"


def test_voice_cloning(coqui, vocos, recording, spy, expected) -> None:
    """EnCodec still encodes the recording: the voice is the same as without a Vocos, and speaks through it."""
    voices, codes = spy(coqui, "_generate_voice"), []
    coqui._generate_voice(recording)
    with vocos_bark.using(coqui, vocos):
        decode = coqui.codec_decode
        coqui.codec_decode = lambda fine: codes.append(fine) or decode(fine)
        audio = coqui.synthesize("hello there", speaker_wav=recording, max_gen_duration_s=0.4)["wav"]
    before, found = voices
    assert before["fine_prompt"].shape == (8, 38)
    assert all(torch.equal(found[key], before[key]) for key in ("semantic_prompt", "coarse_prompt", "fine_prompt"))
    assert torch.equal(audio, expected(vocos, codes[0]))


def test_it_moves_with_the_model(coqui, vocos) -> None:
    """As any other part of it."""
    with vocos_bark.using(coqui, vocos):
        coqui.to("meta")
        assert next(vocos.parameters()).device.type == "meta"
