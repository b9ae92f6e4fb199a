"""Runs docs/start/speechbrain.md as a new user would, in a folder with this repository's small model.

A folder with random weights has the published model's name.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import soundfile
import torch
from safetensors.torch import load_file

from helpers.paths import ROOT

pytestmark = pytest.mark.xdist_group("speechbrain")

PAGE = ROOT / "docs" / "start" / "speechbrain.md"
SENTENCE = "The captain told the men to bring the boat back before the storm."
# At the page's end, the waveform is the small model's, and the mel the published one's.
RUN = """
import json, sys
from pathlib import Path
sys.path[:0] = {folders}
import markdown
names = markdown.run(Path({page!r}), Path.cwd())
print(json.dumps([list(names["waveform"].shape), list(names["mel"].shape)]))
"""
# Relative to full scale: the map of the mel rounds differently, and the refinement magnifies that.
ROUNDING = {"rtol": 0, "atol": 1e-4}


@pytest.fixture
def workplace(tmp_path, published_tacotron2) -> Path:
    """Returns the folder of `in_fresh_process`, with what the page reads."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(published_tacotron2, folder / "speechbrain" / "tts-tacotron2-ljspeech")
    (folder / "recipes").symlink_to(ROOT / "recipes")
    return folder


def test_page(espeak, workplace, in_fresh_process, assert_says, mel) -> None:
    """The page says its sentence in two files, which a recogniser reads back: 256 samples per frame."""
    assert SENTENCE in PAGE.read_text(encoding="utf-8")
    folders = [str(ROOT / "tests"), str(ROOT / "tests" / "docs")]
    printed = in_fresh_process(RUN.format(folders=folders, page=str(PAGE)))
    waveform, published_mel = json.loads(printed.splitlines()[-1])
    for file in ("storm.wav", "storm-2.wav"):
        assert_says(workplace / file, SENTENCE)
        assert waveform == [1, 1, soundfile.info(workplace / file).frames]
    assert waveform[-1] % 256 == 0
    assert published_mel[:2] == [1, 80]
    check_postfilter(workplace, mel)


def check_postfilter(workplace: Path, mel: torch.Tensor) -> None:
    """Checks that the second vocoder decodes like the first one, which is given the mapped mel."""
    from speechbrain.inference.vocoders import HIFIGAN

    plain, filtered = (HIFIGAN.from_hparams(source=str(workplace / name)) for name in ("vocos", "vocos-postfilter"))
    postfilter = load_file(ROOT / "recipes" / "tts" / "models" / "speechbrain" / "postfilter.safetensors")
    mapped = postfilter["weight"] @ mel + postfilter["bias"][:, None]
    torch.testing.assert_close(filtered.decode_batch(mel), plain.decode_batch(mapped), **ROUNDING)
    assert sorted(path.name for path in (workplace / "vocos").iterdir()) == ["generator.ckpt", "hyperparams.yaml"]
