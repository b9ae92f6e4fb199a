"""A run of systems over files: its results, tables, page, and failures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from vocos_plugins import MelConvention
from vocos_plugins.evaluation import evaluate as evaluate_module
from vocos_plugins.evaluation.evaluate import Evaluation, evaluate
from vocos_plugins.evaluation.measures import Measure
from vocos_plugins.evaluation.report import write_evaluation
from vocos_plugins.evaluation.systems import System, build_systems, describe
from vocos_plugins.evaluation.tables import as_data, markdown, summarize
from vocos_plugins.mel import MelMismatch
from vocos_plugins.mel.speech import Clip

RATE = 16000
HOP = 128
LOUDNESS = Measure(
    name="loudness",
    title="Loud | ness",
    best="to 1",
    needs_reference=False,
    compute=lambda _, degraded, __: float(np.abs(degraded).max()),
)
DIFFERENCE = Measure(
    name="difference",
    title="Difference",
    best="0 is equal",
    higher_is_better=False,
    compute=lambda reference, degraded, _: float(np.abs(reference - degraded).mean()),
)
PICKY = Measure(name="picky", title="Picky", best="", compute=lambda *_: next(iter(())))


def mel(rate: int = RATE) -> MelConvention:
    return MelConvention(sample_rate=rate, n_fft=512, win_length=512, hop_length=HOP, n_mels=20)


def constant(level: float, rate: int = RATE, name: str = "") -> System:
    """A vocoder that returns a constant, whatever its input."""

    def vocode(features: Tensor) -> Tensor:
        return torch.full(((features.shape[2] - 1) * HOP,), level)

    return System(name=name or f"constant {level}", mel=mel(rate), vocode=vocode)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """A loud second and a soft one, which has another sample rate and is stereo."""
    folder = tmp_path_factory.mktemp("clips")
    soundfile.write(folder / "a|b <c>.wav", np.full(RATE, 0.5), RATE)
    soundfile.write(folder / "soft.flac", np.full((24000, 2), 0.1), 24000)
    return [Clip.from_path(path) for path in sorted(folder.iterdir())]


@pytest.fixture(scope="module")
def evaluation(clips: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Two systems on both clips and on two files that can't be used; the second system fails on the soft clip."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "text.wav").write_text("no audio")
    bad = [Clip.from_path(folder / name) for name in ("text.wav", "absent.wav")]
    system = constant(0.5, 24000, "half")

    def fragile(features: Tensor) -> Tensor:
        if features.amax() < 2.5:  # the loud clip has 3.4, the soft one 1.8
            return torch.full((9,), torch.nan)
        return system.vocode(features)

    systems = (constant(0.25), System(name="half", mel=system.mel, vocode=fragile))
    return evaluate(systems, [clips[0], *bad, clips[1]], (LOUDNESS, DIFFERENCE, PICKY), {"mos": "not installed"})


def test_rows_hold_every_result(evaluation: Evaluation) -> None:
    """The recording has only measures without a reference; each system is measured at its own rate."""
    rows = {(row.file, row.system): row for row in evaluation.rows}
    assert set(rows) == {
        ("a|b <c>.wav", "recording"),
        ("a|b <c>.wav", "constant 0.25"),
        ("a|b <c>.wav", "half"),
        ("soft.flac", "recording"),
        ("soft.flac", "constant 0.25"),
    }
    loud = rows["a|b <c>.wav", "constant 0.25"]
    assert loud.scores["difference"].value == pytest.approx(0.25)
    assert rows["a|b <c>.wav", "half"].scores["difference"].value == pytest.approx(0.0, abs=0.01)  # resampled edges
    assert set(rows["soft.flac", "recording"].scores) == {"loudness"}
    assert loud.duration_s == pytest.approx(1.0, abs=HOP / RATE)
    assert loud.elapsed_s > 0


def test_failures_are_listed_and_do_not_end_the_run(evaluation: Evaluation) -> None:
    """A file that can't be read, a missing one, and a system that returns NaN for a clip are listed."""
    failed = {(failure.file, failure.system): failure.error for failure in evaluation.failures}
    assert set(failed) == {("text.wav", ""), ("absent.wav", ""), ("soft.flac", "half")}
    assert "not audio" in failed["text.wav", ""]
    assert failed["absent.wav", ""] == "No such file or directory"
    assert "NaN" in failed["soft.flac", "half"]


def test_summary_knows_mean_and_worst(evaluation: Evaluation) -> None:
    """The worst value is the lowest or highest by the measure's direction; without any value there is no summary."""
    difference = summarize(evaluation, "constant 0.25", DIFFERENCE)
    assert (difference.mean, difference.worst) == (pytest.approx(0.2, abs=0.01), pytest.approx(0.25, abs=0.01))
    assert (difference.worst_file, difference.n_files) == ("a|b <c>.wav", 2)
    assert summarize(evaluation, "recording", LOUDNESS).worst_file == "soft.flac"
    assert summarize(evaluation, "half", PICKY) is None


def test_markdown_is_a_table(evaluation: Evaluation) -> None:
    """All rows of a table have as many cells as its head, even if names contain bars; failures come last."""
    text = markdown(evaluation)
    for block in text.split("\n\n"):
        lines = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1
    assert "| Difference ↓ | – | 0.20 (0.25) | 0.00 (0.00) |" in text  # noqa: RUF001
    assert "Not measured: mos (not installed)." in text
    assert text.index("Failed:") > text.index("times real time")


