"""Attaches a Vocos to loaded text-to-speech models, and detaches it."""

from __future__ import annotations

import shutil

import pytest
import torch
import vocos_coqui
from torch import nn
from vocos_coqui.export import export
from vocos_coqui.mel import COQUI_DEFAULT, COQUI_LJSPEECH, read_convention
from vocos_coqui.outputs import WITHOUT_MEL

from vocos_plugins import MelMismatch
from vocos_plugins.inference.frames import decode_frames
from vocos_plugins.mel import ConventionError

pytestmark = pytest.mark.xdist_group("coqui")

EQUAL = 1e-5  # as in test_synthesizer.py
SENTENCE = "Hello there, how are you today?"
# Coqui TTS knows this model by name, and ignores a vocoder's path for it: its default_vocoder is null.
WITHOUT_VOCODER = "tts_models/it/mai_female/glow-tts"
LJSPEECH = {"signal_norm": False, "mel_fmax": 8000.0, "spec_gain": 1, "log_func": "np.log"}


def state(synthesizer):
    """Returns a synthesizer's attributes of its vocoder."""
    names = ("vocoder_model", "vocoder_config", "vocoder_ap", "output_sample_rate")
    return {name: getattr(synthesizer, name, "none") for name in names}


@pytest.mark.parametrize("fields", [{}, LJSPEECH], ids=["default", "ljspeech"])
def test_in_place_of_griffin_lim(fields, make_tts, make_synthesizer, make_vocos, heard, relative_error):
    """In place of Griffin-Lim, the audio is exactly the core's; afterwards everything is restored."""
    tts = make_tts(**fields)
    synthesizer = make_synthesizer(tts)
    before, griffin_lim = state(synthesizer), synthesizer.tts(SENTENCE)
    convention = read_convention(tts)
    vocos = make_vocos(convention)
    vocoder = vocos_coqui.attach(synthesizer, vocos, strict=True)
    assert synthesizer.vocoder_model is vocoder
    assert vocoder.model_g is vocos
    calls = heard(synthesizer)
    audio = torch.tensor(synthesizer.tts(SENTENCE))[:-10000].float()
    mel, _ = calls[0]
    assert relative_error(audio, decode_frames(vocos, mel, source=convention)[0]) < EQUAL
    vocos_coqui.detach(synthesizer)
    assert state(synthesizer) == before
    assert before["vocoder_model"] is None
    assert len(synthesizer.tts(SENTENCE)) == len(griffin_lim) != len(audio) + 10000


def test_in_place_of_another_vocoder(make_tts, make_synthesizer, make_vocos, tmp_path):
    """The same vocoder object comes back, also after attaching twice."""
    export(make_vocos(), tmp_path / "first", tts=COQUI_DEFAULT)
    synthesizer = make_synthesizer(make_tts(), tmp_path / "first")
    before = state(synthesizer)
    for seed in (1, 2):
        vocos_coqui.attach(synthesizer, make_vocos(seed=seed))
    assert all(value is not before[name] for name, value in state(synthesizer).items() if name != "output_sample_rate")
    vocos_coqui.detach(synthesizer)
    assert all(value is before[name] for name, value in state(synthesizer).items())
    vocos_coqui.detach(synthesizer)
    assert all(value is before[name] for name, value in state(synthesizer).items())


def test_a_released_model_whose_vocoder_is_ignored(make_tts, make_vocos, tmp_path, monkeypatch):
    """Attaching works where Coqui TTS silently ignores ``vocoder_path``."""
    from TTS.api import TTS

    monkeypatch.setenv("TTS_HOME", str(tmp_path))
    downloaded = tmp_path / "tts" / WITHOUT_VOCODER.replace("/", "--")
    shutil.copytree(make_tts(), downloaded)
    (downloaded / "model.pth").rename(downloaded / "model_file.pth")
    export(make_vocos(), tmp_path / "vocoder", tts=downloaded)
    weights, config = tmp_path / "vocoder/model.safetensors", tmp_path / "vocoder/config.json"
    tts = TTS(WITHOUT_VOCODER, progress_bar=False, vocoder_path=weights, vocoder_config_path=config)
    assert tts.synthesizer.vocoder_model is None
    ignored = tts.tts(SENTENCE)
    vocos_coqui.attach(tts, make_vocos())
    attached = tts.tts(SENTENCE)
    assert tts.synthesizer.vocoder_model is not None
    assert len(attached) == len(ignored) + 256  # Griffin-Lim's centred frames make a hop less
    assert attached[:-10000] != ignored[:-10000]


