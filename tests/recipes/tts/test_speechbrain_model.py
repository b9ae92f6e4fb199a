"""The committed model of SpeechBrain: a sentence comes out of it, and its mels are aligned with a recording."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest
import soundfile
import torch

from helpers.paths import ROOT
from vocos_plugins.evaluation.recognition import transcribe, word_error_rate

pytestmark = pytest.mark.xdist_group("speechbrain")

# Plain words, which the recogniser reads without an error in the voice's own audio.
TEXT = "We have to work together for peace and for the good of all the people."
MOST_WRONG = 0.2
# Nepers. The mean mel is 1.8 from a recording's, this model's with the recording's durations 0.5.
FAR = 1.0
MOST_BYTES = 10_000_000
# What the model's card and the adapter's README tell users to type.
SPEAK = """
    import sys
    import soundfile
    from speechbrain.inference.interfaces import foreign_class
    from speechbrain.inference.vocoders import HIFIGAN
    from vocos_plugins.apps.cli import app

    model, folder, text = sys.argv[1:]
    app(["export", "speechbrain", f"{folder}/vocos", "--tts", model], standalone_mode=False)
    fastspeech2 = foreign_class(source=model)
    vocoder = HIFIGAN.from_hparams(source=f"{folder}/vocos")
    mel, *_ = fastspeech2.encode_text([text])
    soundfile.write(f"{folder}/hello.wav", vocoder.decode_batch(mel)[0, 0].numpy(), 22050)
"""


@pytest.fixture(scope="module")
def model(espeak, recipe_folder):
    """The committed model's folder."""
    return recipe_folder / "models" / "speechbrain"


@pytest.fixture(scope="module")
def spoken(model, start_process, finish_process, tmp_path_factory):
    """A folder with the sentence as the model and the bundled Vocos say it."""
    folder = tmp_path_factory.mktemp("spoken")
    script = folder / "speak.py"
    script.write_text(textwrap.dedent(SPEAK), encoding="utf-8")
    finish_process(start_process(script, model, folder, TEXT))
    return folder


def test_a_sentence_is_understood(spoken):
    """Loaded in a fresh process as users do; a recogniser reads the sentence back."""
    audio, rate = soundfile.read(spoken / "hello.wav", dtype="float32")
    assert word_error_rate([TEXT], [transcribe(audio, rate)]) <= MOST_WRONG


def test_predicted_mels_follow_the_recording(spoken, model, start_process, finish_process):
    """``predict_mels.py`` loads the model by its own class; a text that isn't there is named, with its line."""
    from vocos_speechbrain.mel import DEFAULT

    from vocos_plugins import MelSpectrogram

    lines = [f"hello|{TEXT}", "silence|..."]
    (spoken / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    audio, rate = soundfile.read(spoken / "hello.wav", dtype="float32")
    # Slower by a tenth: the model's own durations don't fit.
    slow = np.interp(np.arange(0, len(audio) - 1, 10 / 11), np.arange(len(audio)), audio).astype(np.float32)
    soundfile.write(spoken / "hello.wav", slow, rate)
    soundfile.write(spoken / "silence.wav", np.zeros(rate, np.float32), rate)
    script = ROOT / "recipes" / "speechbrain" / "predict_mels.py"
    output = finish_process(start_process(script, "fastspeech2", model, spoken, spoken / "mels"), fails=True)
    assert f"silence.wav: no known symbol in '...' ({spoken / 'metadata.csv'}:2)" in output
    found = np.load(spoken / "mels" / "hello.npy")
    expected = MelSpectrogram(DEFAULT)(torch.from_numpy(slow)[None])[0].numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < FAR


def test_the_model_is_small_and_says_where_it_comes_from(model):
    assert sum(file.stat().st_size for file in model.iterdir()) < MOST_BYTES
    card = (model / "README.md").read_text(encoding="utf-8")
    for words in ("This speech is synthetic", "| steps |", "CC0", "WordNet licence"):
        assert words in card


def test_the_model_s_code_is_the_recipe_s(model, recipe_folder):
    for file in (recipe_folder / "speechbrain" / "custom.py", recipe_folder / "phonemes.py"):
        assert (model / file.name).read_text(encoding="utf-8") == file.read_text(encoding="utf-8")