def test_data_is_json(evaluation: Evaluation) -> None:
    """Missing values have reasons."""
    data = json.loads(json.dumps(as_data(evaluation), allow_nan=False))
    assert data["summary"]["half"]["difference"]["worst_file"] == "a|b <c>.wav"
    assert data["summary"]["half"]["picky"] is None
    (row,) = [row for row in data["rows"] if row["system"] == "half"]
    assert row["scores"]["picky"] is None
    assert row["unmeasured"] == {"picky": "StopIteration:"}
    assert len(data["failed"]) == 3


def test_everything_is_written(evaluation: Evaluation, tmp_path: Path) -> None:
    """The table, the data, and a page with three players for the loud clip and two for the soft one are written."""
    paths = write_evaluation(evaluation, tmp_path / "new", {"Model": "<m>"})
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(path.name for path in paths)
    page = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert page.count("<audio ") == page.count("<img ") == 5
    assert "a|b &lt;c&gt;.wav" in page
    assert "&lt;m&gt;" in page
    assert "<h2>Failed</h2>" in page
    assert "12 kHz" in page


def test_nothing_to_play_leaves_the_table(tmp_path: Path) -> None:
    """If every file failed, there is no page; the table and the data list the failures."""
    (tmp_path / "a.wav").write_text("no audio")
    evaluation = evaluate([constant(0.1)], [Clip.from_path(tmp_path / "a.wav")], (LOUDNESS,), {})
    names = {path.name for path in write_evaluation(evaluation, tmp_path / "out", {})}
    assert names == {"results.md", "results.json"}
    assert "not audio" in (tmp_path / "out" / "results.md").read_text(encoding="utf-8")


def test_a_large_folder_makes_no_large_page(clips: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a few clips are kept for the page, evenly spread; all of them are measured."""
    monkeypatch.setattr(evaluate_module, "PAGE_CLIPS", 3)
    many = [Clip(path=clips[0].path, text=f"clip {index}") for index in range(7)]
    evaluation = evaluate([constant(0.1)], many, (LOUDNESS,), {})
    assert [result.clip.text for result in evaluation.clip_results] == ["clip 0", "clip 3", "clip 6"]
    assert len(evaluation.files) == 7


def test_progress_is_reported(clips: list[Clip]) -> None:
    """Each step is reported with its file, and each file that is done or has failed."""
    messages: list[str] = []

    class Listener:
        def show(self, text: str) -> None:
            messages.append(text)

        def advance(self) -> None:
            messages.append("done")

    absent = Clip.from_path(Path("absent.wav"))
    evaluate([constant(0.1, name="x")], [clips[1], absent], (DIFFERENCE,), {}, Listener())
    assert messages == ["soft.flac: vocoding", "soft.flac: Difference of x", "done", "done"]


def test_each_mel_gets_its_griffin_lim(make_model) -> None:
    """Models of the same mel share one Griffin-Lim; otherwise each mel has its own, named after its first model."""
    model, same = make_model("mel", "convnext", "istft", "center"), make_model("mel", "resnet", "istft", "center")
    other = make_model("mel", "convnext", "istft", "same")
    assert [system.name for system in build_systems({"a": model, "b": same})] == ["Griffin-Lim", "a", "b"]
    assert [system.name for system in build_systems({"a": model, "b": same, "c": other})] == [
        "Griffin-Lim, mel of a",
        "Griffin-Lim, mel of c",
        "a",
        "b",
        "c",
    ]
    assert describe(mel()) == "20 bands, 16 kHz, 128 samples per frame"


@pytest.mark.filterwarnings("ignore::vocos_plugins.mel.MelMismatchWarning")  # raised once per pair, in any test
def test_all_systems_get_the_source_mel(make_model) -> None:
    """There is one Griffin-Lim; models return `Vocos.decode` of the aligned mel, resampled to the mel's rate."""
    model = make_model("mel", "convnext", "istft", "center")
    assert model.mel is not None
    source = dataclasses.replace(model.mel, f_max=model.sample_rate / 4)
    frames = torch.randn(1, source.n_mels, 50, generator=torch.Generator().manual_seed(0)) - 4
    griffin_lim, system = build_systems({"a": model}, source)
    assert griffin_lim.mel == system.mel == source
    assert torch.equal(system.vocode(frames), model.decode(frames, source=source)[0])
    slower = dataclasses.replace(model.mel, sample_rate=model.sample_rate * 3 // 4)
    (_, system) = build_systems({"a": model}, slower)
    assert len(system.vocode(frames)) == pytest.approx(49 * slower.hop_length, abs=2)
    with pytest.raises(MelMismatch):
        build_systems({"a": model}, dataclasses.replace(slower, f_max=slower.sample_rate / 16))


def test_systems_that_cannot_be_built(make_model) -> None:
    """No model, a model of codes, and one named like another column are refused."""
    with pytest.raises(ValueError, match="no model"):
        build_systems({})
    with pytest.raises(ValueError, match="EnCodec"):
        build_systems({"codes": make_model("encodec", "adanorm", "istft", "same")})
    with pytest.raises(ValueError, match=r"\./recording"):
        build_systems({"recording": make_model("mel", "convnext", "istft", "center")})