def test_it_moves_with_the_tts(make_tts, make_synthesizer, make_vocos):
    """The Vocos goes to the TTS's device, and moves with the synthesizer."""
    synthesizer = make_synthesizer(make_tts()).to("meta")
    vocos = make_vocos()
    vocos_coqui.attach(synthesizer, vocos)
    assert next(vocos.parameters()).device.type == "meta"
    assert "vocoder_model.model_g.head.out.weight" in synthesizer.state_dict()


def test_a_mel_that_the_model_cannot_take(make_tts, make_synthesizer, make_vocos):
    """A mel that the model can't take is refused, and the synthesizer is unchanged."""
    synthesizer = make_synthesizer(make_tts(**LJSPEECH))
    before = state(synthesizer)
    with pytest.raises(MelMismatch, match="strict=True forbids a lossy conversion"):
        vocos_coqui.attach(synthesizer, make_vocos(COQUI_DEFAULT), strict=True)
    assert state(synthesizer) == before


@pytest.mark.parametrize("name", sorted(WITHOUT_MEL))
def test_models_without_mel(name, make_vocos, make_config):
    """Models without a mel are refused by name, with what they output, before anything changes."""
    from TTS.utils.synthesizer import Synthesizer

    kind = {"freevc": "vc", "openvoice": "vc", "knnvc": "vc"}.get(name, "encoder" if "encoder" in name else "tts")
    classes = {"freevc": "FreeVC", "openvoice": "OpenVoice", "knnvc": "KNNVC", "delightful_tts": "DelightfulTTS"}
    camel = classes.get(name) or "".join(part.capitalize() for part in name.split("_"))
    config = make_config(f"TTS.{kind}.configs.{name}_config.{camel}Config")
    synthesizer = Synthesizer.__new__(Synthesizer)
    nn.Module.__init__(synthesizer)
    synthesizer.tts_model, synthesizer.vc_model = (None, object()) if kind == "vc" else (object(), None)
    synthesizer.tts_config = synthesizer.vc_config = config
    with pytest.raises(ConventionError, match=rf"{name} has no mel for a vocoder: it outputs {WITHOUT_MEL[name]}"):
        vocos_coqui.attach(synthesizer, make_vocos())


def test_a_real_vits(make_tts, make_synthesizer, make_vocos, tmp_path):
    """VITS is refused when attached; with a vocoder path, Coqui TTS passes on its waveform, which is refused."""
    tts = make_tts("vits")
    with pytest.raises(ConventionError, match="vits has no mel for a vocoder: it outputs a waveform"):
        vocos_coqui.attach(make_synthesizer(tts), make_vocos())
    export(make_vocos(COQUI_LJSPEECH), tmp_path / "vocoder")
    with pytest.raises(ValueError, match=r"expected a mel \(B, 80, T\), got shape \(1, \d+, 1\)"):
        make_synthesizer(tts, tmp_path / "vocoder").tts(SENTENCE)


def test_a_tts_that_is_not_loaded(make_vocos):
    """A TTS without any model, which Coqui TTS allows, is refused."""
    from TTS.api import TTS

    with pytest.raises(TypeError, match="expected a loaded TTS or Synthesizer of Coqui TTS, got TTS"):
        vocos_coqui.attach(TTS(progress_bar=False), make_vocos())


@pytest.mark.parametrize("other", ["tts", None, nn.Linear(1, 1)], ids=["text", "none", "module"])
def test_something_else(other, make_vocos):
    """The error names an object that is not a synthesizer."""
    with pytest.raises(TypeError, match=r"expected a loaded TTS or Synthesizer .*, got (str|NoneType|Linear)"):
        vocos_coqui.attach(other, make_vocos(COQUI_LJSPEECH))
