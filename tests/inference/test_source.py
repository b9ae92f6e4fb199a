"""Decoding mels of another convention: ``Vocos.decode(mel, source=...)``."""

import dataclasses

import numpy as np
import pytest
import scipy.signal
import soundfile
import soxr
import torch

from vocos_plugins import MelMismatch, MelSpectrogram, Vocos
from vocos_plugins.inference.windows import decode_chunks
from vocos_plugins.mel import LevelNormalization, MelMismatchWarning
from vocos_plugins.mel.speech import CLIPS

# Of full scale: a closed form through float32 logarithms moves a mel by 1e-5 of a neper at most, which the passes of
# the refinement magnify.
EXACT = 2e-4
# Of full scale: pieces of other shapes round differently.
ROUNDING = 1e-5
# Samples; half a hop, what an ignored framing costs, is 128.
LATE = 32
LEVELS = LevelNormalization(ref_level=20.0, min_level=-100.0, max_norm=4.0, symmetric=True, clip=False)
EXACT_SOURCES = {
    "decibels": {"log": "log10", "log_gain": 20.0, "normalization": LEVELS},
    "no-norm": {"mel_norm": None},
    "add-guard": {"guard": "add"},
    "same-framing": {"framing": "same"},
    "all-of-it": {"framing": "same", "mel_norm": None, "log": "log10", "guard_value": 1e-8},
}
LOSSY_SOURCES = {
    "24khz": {"sample_rate": 24000, "n_mels": 100, "f_max": None},
    "16khz": {"sample_rate": 16000},
    "long-hop": {"n_fft": 2048, "win_length": 2048, "hop_length": 512},
}


@pytest.fixture(scope="module")
def vocos():
    """The bundled model: centred frames at 22.05 kHz."""
    return Vocos.from_pretrained("vocos-mel-22khz-small")


@pytest.fixture(scope="module")
def recording():
    """A second and a half of shipped speech at a rate, ``(1, N)``."""

    def load(sample_rate):
        audio, rate = soundfile.read(CLIPS[0].path, dtype="float64")
        return torch.from_numpy(soxr.resample(audio[: int(1.5 * rate)], rate, sample_rate).astype(np.float32))[None]

    return load


def lag(found, expected):
    """Samples by which the envelope of ``found`` comes late; a vocoder makes up the phase."""
    n_samples = min(found.shape[-1], expected.shape[-1])
    window = scipy.signal.windows.hann(1025)  # over several periods of a voice
    one, other = (np.convolve(audio[0, :n_samples].numpy() ** 2, window, "same") ** 0.5 for audio in (found, expected))
    correlation = scipy.signal.correlate(one - one.mean(), other - other.mean())
    return int(np.argmax(correlation) - (n_samples - 1))


@pytest.mark.parametrize("changes", EXACT_SOURCES.values(), ids=EXACT_SOURCES.keys())
def test_exact_sources_give_what_the_model_s_own_mel_gives(vocos, recording, changes):
    """Sample for sample where frames coincide; in time, always."""
    source = dataclasses.replace(vocos.mel, name="source", **changes)
    audio = recording(vocos.sample_rate)
    n_frames = audio.shape[1] // vocos.hop_length
    audio = audio[:, : n_frames * vocos.hop_length]
    found = vocos.decode(MelSpectrogram(source)(audio), source=source, strict=True)
    expected = vocos.decode(MelSpectrogram(vocos.mel)(audio))
    assert found.shape == expected.shape == audio.shape
    assert abs(lag(found, audio)) < LATE
    if source.framing == vocos.mel.framing:
        assert float((found - expected).abs().max()) < EXACT


def test_half_a_hop_is_the_decoding_of_the_shifted_signal(vocos, recording):
    """Frames between the model's own: what the model makes of audio that starts half a hop earlier, cut there."""
    source = dataclasses.replace(vocos.mel, framing="same")
    half = vocos.hop_length // 2
    audio = recording(vocos.sample_rate)[:, : 100 * vocos.hop_length]
    found = vocos.decode(MelSpectrogram(source)(audio), source=source)
    shifted = torch.nn.functional.pad(audio, (half, half))
    expected = vocos.decode(MelSpectrogram(vocos.mel)(shifted))[:, half:-half]
    inside = slice(4 * vocos.hop_length + vocos.backbone.receptive_field * vocos.hop_length, -40 * vocos.hop_length)
    assert found.shape == expected.shape
    assert found[:, inside].numel() > 0
    assert float((found - expected)[:, inside].abs().max()) < EXACT


