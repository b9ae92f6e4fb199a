"""Text in, waveform out: each of SpeechBrain's acoustic models with random weights, then Vocos as its vocoder.

The models are small, their phonemes spelt; what they return is SpeechBrain's own.
"""

from __future__ import annotations

import pytest
import soundfile
import torch

pytestmark = pytest.mark.xdist_group("speechbrain")

# Relative to full scale: pieces of other shapes round differently.
ROUNDING = {"rtol": 0, "atol": 1e-5}
TEXTS = ["Mary had a little lamb.", "A lamb had Mary.", "Ham."]


@pytest.fixture(scope="module", params=["HIFIGAN", "VOCOS"])
def vocoder(request, exported):
    """Returns an exported directory loaded by `HIFIGAN` and by `VOCOS`."""
    from speechbrain.inference.vocoders import HIFIGAN
    from vocos_speechbrain.vocoder import VOCOS

    return {"HIFIGAN": HIFIGAN, "VOCOS": VOCOS}[request.param].from_hparams(source=str(exported))


def check_rows(vocoder, waveforms, mels, frames):
    """Checks that rows are as long as the mels, silent past their frames, and otherwise nearly single decodes."""
    assert waveforms.shape == (len(mels), 1, mels.shape[-1] * 256)
    for row, mel, n_frames in zip(waveforms[:, 0], mels, frames.tolist(), strict=True):
        assert not row[n_frames * 256 :].any()
        if n_frames:
            # Stock HIFIGAN decodes the padding too, and masks it: that changes the last frames.
            felt = 0 if type(vocoder).__name__ == "VOCOS" or n_frames == mel.shape[-1] else 12
            known = max(0, n_frames - felt) * 256
            alone = vocoder.decode_spectrogram(mel[:, :n_frames])[0]
            torch.testing.assert_close(row[:known], alone[:known], **ROUNDING)


def test_tacotron2(vocoder, tacotron2):
    """Tacotron2 works for one text and for several at once: its lengths are whole frames."""
    mel, _, _ = tacotron2.encode_text(TEXTS[0])
    waveform = vocoder.decode_batch(mel)
    assert waveform.shape == (1, 1, mel.shape[-1] * 256)
    assert torch.isfinite(waveform).all()
    assert waveform.std() > 0
    mels, frames, _ = tacotron2.encode_batch(TEXTS)
    assert frames.tolist() == [11, 20, 29]  # the frame at which it stops is in the mel, but not in the length
    assert mels.shape[-1] == 30
    check_rows(vocoder, vocoder.decode_batch(mels, frames, 256), mels, frames)


def test_mstacotron2(vocoder, mstacotron2, make_signal, tmp_path):
    """MSTacotron2 speaks with a voice cloned from a recording, and with a random one."""
    soundfile.write(tmp_path / "voice.wav", make_signal("arctic-1", 16000)[0].numpy(), 16000)
    mels, frames, _ = mstacotron2.clone_voice(TEXTS, str(tmp_path / "voice.wav"))
    check_rows(vocoder, vocoder.decode_batch(mels, frames, 256), mels, frames)
    mel, _, _ = mstacotron2.generate_random_voice(TEXTS[0])
    assert vocoder.decode_batch(mel).std() > 0
    torch.testing.assert_close(vocoder.decode_batch(mel[0]), vocoder.decode_batch(mel)[0], **ROUNDING)


def test_mstacotron2_at_its_recipes_rate(mstacotron2, tiny, at_16khz, accept_loss, tmp_path):
    """From 16 kHz mels a 22.05 kHz model makes 16 kHz audio, as long as the mels say."""
    from speechbrain.inference.vocoders import HIFIGAN
    from vocos_speechbrain.export import export

    accept_loss(at_16khz, tiny)
    export(tiny, tmp_path / "vocos", tts=at_16khz)
    vocoder = HIFIGAN.from_hparams(source=str(tmp_path / "vocos"))
    assert vocoder.hparams.sample_rate == 16000
    mels, frames, _ = mstacotron2.generate_random_voice(TEXTS)
    check_rows(vocoder, vocoder.decode_batch(mels, frames, 256), mels, frames)


@pytest.mark.parametrize("pace", [1.0, 1.7])
@pytest.mark.parametrize("name", ["FastSpeech2", "FastSpeech2InternalAlignment"])
def test_fastspeech2(vocoder, make_fastspeech2, name, pace):
    """FastSpeech2 returns logarithms of durations but not its lengths: these are recovered from the durations."""
    from vocos_speechbrain.vocoder import VOCOS

    fastspeech2 = make_fastspeech2(name)
    lengths = []  # which the model returns, and its inference object drops
    fastspeech2.hparams.model.register_forward_hook(lambda *call: lengths.append(call[2][7]))
    mels, durations, _, _ = fastspeech2.encode_text(TEXTS, pace=pace)
    assert not mels.is_contiguous()
    assert durations.is_floating_point()
    frames = VOCOS.mel_lens_from_durations(durations, pace)
    assert frames.tolist() == lengths[0].tolist()
    assert len(set(frames.tolist())) > 1
    assert frames.max() == mels.shape[-1]
    check_rows(vocoder, vocoder.decode_batch(mels, frames, 256), mels, frames)


def test_fastspeech2_gives_its_padding_frames(make_fastspeech2):
    """SpeechBrain's own lengths of a batch also count the frames of padding phonemes."""
    from vocos_speechbrain.vocoder import VOCOS

    fastspeech2 = make_fastspeech2()
    together = VOCOS.mel_lens_from_durations(fastspeech2.encode_text(TEXTS)[1])
    alone = VOCOS.mel_lens_from_durations(fastspeech2.encode_text(TEXTS[2:])[1])
    assert together[2] > 2 * alone[0]
