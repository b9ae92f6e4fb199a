"""Vocos in Coqui TTS's Bark."""

from __future__ import annotations

import types

import pytest
import torch
import vocos_bark

pytestmark = pytest.mark.xdist_group("coqui")


@pytest.fixture
def vocos(tiny, coqui):
    """Returns a Vocos for that Bark's codes."""
    return tiny.vocos_model(coqui.encodec)


def say(bark, seed: int = 0):
    torch.manual_seed(seed)
    return bark.synthesize("hello there", max_gen_duration_s=0.4)["wav"]


def test_text_to_waveform(coqui, vocos, expected) -> None:
    """Bark's codes become the core's audio; afterwards EnCodec's again."""
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
    """Synthesizer and TTS are accepted; the file holds the Vocos's audio, sentence by sentence, with pauses."""
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
    """Returns the name of a recording; a stand-in replaces HuBERT, which extracts its meaning and is a download."""
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
    """EnCodec still encodes the recording: the cloned voice is unchanged, and speaks through the Vocos."""
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
    """The Vocos moves with the model, as its other parts do."""
    with vocos_bark.using(coqui, vocos):
        coqui.to("meta")
        assert next(vocos.parameters()).device.type == "meta"
