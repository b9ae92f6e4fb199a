"""docs/start/speechbrain.md, walked by a stranger: a folder with random weights bears the published name."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

pytestmark = pytest.mark.xdist_group("speechbrain")

PAGE = Path(__file__).parents[4] / "docs" / "start" / "speechbrain.md"
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
