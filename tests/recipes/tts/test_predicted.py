"""The committed predicted mels, and what a postfilter makes of them: real models', not blurred or random ones."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from helpers.paths import ROOT
from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.apps.cli import app
from vocos_plugins.evaluation.blur import measure_blur
from vocos_plugins.evaluation.recognition import transcribe, word_error_rate
from vocos_plugins.mel import align
from vocos_plugins.plugins import mel_conventions
from vocos_plugins.storage.audio import read_mono
from vocos_plugins.storage.texts import read_metadata

TTS = ROOT / "recipes" / "tts"
AUDIO = TTS / "predicted" / "audio"
CONVENTIONS = {"speechbrain": "speechbrain-ljspeech", "coqui": "coqui-ljspeech", "nemo": "nemo-fastpitch-22khz"}
each = pytest.mark.parametrize("toolkit", CONVENTIONS)
GLOW = "coqui-glow"  # Coqui TTS's other model, a flow
# Sentences of which the recogniser reads at most one word in nine wrong in the voice's own audio.
READ = ("joe-00008", "joe-00009")


@pytest.fixture(scope="module")
def plain() -> Vocos:
    """The bundled model without its postfilter."""
    vocos = Vocos.from_pretrained("vocos-mel-22khz-small", precision="float32")
    vocos.set_postfilter(None)
    return vocos


@pytest.fixture(scope="module", params=["vocos-mel-22khz-small", "vocos-mel-16khz-small"])
def bundled(request) -> Vocos:
    """A model as it ships."""
    return Vocos.from_pretrained(request.param, precision="float32")


@pytest.fixture(scope="module")
def predicted(plain):
    """Mels of a toolkit by their ids, ``(80, T)``, in the model's convention."""

    def read(toolkit: str):
        alignment = align(mel_conventions()[{**CONVENTIONS, GLOW: "coqui-ljspeech"}[toolkit]], plain.mel)
        files = sorted((TTS / "predicted" / toolkit).glob("*.npy"))
        return {file.stem: alignment(torch.from_numpy(np.load(file)).float()[None])[0] for file in files}

    return read


@pytest.fixture(scope="module")
def own(plain):
    """The voice's own mels by their ids."""
    front_end = MelSpectrogram(plain.mel)
    return {file.stem: front_end(read_mono(file, 22050))[0] for file in sorted(AUDIO.glob("*.flac"))}


def steps(mels, own) -> float:
    """Steps from band to band, as a share of the voice's own."""
    sides = ([side[key].double().numpy() for key in own] for side in (mels, own))
    return measure_blur(*sides).band_steps


@pytest.mark.parametrize("toolkit", [*CONVENTIONS, GLOW])
def test_every_mel_has_its_audio_and_its_text(predicted, own, toolkit) -> None:
    """20 sentences, as long as their audio to within a frame."""
    mels, texts = predicted(toolkit), read_metadata(AUDIO)
    assert len(mels) == 20
    assert set(mels) == set(own) == set(texts)
    for key, mel in mels.items():
        assert abs(mel.shape[1] - own[key].shape[1]) <= 1


@each
@pytest.mark.filterwarnings("ignore::vocos_plugins.mel.alignment.MelMismatchWarning")
def test_bundled_models_sharpen_predicted_mels(bundled, toolkit) -> None:
    """Of sentences that their postfilter was not fitted to: nearly all of the way, and not past it."""
    alignment = align(mel_conventions()[CONVENTIONS[toolkit]], bundled.mel)
    front_end, before, after, own = MelSpectrogram(bundled.mel), {}, {}, {}
    for file in sorted((TTS / "predicted" / toolkit).glob("*.npy")):
        before[file.stem] = alignment(torch.from_numpy(np.load(file)).float()[None])
        after[file.stem] = bundled.postfiltered(before[file.stem])[0]
        before[file.stem] = before[file.stem][0]
        own[file.stem] = front_end(read_mono(AUDIO / f"{file.stem}.flac", bundled.sample_rate))[0]
    assert steps(before, own) < 0.65
    assert 0.6 < steps(after, own) < 1.05


def test_a_flow_s_mels_are_not_blurred(plain, predicted, own) -> None:
    """They are drawn, not means. The postfilter that ships hardly changes them."""
    mels, bundled = predicted(GLOW), Vocos.from_pretrained("vocos-mel-22khz-small")
    before = steps(mels, own)
    after = steps({key: bundled.postfiltered(mel[None])[0] for key, mel in mels.items()}, own)
    assert 0.85 < before < 1.1
    assert before <= after < before + 0.1


def test_bundled_models_leave_recordings_alone(bundled) -> None:
    """Every frame of the voice's own mels comes back as it is."""
    front_end = MelSpectrogram(bundled.mel)
    for file in sorted(AUDIO.glob("*.flac")):
        mel = front_end(read_mono(file, bundled.sample_rate))
        assert torch.equal(bundled.postfiltered(mel), mel)


