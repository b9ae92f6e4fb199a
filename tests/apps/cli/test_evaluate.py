"""``vocos eval``, with measures that need no package."""

from __future__ import annotations

import json
import shutil

import pytest

QUICK = ("--measure", "mel", "--measure", "mcd")


def test_writes_table_data_and_page(run, model, speech, tmp_path) -> None:
    """A folder is measured with its subfolders, at any sample rate; the table is also printed."""
    output = run("eval", model, "--data", speech, "--out", tmp_path / "out", *QUICK).output
    assert "| Mel ↓ |" in output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "results.json", "results.md"]
    data = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {row["file"] for row in data["rows"]} == {"mono.wav", "stereo.flac", "deep/short.ogg"}
    assert set(data["summary"]) == {"Griffin-Lim", model}


def test_json_is_one_object(run_process, model, speech, tmp_path) -> None:
    """Standard output has only the JSON, whatever the measures print."""
    done = run_process("eval", model, "--data", speech, "--out", tmp_path / "out", "--json", *QUICK)
    data = json.loads(done.stdout)
    assert len(data["written"]) == 3
    assert data["failed"] == []


def test_two_checkpoints_stand_side_by_side(run, model, speech, tmp_path) -> None:
    """Two checkpoints share a table, and one Griffin-Lim since they take the same mel."""
    second = tmp_path / "second"
    shutil.copytree(model, second)
    data = run("eval", model, second, "--data", speech, "--out", tmp_path / "out", "--json", *QUICK).stdout
    assert list(json.loads(data)["summary"]) == ["Griffin-Lim", model, str(second)]


@pytest.mark.filterwarnings("ignore::vocos_plugins.mel.MelMismatchWarning")  # the tiny model has 12 bands
def test_mels_of_another_convention(run, model, speech, tmp_path) -> None:
    """--source evaluates mels of another convention; an unknown name is refused."""
    arguments = ("eval", model, "--data", speech, "--out", tmp_path / "out", "--json", *QUICK)
    found = [json.loads(run(*arguments, *more).stdout)["summary"] for more in ((), ("--source", "coqui-default"))]
    own, given = (summary["Griffin-Lim"]["mel"] for summary in found)
    assert own != given
    assert "is not a file, directory or known name" in run(*arguments, "--source", "coqui-defalt", code=2).output


def test_a_bad_file_is_listed_and_the_rest_measured(run, model, speech, tmp_path) -> None:
    """The exit code is 1, and the results are written."""
    (speech / "bad.wav").write_text("no audio")
    result = run("eval", model, "--data", speech, "--out", tmp_path / "out", *QUICK, code=1)
    assert "failed: bad.wav" in result.stderr
    assert (tmp_path / "out" / "report.html").exists()


def test_wrong_usage(run, model, speech, tmp_path) -> None:
    """Missing data, an unknown measure, a repeated checkpoint and a bad output are reported before any work."""
    (tmp_path / "file").write_text("mine")
    for arguments, words in (
        ((model, "--data", tmp_path / "absent"), "no such file or folder"),
        ((model, "--data", speech, "--measure", "mos"), "unknown measure mos"),
        ((model, model, "--data", speech), "named only once"),
        ((model, "--data", speech, "--out", tmp_path / "file", *QUICK), "can't write to"),
    ):
        assert words in run("eval", *arguments, code=2).output


def test_predicted_mels(run, model, speech, tmp_path) -> None:
    """One option names the mels; a bad one is listed, and nothing to measure is wrong usage."""
    (tmp_path / "list.json").write_text('{"mel_filepath": "absent.npy"}\n')
    arguments = ("eval", model, "--out", tmp_path / "out", *QUICK)
    result = run(*arguments, "--predicted", tmp_path / "list.json", code=1)
    assert "failed: list.json, line 1: all: no such file" in result.stderr
    assert "--data is missing" in run(*arguments, code=2).stderr
    assert "leave out --data" in run(*arguments, "--predicted", tmp_path / "list.json", "--data", speech, code=2).stderr
