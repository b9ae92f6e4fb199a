"""From a sentence to speech and to a page to listen to, in Coqui TTS's own processes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import soundfile
import torch
from safetensors.torch import save_file
from vocos_coqui.export import export

from helpers.paths import ROOT
from vocos_plugins import Vocos

# Plain words, of which the recogniser reads one wrong in the voice's own audio, too.
TEXT = "The captain told the men to bring the boat back before the storm."
MOST_WRONG = 0.3
MOST_BYTES = 10_000_000
MODEL = ROOT / "recipes" / "tts" / "models" / "coqui"
# A run of recipes/tts/coqui/train.py that has made no step: the arguments are its configuration and its folder.
UNTRAINED = """
import sys, torch
from TTS.config import load_config
from TTS.tts.models import setup_model
torch.manual_seed(0)
config = load_config(sys.argv[1])
model = setup_model(config)
config.save_json(sys.argv[2] + "/config.json")
torch.save({"model": model.state_dict(), "step": 0}, sys.argv[2] + "/checkpoint_0.pth")
"""
# An espeak-ng of one voice, which says each text as a click.
UNKNOWING = """#!/bin/sh
case "$*" in
    *--version*) echo "eSpeak NG text-to-speech: 1.52.0  Data at: /espeak-ng-data" ;;
    *--voices*) printf "Pty Language Age/Gender VoiceName File\\n 2 en-us --/M English gmw/en-US\\n" ;;
    *) echo " \u0298" ;;
esac
"""
TIMEOUT_S = 300  # per process, which takes ten seconds on an idle machine


@pytest.fixture(scope="session")
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python in a fresh process, with one thread and no network."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)

    return run


@pytest.fixture
def speak(recipe_module) -> ModuleType:
    return recipe_module("speak")


@pytest.fixture
def untrained(recipe_folder, recipe_module, run_python, write_recordings, tmp_path, monkeypatch) -> Path:
    """A folder of models: only Coqui TTS's, which has learned nothing, as its script exports it."""
    run, models, corpus = tmp_path / "run", tmp_path / "models", write_recordings("a|hello|hello\n", ("a",))
    run.mkdir()
    (corpus / "README.md").write_text("# A corpus\n", encoding="utf-8")
    done = run_python("-c", UNTRAINED, recipe_folder / "coqui" / "fastspeech2.json", run)
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr("sys.argv", ["export.py", str(run), str(models / "coqui"), "--corpus", str(corpus)])
    recipe_module("export").main()
    return models


@pytest.fixture
def unknowing_espeak(tmp_path) -> Path:
    """The folder of `UNKNOWING`, whose click no model has learned."""
    script = tmp_path / "bin" / "espeak-ng"
    script.parent.mkdir()
    script.write_text(UNKNOWING, encoding="utf-8")
    script.chmod(0o755)
    return script.parent


@pytest.mark.parametrize("name", ["coqui", "coqui-glow"])
def test_the_command_of_coqui_tts_is_understood(espeak, recipe_module, run_python, tmp_path, name):
    """``tts --text`` with the committed models and an exported Vocos; a recogniser reads the sentence back."""
    model = MODEL.with_name(name)
    export(Vocos.from_pretrained("vocos-mel-22khz-small"), tmp_path / "vocos", tts=model / "config.json")
    wav = tmp_path / "hello.wav"
    acoustic = ["--model_path", model / "model.pth", "--config_path", model / "config.json"]
    vocoder = ["--vocoder_path", tmp_path / "vocos/model.safetensors"]
    vocoder += ["--vocoder_config_path", tmp_path / "vocos/config.json"]
    # GlowTTS draws noise, and now and then a word is lost.
    command = "import torch; torch.manual_seed(0); from vocos_coqui.command_line import main; main()"
    done = run_python("-c", command, "--text", TEXT, "--out_path", wav, *acoustic, *vocoder)
    assert done.returncode == 0, done.stderr
    audio, rate = soundfile.read(wav, dtype="float32")
    heard, wrong = recipe_module("reading").read_back(audio, rate, TEXT)
    assert wrong <= MOST_WRONG, heard


