"""Names of outputs, their levels, and outputs that lie among the inputs."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings, one of them in a folder below, and no WAV."""
    below = tmp_path / "in" / "deep"
    below.mkdir(parents=True)
    noise = 0.1 * np.random.default_rng(0).standard_normal(1000)
    for path in (below / "a.flac", below.parent / "b.flac", below.parent / "z.flac"):
        soundfile.write(path, noise, 16000)
    return below.parent


@pytest.mark.parametrize("name", ["a.m4a", "a.raw", "a.WMA", "-"])
@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_an_output_that_cannot_be_written_is_wrong_usage(run, model, folder, monkeypatch, name, resume) -> None:
    """The suffixes that can be are listed, and no folder of that name is made."""
    monkeypatch.chdir(folder.parent)
    output = " ".join(run("resynth", folder / "b.flac", name, "--model", model, *resume, code=2).output.split())
    assert "choose a folder, or a name that ends in .aif, .aiff, .au, .caf, .flac, .mp3, .oga, .ogg, .opus" in output
    assert not Path(name).exists()


def test_an_output_of_codes_that_cannot_be_written(run, folder, tmp_path) -> None:
    """`vocos encode` writes .npz and .npy."""
    output = " ".join(run("encode", folder / "b.flac", tmp_path / "a.ecdc", code=2).output.split())
    assert "can't write .ecdc; choose a folder, or a name that ends in .npy, .npz" in output


@pytest.mark.parametrize("name", ["a.mp3", "a.opus", "a.aiff", "A.MP3"])
def test_outputs_of_other_formats(run, model, folder, tmp_path, name) -> None:
    """What libsndfile writes."""
    run("resynth", folder / "b.flac", tmp_path / name, "--model", model)
    assert soundfile.info(tmp_path / name).frames == 1000


@pytest.mark.parametrize("name", ["run.2", "model.v2", "out_list.txt"])
def test_a_folder_may_have_a_dot(run, model, folder, tmp_path, name) -> None:
    """Only what names a kind of file is refused."""
    run("resynth", folder / "b.flac", tmp_path / name, "--model", model)
    assert (tmp_path / name / "b.wav").is_file()


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")


@pytest.mark.parametrize("order", list(itertools.permutations([(), ("--resume",), ("--resume",)], 3))[:3])
def test_outputs_inside_the_inputs_are_no_inputs(run, model, folder, order) -> None:
    """With and without a record, in any order: two folders of outputs in the folder of the inputs."""
    expected = ["b.wav", "deep/a.wav", "z.wav"]
    for options in order:
        for name in ("deep/out", "second") if options else ("deep/out",):
            run("resynth", folder, folder / name, "--model", model, *options)
            assert listing(folder / name) == expected


def test_outputs_reached_by_patterns_and_links_are_no_inputs(run, model, folder) -> None:
    """A pattern, and a link to the folder of the outputs."""
    (folder / "link").symlink_to(folder / "out")
    for inputs in (folder, folder / "**" / "*.*", folder):
        run("resynth", inputs, folder / "out", "--model", model, "--resume")
    assert listing(folder / "out") in (["a.wav", "b.wav", "deep/a.wav", "z.wav"],)


def test_outputs_beside_their_inputs(run, model, folder) -> None:
    """They are made once, and never inputs; what is there already and unknown is not overwritten."""
    words = ("resynth", folder, folder, "--model", model, "--resume")
    assert "3 done" in run(*words).stdout
    assert run(*words).stdout.splitlines() == ["0 done, 3 already done"]
    shutil.copy(folder / "b.flac", folder / "y.flac")
    (folder / "y.wav").write_bytes((folder / "b.wav").read_bytes())
    before = (folder / "y.wav").read_bytes()
    assert "y.wav exists, and could be an input" in " ".join(run(*words, code=1).output.split())
    assert (folder / "y.wav").read_bytes() == before


def test_a_single_output_among_the_inputs_is_no_input(run, model, tmp_path) -> None:
    """The same command twice."""
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "a.flac", np.zeros(1000), 16000)
    for _ in range(2):
        run("resynth", tmp_path / "in", tmp_path / "in" / "y.wav", "--model", model)


def test_odd_names_in_folders(run, model, folder, tmp_path) -> None:
    """Names that are not UTF-8, long ones, and upper-case suffixes; a folder behind a link; files of macOS."""
    (folder / "deep" / "a.flac").rename(folder / "deep" / os.fsdecode(b"caf\xe9[1].FLAC"))
    (folder / "b.flac").rename(folder / ("n" * 250 + ".flac"))
    (folder.parent / "speaker").mkdir()
    (folder / "z.flac").rename(folder.parent / "speaker" / "z.flac")
    (folder / "link").symlink_to(folder.parent / "speaker")
    (folder / "loop").symlink_to(folder)
    (folder / "._x.wav").write_bytes(b"\0\5\x16\7")
    os.mkfifo(folder / "pipe.wav")
    out = tmp_path / "out"
    result = run("resynth", folder, out, "--model", model, "--resume")
    assert "3 done" in result.stdout
    assert (out / "link" / "z.wav").is_file()
    assert (out / "deep" / os.fsdecode(b"caf\xe9[1].wav")).is_file()
    shutil.rmtree(out)
    result = run("resynth", folder, out, "--model", model)
    assert r"caf\xe9[1].FLAC -> " in result.stdout
    assert len(listing(out)) == 3


@pytest.mark.parametrize("name", ["pipe", "pipe.wav"])
def test_a_pipe_is_read(run, model, folder, tmp_path, name, monkeypatch) -> None:
    """With and without a suffix; a pipe to which nobody writes is no reason to wait for ever."""
    os.mkfifo(tmp_path / name)
    content = (folder / "b.flac").read_bytes()
    writer = threading.Thread(target=(tmp_path / name).write_bytes, args=(content,), daemon=True)
    writer.start()
    run("resynth", tmp_path / name, tmp_path / "out.wav", "--model", model)
    assert soundfile.info(tmp_path / "out.wav").frames == 1000
    writer.join()
    monkeypatch.setattr("vocos_plugins.storage.reading.PIPE_PATIENCE_S", 0.05)
    output = run("resynth", tmp_path / name, tmp_path / "no.wav", "--model", model, code=1).output
    assert "nothing was written to this pipe for 0.05 s" in " ".join(output.split())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda audio: 32768 * audio, "its samples reach 16"),
        (lambda audio: audio + 0.2, "constant offset of 0.20"),
        (lambda audio: 7 * audio, None),
    ],
)
def test_levels_that_are_no_audio_are_warned_of(run, model, tmp_path, change, expected) -> None:
    """Integers in floats, and an offset; a hot recording is none of our business."""
    audio = 0.5 * np.sin(np.arange(16000) / 20)
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", change(audio), 16000, subtype="FLOAT")
    result = run("resynth", tmp_path / "a.wav", tmp_path / "b.wav", tmp_path / "out", "--model", model)
    assert result.stderr.count("warning: ") == (expected is not None)
    assert expected is None or expected in result.stderr
