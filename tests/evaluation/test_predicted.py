"""Predicted mels, with recordings and without, and what can't be used."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from vocos_plugins.evaluation.griffin_lim import griffin_lim
from vocos_plugins.evaluation.measures import choose
from vocos_plugins.evaluation.pairs import find_pairs
from vocos_plugins.evaluation.predicted import evaluate_predicted
from vocos_plugins.evaluation.report import write_evaluation
from vocos_plugins.evaluation.systems import System
from vocos_plugins.evaluation.tables import markdown
from vocos_plugins.mel import MelSpectrogram
from vocos_plugins.mel.speech import CLIPS, read_clip
from vocos_plugins.plugins import mel_conventions

CONVENTION = mel_conventions()["hifigan-22khz"]
SYSTEM = System(name="GL", mel=CONVENTION, vocode=lambda mel: griffin_lim(mel, CONVENTION, n_iter=8)[0])
CLIP = CLIPS[0]
LOUDER = math.log(1.1)


@pytest.fixture(scope="module")
def own():
    """The recording's own mel ``(M, T)``."""
    return MelSpectrogram(CONVENTION)(read_clip(CLIP, 22050)[None])[0].numpy()


@pytest.fixture
def manifest(tmp_path: Path, own):
    """Writes mels and a manifest of them, with their recording, and the text if its words are to be read back."""

    def write(*mels, recording: bool = True, text: str = "") -> Path:
        lines = []
        for number, mel in enumerate(mels):
            if mel is not None:
                np.save(tmp_path / f"{number}.npy", mel)
            known = {"audio_filepath": str(CLIP.path), "text": text} if recording else {}
            lines.append(json.dumps({"mel_filepath": f"{number}.npy", **known}))
        (tmp_path / "list.json").write_text("\n".join(lines))
        return tmp_path / "list.json"

    return write


def run(path: Path, *names: str, data: Path | None = None):
    return evaluate_predicted([SYSTEM], find_pairs(path, data), *choose(names), mel_conventions().values())


def test_own_and_predicted_mels_side_by_side(manifest, own) -> None:
    """The error in nepers and the blur are those that were put in, and the words are read."""
    table = run(manifest(gaussian_filter(own, (1.0, 0.6)) + LOUDER, text=CLIP.text), "pesq", "plcmos")
    scores = {row.system: {name: score.value for name, score in row.scores.items()} for row in table.rows}
    assert list(scores) == ["recording", "GL, own mel", "GL, predicted"]
    assert scores["recording"]["wer"] == 0
    assert scores["GL, own mel"]["pesq"] > scores["GL, predicted"]["pesq"]
    assert "mel-error" not in scores["GL, own mel"]
    assert "a Gaussian blur of 1.0 bands and 0.6 frames" in markdown(table)
    assert "| Predicted mel, nepers ↓ | – | – |" in markdown(table)  # noqa: RUF001


def test_error_is_in_nepers(manifest, own) -> None:
    """A tenth louder is ln 1.1, except at the floor."""
    [row] = [row for row in run(manifest(own + LOUDER), "mcd").rows if row.system == "GL, predicted"]
    assert row.scores["mel-error"].value == pytest.approx(LOUDER, rel=1e-3)


def test_mels_without_recordings(manifest, own) -> None:
    """Only measures that need no reference are taken."""
    table = run(manifest(own, recording=False), "mcd", "plcmos")
    assert [measure.name for measure in table.measures] == ["plcmos"]
    assert table.left_out["wer"] == "there are no texts"
    assert [row.system for row in table.rows] == ["GL, predicted"]
    assert "recordings are, too" in table.notes[0]


def test_page_plays_both_mels_and_the_recording(manifest, own, tmp_path) -> None:
    """Under the sentence, with its blur; a pair that can't be used is listed."""
    write_evaluation(run(manifest(own, None, text=CLIP.text), "plcmos"), tmp_path / "out", {})
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<audio ") == page.count("<img ") == 3
    for name in ("Original", "GL, own mel", "GL, predicted"):
        assert f"<h3>{name}</h3>" in page
    assert f"<h2>{CLIP.text}</h2>" in page
    assert "1 predicted mel compared" in page
    assert "<code>vocos postfilter</code>" in page
    assert "<dt>list.json, line 2</dt>" in page


def test_page_without_recordings(manifest, own, tmp_path) -> None:
    """Only the predicted mel is played, under its file's name."""
    write_evaluation(run(manifest(own, recording=False), "plcmos"), tmp_path / "out", {})
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<audio ") == 1
    assert "<h2>list.json, line 1</h2>" in page


def test_bad_lines_are_named_and_the_rest_is_done(manifest, own) -> None:
    """Another length, a missing file, another convention and other bands each have a line of their own."""
    path = manifest(own, own[:, :-9], None, own / 2.3 + 12, own[:40])
    path.write_text(path.read_text() + "\n[]\n")
    table = run(path, "mcd")
    errors = {failure.file: failure.error for failure in table.failures}
    assert {row.file for row in table.rows} == {"list.json, line 1"}
    for line, words in (
        (2, f"{own.shape[1] - 9} frames, its recording {own.shape[1]}"),
        (3, "no such file"),
        (4, "in another convention"),
        (5, "40 bands, expected 80"),
        (6, "expected a JSON object"),
    ):
        assert words in errors[f"list.json, line {line}"]


def test_a_folder_with_recordings_and_texts(tmp_path: Path, own) -> None:
    """Names match below both folders; a mel without its recording is reported."""
    for name in ("mels/a", "recordings/a"):
        (tmp_path / name).mkdir(parents=True)
    np.save(tmp_path / "mels/a/one.npy", own)
    np.save(tmp_path / "mels/two.npy", own)
    (tmp_path / "recordings/a/one.flac").write_bytes(CLIP.path.read_bytes())
    (tmp_path / "recordings/a/one.txt").write_text(CLIP.text)
    one, two = find_pairs(tmp_path / "mels", tmp_path / "recordings")
    assert (one.name, one.text, one.error) == ("a/one.npy", CLIP.text, "")
    assert one.recording == tmp_path / "recordings/a/one.flac"
    assert "no recording" in two.error
    with pytest.raises(ValueError, match="no such file or folder"):
        find_pairs(tmp_path / "absent")