def test_a_page_to_listen_to(espeak, untrained, recipe_folder, run_python, tmp_path):
    """NeMo's model is missing and named; the others speak, each vocoder with a sound of its own, and name a phoneme."""
    assert (untrained / "coqui" / "model.pth").stat().st_size < MOST_BYTES
    shutil.copytree(MODEL.parent / "speechbrain", untrained / "speechbrain")
    words = [f"{TEXT} टमाटर.", "--models", untrained, "--out", tmp_path]
    done = run_python(recipe_folder / "speak.py", *words)
    assert done.returncode == 1
    for problem in ("no model of NeMo", "no symbol for 'ʈ'"):
        assert problem in done.stderr
    page = (tmp_path / "speak.html").read_text(encoding="utf-8")
    vocoders = re.findall(r"<h3>(.*?)</h3>", page)
    each = ["Griffin-Lim", "Vocos", "Vocos, 16 passes"]
    assert vocoders == [*each, "Vocos, postfilter", *each]  # which lies beside SpeechBrain's model
    assert len({wav.read_bytes() for wav in tmp_path.glob("*/*/wavs/*.wav")}) == len(vocoders)
    assert page.count('<audio controls preload="metadata"') == len(vocoders)
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "no symbol for &#x27;ʈ&#x27;" in page or "no symbol for 'ʈ'" in page
    for shares, n_vocos in zip(re.findall(r"the vocoder's share</th>(.*?)</tr>", page), (3, 2), strict=True):
        griffin_lim, *vocos = (int(share) for share in re.findall(r"(\d+)%", shares))
        assert len(vocos) == n_vocos
        assert max(vocos) < griffin_lim <= 100


def test_a_toolkit_that_is_not_installed_is_named(speak, recipe_module, tmp_path, monkeypatch, capsys):
    toolkits = recipe_module("toolkits")
    monkeypatch.setattr(toolkits, "find_spec", lambda _: None)
    assert speak.main(["Hello.", "--out", str(tmp_path)]) == 1
    problems = capsys.readouterr().err.splitlines()
    assert [problem.partition(" is not installed; ")[0] for problem in problems] == [
        "SpeechBrain",
        "NeMo",
        "Coqui TTS",
    ]
    assert "pip install 'vocos-plugins[nemo]'" in problems[1]
    assert not (tmp_path / "speak.html").exists()


def test_espeak_is_asked_for(recipe_module, tmp_path, monkeypatch):
    toolkits = recipe_module("toolkits")
    monkeypatch.setenv("PATH", str(tmp_path))
    coqui = toolkits.TOOLKITS[2]
    with pytest.raises(toolkits.CannotSpeakError, match="package espeak-ng"):
        toolkits.check(coqui, tmp_path)


def test_text_without_a_symbol_is_refused(speak, tmp_path, capsys):
    assert speak.main([" ... !", "--out", str(tmp_path)]) == 1
    assert "no known symbol in '... !'" in capsys.readouterr().err


def test_text_without_a_symbol_that_a_model_knows_is_refused(
    recipe_folder, run_python, tmp_path, monkeypatch, unknowing_espeak
):
    """Each toolkit is named with the text, and there is neither audio nor a page."""
    monkeypatch.setenv("PATH", f"{unknowing_espeak}:{os.environ['PATH']}")
    done = run_python(
        recipe_folder / "speak.py", "Qa.", "--out", tmp_path, "--toolkit", "speechbrain", "--toolkit", "coqui"
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "SpeechBrain: no known symbol in 'Qa.'",
        "Coqui TTS: no known symbol in 'Qa.'",
    ]
    assert not list(tmp_path.rglob("*.wav"))
    assert not (tmp_path / "speak.html").exists()


def test_a_postfilter_lies_beside_the_model(speak, tmp_path):
    assert [vocoder.folder for vocoder in speak.choose_vocoders(tmp_path, None)] == [
        "griffin-lim",
        "vocos",
        "vocos-16-passes",
    ]
    file = tmp_path / "postfilter.safetensors"
    save_file({"weight": 2 * torch.eye(80), "bias": torch.ones(80)}, file)
    *_, fitted, fine_tuned = speak.choose_vocoders(tmp_path, tmp_path / "other")
    assert (fitted.folder, fitted.postfilter) == ("vocos-postfilter", str(file))
    assert torch.equal(fitted.load().postfilter.weight, 2 * torch.eye(80))
    assert (fine_tuned.folder, fine_tuned.checkpoint) == ("vocos-fine-tuned", str(tmp_path / "other"))