@pytest.mark.parametrize("changes", LOSSY_SOURCES.values(), ids=LOSSY_SOURCES.keys())
def test_lossy_sources_keep_time_and_words(vocos, recording, changes):
    """As long as the source's frames stand for, in time, and intelligible."""
    from pystoi import stoi

    source = dataclasses.replace(vocos.mel, name="source", **changes)
    mel = MelSpectrogram(source)(recording(source.sample_rate))
    with pytest.warns(MelMismatchWarning):
        found = vocos.decode(mel, source=dataclasses.replace(source, pad_value=float(len(changes))))
    audio = recording(vocos.sample_rate)
    seconds = (mel.shape[-1] - 1) * source.hop_length / source.sample_rate
    assert found.shape[1] == round(seconds * vocos.sample_rate)
    assert abs(lag(found, audio)) < LATE
    n_samples = min(found.shape[1], audio.shape[1])
    assert stoi(audio[0, :n_samples].numpy(), found[0, :n_samples].numpy(), vocos.sample_rate) > 0.8


def test_strict_refuses_a_loss(vocos):
    """It is for pipelines that must not degrade unseen."""
    source = dataclasses.replace(vocos.mel, sample_rate=24000)
    with pytest.raises(MelMismatch, match="sample_rate: 24000 against 22050"):
        vocos.decode(torch.zeros(1, 80, 10), source=source, strict=True)


def test_an_encodec_model_takes_no_mel(make_model):
    """There is nothing to align to."""
    model = make_model("encodec", "adanorm")
    with pytest.raises(MelMismatch, match="no mel"):
        model.decode(torch.zeros(1, 80, 10), source=Vocos.from_pretrained("vocos-mel-22khz-small").mel)


@pytest.mark.filterwarnings("ignore::vocos_plugins.mel.MelMismatchWarning")
@pytest.mark.parametrize(
    "changes", [*EXACT_SOURCES.values(), *LOSSY_SOURCES.values()], ids=[*EXACT_SOURCES, *LOSSY_SOURCES]
)
def test_ragged_rows_equal_their_own_decode(vocos, recording, changes):
    """Whatever the padding holds, and an empty row too."""
    source = dataclasses.replace(vocos.mel, name="source", **changes)
    mel = MelSpectrogram(source)(recording(source.sample_rate))
    lengths = torch.tensor([mel.shape[-1], 30, 0])
    batch = mel.repeat(3, 1, 1)
    batch[1, :, 30:] = float("nan")
    batch[2] = float("inf")
    found = vocos.decode(batch, lengths=lengths, source=source)
    for row, count in enumerate(lengths[:2].tolist()):
        alone = vocos.decode(mel[..., :count], source=source)[0]
        torch.testing.assert_close(found[row, : len(alone)], alone, rtol=0, atol=ROUNDING)
        assert not found[row, len(alone) :].any()
    assert not found[2].any()


@pytest.mark.filterwarnings("ignore::vocos_plugins.mel.MelMismatchWarning")
@pytest.mark.parametrize(
    "changes", [*EXACT_SOURCES.values(), *LOSSY_SOURCES.values()], ids=[*EXACT_SOURCES, *LOSSY_SOURCES]
)
def test_pieces_make_up_the_whole(vocos, recording, changes):
    """Long mels of another convention are decoded piece by piece."""
    source = dataclasses.replace(vocos.mel, name="source", **changes)
    mel = MelSpectrogram(source)(recording(source.sample_rate))
    pieces = list(decode_chunks(vocos, mel, source=source, chunk_frames=20))
    assert len(pieces) > 1
    whole = vocos.decode(mel, source=source)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(vocos, bad):
    """Aligning must not turn them into something that looks like sound."""
    mel = torch.zeros(1, 80, 10)
    mel[0, 3, 4] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        vocos.decode(mel, source=dataclasses.replace(vocos.mel, log="log10"))
