"""A Vocos that `export` has written, in Coqui TTS's own ``Synthesizer``."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from vocos_coqui.audio_block import unnormalized
from vocos_coqui.export import export
from vocos_coqui.mel import COQUI_LJSPEECH, from_coqui, read_convention

from vocos_plugins import Vocos
from vocos_plugins.inference.frames import decode_frames

pytestmark = pytest.mark.xdist_group("coqui")

# Coqui TTS undoes a normalization in float32, the core in float64: 1e-7 of 100 dB, which the model then amplifies.
EQUAL = 1e-5
# Samples between the offsets that are tried.
STEP = 16
# Nepers: the small bundled model's mel error is 0.14; half a hop too early or late it is 0.25.
NEAR = 0.2

LJSPEECH = {"signal_norm": False, "mel_fmax": 8000.0, "spec_gain": 1, "log_func": "np.log"}
CONVENTIONS = {
    "default": {},
    "ljspeech": LJSPEECH,
    "asymmetric": {"symmetric_norm": False, "max_norm": 1.0},
    "gain-1": {"spec_gain": 1, "ref_level_db": 0, "mel_fmin": 50.0, "mel_fmax": 7600.0},
    "natural-normalized": {"log_func": "np.log", "clip_norm": False},
    "linear": {"do_amp_to_db_mel": False, "signal_norm": False},
}
SENTENCE = "Hello there, how are you today?"


@pytest.fixture
def pair(make_tts, make_vocos, make_synthesizer, tmp_path):
    """Makes a synthesizer of a TTS by name and audio fields, with a Vocos for its bands; the Vocos; the TTS's mel."""

    def make(name="glow_tts", **fields):
        tts = make_tts(name, **fields)
        convention = read_convention(tts)
        vocos = make_vocos(convention)
        export(vocos, tmp_path / "vocoder", tts=tts, strict=True)
        return make_synthesizer(tts, tmp_path / "vocoder"), vocos, convention

    return make


@pytest.mark.parametrize("fields", [{}, LJSPEECH], ids=["default", "ljspeech"])
@pytest.mark.parametrize("name", ["glow_tts", "fast_pitch", "tacotron2"])
def test_speech_equals_decode_frames(name, fields, pair, heard, relative_error):
    """Each kind of TTS model says a sentence: the audio is its mel, aligned and decoded by the core."""
    synthesizer, vocos, convention = pair(name, **fields)
    calls = heard(synthesizer)
    audio = torch.tensor(synthesizer.tts(SENTENCE))
    ((mel, _),) = calls
    n_samples = mel.shape[-1] * convention.hop_length
    expected = decode_frames(vocos, mel, source=convention)[0]
    assert mel.shape[-1] >= 20
    assert len(audio) == n_samples + 10000  # of silence, after each sentence
    assert relative_error(audio[:n_samples].float(), expected) < EQUAL
    assert synthesizer.output_sample_rate == convention.sample_rate
    assert not synthesizer.vocoder_model.training


@pytest.mark.parametrize("fields", CONVENTIONS.values(), ids=CONVENTIONS)
def test_any_mel_equals_decode_frames(fields, pair, heard, noise, relative_error):
    """Mels of every convention decode as in the core, clipped values included, and to the exact sample."""
    synthesizer, vocos, convention = pair(**fields)
    calls = heard(synthesizer)
    mel = 3 * noise(50, 80)
    audio = synthesizer._run_vocoder(mel.abs() if convention.log is None else mel, "cpu")
    assert audio.shape == (1, 1, 50 * 256)
    assert not audio.requires_grad
    expected = decode_frames(vocos, calls[0][0], source=convention)
    assert relative_error(audio[0], expected) < EQUAL


def test_statistics(make_tts, make_vocos, make_synthesizer, statistics_file, tmp_path, noise, relative_error):
    """A TTS normalized by means and deviations works: Coqui TTS undoes them, and the vocoder needs no file."""
    tts = make_tts(stats_path=str(statistics_file()))
    convention = read_convention(tts)
    vocos = make_vocos(convention)
    export(vocos, tmp_path / "vocoder", tts=tts, strict=True)
    synthesizer = make_synthesizer(tts, tmp_path / "vocoder")
    mel = noise(50, 80)
    assert synthesizer.tts_model.ap.mel_scaler is not None
    assert synthesizer.vocoder_config.audio.stats_path is None
    expected = decode_frames(vocos, mel.T[None], source=convention)
    assert relative_error(synthesizer._run_vocoder(mel, "cpu")[0], expected) < EQUAL


