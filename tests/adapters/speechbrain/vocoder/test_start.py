"""docs/start/speechbrain.md, walked by a stranger, and where recipes/speechbrain/README.md has led another one.

A folder with random weights bears the published name.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import soundfile
from vocos_speechbrain.export import export

pytestmark = pytest.mark.xdist_group("speechbrain")

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "start" / "speechbrain.md"
RECIPE = ROOT / "recipes" / "speechbrain" / "README.md"
HYPERPARAMS = """
model: !new:speechbrain.lobes.models.Tacotron2.Tacotron2
  symbols_embedding_dim: 16
  encoder_embedding_dim: 16
  attention_rnn_dim: 16
  decoder_rnn_dim: 16
  prenet_dim: 16
  postnet_embedding_dim: 16
  attention_dim: 16
  max_decoder_steps: 40
modules:
  model: !ref <model>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
text_to_sequence: !name:speechbrain.utils.text_to_sequence.text_to_sequence
"""


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    """A folder in which SpeechBrain finds a Tacotron2 by its published name."""
    published = tmp_path / "speechbrain" / "tts-tacotron2-ljspeech"
    published.mkdir(parents=True)
    (published / "hyperparams.yaml").write_text(HYPERPARAMS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_page(markdown, workplace) -> None:
    """It ends with speech in a file: 256 samples a frame."""
    names = markdown.run(PAGE, workplace)
    assert soundfile.info("lamb.wav").frames == names["mel"].shape[-1] * 256
    assert sorted(path.name for path in (workplace / "vocos").iterdir()) == ["generator.ckpt", "hyperparams.yaml"]


def test_the_recipe_s_page(markdown, workplace, tiny) -> None:
    """Its Python, where a training has left a vocoder; tests/recipes/speechbrain trains."""
    (block,) = [each for each in markdown.blocks(RECIPE.read_text()) if each.language == "python"]
    (folder,) = re.findall(r"source=\"(results/.*)\"", block.text)
    export(tiny, workplace / folder)
    markdown.run_python(block, RECIPE.name, {})
    assert soundfile.info("lamb.wav").samplerate == 22050