@each
def test_the_models_postfilter_gives_detail_back(plain, predicted, own, toolkit) -> None:
    """It was fitted to other sentences. A postfilter that adds detail of its own would go past the voice's."""
    mels = predicted(toolkit)
    fitted = copy.deepcopy(plain)
    fitted.set_postfilter(**load_file(TTS / "models" / toolkit / "postfilter.safetensors"))
    sharper = {key: fitted.postfiltered(mel[None])[0] for key, mel in mels.items()}
    assert steps(mels, own) < 0.65
    assert 0.75 < steps(sharper, own) < 1.05


@each
def test_words_stay_the_same(plain, predicted, toolkit) -> None:
    """A recogniser reads no more of them wrong with the postfilter than one word in ten above those without."""
    mels, texts = predicted(toolkit), read_metadata(AUDIO)
    fitted = copy.deepcopy(plain)
    fitted.set_postfilter(**load_file(TTS / "models" / toolkit / "postfilter.safetensors"))
    rates = []
    for vocos in (plain, fitted):
        heard = [transcribe(vocos.decode(mels[key][None])[0].numpy(), 22050) for key in READ]
        rates.append(word_error_rate([texts[key].text for key in READ], heard))
    assert rates[1] <= rates[0] + 0.1
    assert rates[1] < 0.3


@each
def test_the_command_fits_such_a_postfilter(plain, predicted, own, toolkit, tmp_path) -> None:
    """As the recipes' READMEs say, from the files; other sentences than the committed postfilter's give the same."""
    arguments = [
        "--predicted",
        str(TTS / "predicted" / toolkit),
        "--data",
        str(AUDIO),
        "--source",
        CONVENTIONS[toolkit],
    ]
    result = CliRunner().invoke(app, ["postfilter", "vocos-mel-22khz-small", str(tmp_path / "fitted"), *arguments])
    assert result.exit_code == 0, result.output
    assert "of the same sentences" in result.output
    fitted = Vocos.from_pretrained(tmp_path / "fitted")
    mels = {key: fitted.postfiltered(mel[None])[0] for key, mel in predicted(toolkit).items()}
    assert 0.75 < steps(mels, own) < 1.05


def test_decode_says_that_they_are_blurred(plain, tmp_path) -> None:
    """Once, for two of each model's mels in their own convention, and what to do; not if the model was fitted."""
    plain.save_pretrained(tmp_path / "plain")
    fitted = copy.deepcopy(plain)
    fitted.set_postfilter(torch.eye(80))
    fitted.save_pretrained(tmp_path / "fitted")
    models = {
        "vocos-mel-22khz-small": "the model sharpens them; `vocos postfilter` fits it to your acoustic model",
        str(tmp_path / "plain"): "`vocos postfilter` gives the detail back",
    }
    for toolkit, convention in CONVENTIONS.items():
        mels = [str(TTS / "predicted" / toolkit / f"joe-0000{number}.npy") for number in (4, 8)]
        arguments = ["decode", *mels, str(tmp_path / "out"), "--source", convention]
        for model, advice in models.items():
            result = CliRunner().invoke(app, [*arguments, "--model", model])
            assert result.exit_code == 0, result.output
            assert result.stderr.count("note: ") == 1
            assert f"as mels of acoustic models are: {advice}" in result.stderr
        result = CliRunner().invoke(app, [*arguments, "--model", str(tmp_path / "fitted")])
        assert "note: " not in result.stderr


def test_a_postfilter_needs_no_recordings(plain, predicted, own, tmp_path) -> None:
    """The shipped speech, four other voices, gives most of the steps back."""
    for toolkit, convention in CONVENTIONS.items():
        mels = ["--predicted", str(TTS / "predicted" / toolkit), "--source", convention]
        result = CliRunner().invoke(app, ["postfilter", "vocos-mel-22khz-small", str(tmp_path / toolkit), *mels])
        assert result.exit_code == 0, result.output
        assert "of other voices" in result.output
        fitted = Vocos.from_pretrained(tmp_path / toolkit)
        sharper = {key: fitted.postfiltered(mel[None])[0] for key, mel in predicted(toolkit).items()}
        assert 0.75 < steps(sharper, own) < 1.3


def test_the_script_puts_one_beside_a_model(plain, predicted, own, recipe_module, tmp_path, capsys) -> None:
    """A file for `speak.py`; what can't be used is named, and an unknown convention is refused."""
    script, mels = recipe_module("postfilter"), tmp_path / "mels"
    mels.mkdir()
    for file in sorted((TTS / "predicted" / "coqui").glob("*.npy")):
        (mels / file.name).write_bytes(file.read_bytes())
    (mels / "absent.npy").write_bytes(b"no mel")
    arguments = [str(tmp_path / "model"), str(mels), "--data", str(AUDIO), "--source"]
    assert script.main([*arguments, "coqui-ljspeech"]) == 1
    assert "absent.npy: no recording" in capsys.readouterr().err
    fitted = copy.deepcopy(plain)
    fitted.set_postfilter(**load_file(tmp_path / "model" / "postfilter.safetensors"))
    sharper = {key: fitted.postfiltered(mel[None])[0] for key, mel in predicted("coqui").items()}
    assert 0.75 < steps(sharper, own) < 1.05
    assert script.main([*arguments, "coqui-ljspech"]) == 2
    assert "unknown convention 'coqui-ljspech'; expected one of" in capsys.readouterr().err