def test_a_vocoder_that_is_normalized_like_the_tts(make_tts, make_vocos, make_synthesizer, tmp_path, noise, write):
    """A hand-written configuration with the TTS's whole audio block works the same."""
    import json

    tts = make_tts()
    export(make_vocos(), tmp_path / "vocoder", tts=tts)
    ours = make_synthesizer(tts, tmp_path / "vocoder")
    config = json.loads((tmp_path / "vocoder" / "config.json").read_text())
    config["audio"] = json.loads((tts / "config.json").read_text())["audio"]
    (tmp_path / "vocoder" / "config.json").write_text(json.dumps(config))
    by_hand = make_synthesizer(tts, tmp_path / "vocoder")
    assert by_hand.vocoder_model.source.normalization is not None
    mel = noise(50, 80)
    torch.testing.assert_close(by_hand._run_vocoder(mel, "cpu"), ours._run_vocoder(mel, "cpu"), rtol=0, atol=1e-3)


@pytest.fixture(scope="module")
def bundled():
    """Returns the checkpoint that comes with the package."""
    return Vocos.from_pretrained("vocos-mel-22khz-small")


def test_speech_stays_in_its_place(make_signal, coqui_mel, bundled, make_tts, make_synthesizer, tmp_path):
    """In copy-synthesis of real speech, Coqui TTS's mel of the result matches best without any shift."""
    tts = make_tts(**LJSPEECH)
    export(bundled, tmp_path / "vocoder", tts=tts, strict=True)
    synthesizer = make_synthesizer(tts, tmp_path / "vocoder")
    config = synthesizer.tts_config.audio
    mel = coqui_mel(config, make_signal("arctic-1", 22050)[: 100 * 256])[:, :100]
    audio = synthesizer._run_vocoder(torch.from_numpy(mel.T), "cpu")[0, 0].numpy()
    assert len(audio) == 100 * 256

    def distance(shift):
        found = coqui_mel(config, np.roll(audio, -shift))[:, :100]
        return float(np.abs(found - mel)[:, 4:-4].mean())

    shifts = range(-128, 129, STEP)
    assert abs(min(shifts, key=distance)) <= STEP
    assert distance(0) < NEAR


def test_threads_share_a_vocoder(pair, noise):
    """Several sentences decode at once as they do in sequence."""
    synthesizer, _, _ = pair()
    mels = [noise(20 + row, 80, seed=row) for row in range(12)]
    expected = [synthesizer._run_vocoder(mel, "cpu") for mel in mels]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda mel: synthesizer._run_vocoder(mel, "cpu"), mels))
    assert all(torch.equal(*each) for each in zip(found, expected, strict=True))


def test_what_is_no_mel(pair):
    """VITS's waveform, as Coqui TTS passes it on, WavLM features and missing dimensions are refused."""
    vocoder = pair()[0].vocoder_model
    for shape in ((1, 4608, 1), (1, 17, 1024), (80, 17)):
        with pytest.raises(ValueError, match=r"expected a mel \(B, 80, T\), got shape .* VITS and XTTS"):
            vocoder.inference(torch.zeros(shape))


def test_forward_trains(pair, noise, relative_error):
    """Training's forward is differentiable, and equals the core's decoding, a hop shorter than inference."""
    synthesizer, vocos, convention = pair()
    vocoder = synthesizer.vocoder_model
    mel = 20 * noise(2, 80, 9)  # decibels
    audio = vocoder(mel)
    assert audio.shape == (2, 1, 8 * 256)
    audio.square().mean().backward()
    assert all(parameter.grad is not None for parameter in vocoder.model_g.backbone.parameters())
    # The modules with gradients against decoding without them: float32 sums in another order.
    assert relative_error(audio.detach()[:, 0], vocos.decode(mel, source=unnormalized(convention))) < 1e-5


def test_wrapped_model_takes_its_source(make_vocos, noise, relative_error):
    """`adapt` returns the vocoder itself; its processor normalizes to its input, by levels or statistics."""
    from vocos_plugins import adapt
    from vocos_plugins.mel import MeanStdNormalization

    statistics = MeanStdNormalization(mean=tuple(np.linspace(-40.0, -20.0, 80)), std=tuple(np.linspace(5.0, 9.0, 80)))
    default = from_coqui({})
    for source in (default, COQUI_LJSPEECH, dataclasses.replace(default, normalization=statistics)):
        vocos = make_vocos(source)
        vocoder = adapt(vocos, "coqui", source=source, strict=True)
        mel = noise(2, 80, 11)
        assert relative_error(vocoder.inference(mel)[:, 0], decode_frames(vocos, mel, source=source)) == 0
        assert next(vocoder.parameters()).device.type == "cpu"
        plain = vocoder.ap.denormalize(mel[0].numpy())
        expected = decode_frames(vocos, torch.from_numpy(plain)[None], source=unnormalized(source))
        again = torch.from_numpy(vocoder.ap.normalize(plain))[None]
        assert relative_error(vocoder.inference(again)[0].float(), expected.float()) < EQUAL
