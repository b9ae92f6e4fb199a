"""``vocos doctor``: what it prints and how it ends."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from scipy.ndimage import gaussian_filter

from vocos_plugins.apps.doctor import best_checkpoint, installation
from vocos_plugins.apps.doctor.torchaudio import Probe
from vocos_plugins.mel import MelConvention, MelMismatchWarning, MelSpectrogram
from vocos_plugins.mel.speech import CLIPS
from vocos_plugins.plugins import PluginError, mel_conventions

BUNDLED = "vocos-mel-22khz-small"
NARROW = {"sample_rate": 4000, "mel_fmax": None, "fft_size": 512, "win_length": 512, "hop_length": 128}
EXACT, LOSSY, REFUSED = 0, 1, 2
WIDTH = 80
LONGEST_HOP_S = 256 / 22050  # what the last frame may leave out


@pytest.fixture
def narrow(tmp_path: Path) -> Path:
    """A Coqui TTS configuration of a mel that ends at 2 kHz."""
    (tmp_path / "config.json").write_text(json.dumps({"model": "glow_tts", "audio": {**NARROW, "signal_norm": False}}))
    return tmp_path / "config.json"


@pytest.fixture
def mel_file(tmp_path: Path):
    """A mel of shipped speech in a convention, as another program would leave it."""

    def write(name: str, *, transposed: bool = False) -> Path:
        convention = mel_conventions()[name]
        audio, rate = soundfile.read(CLIPS[0].path, dtype="float32")
        resampled = soxr.resample(audio, rate, convention.sample_rate)
        mel = MelSpectrogram(convention)(torch.from_numpy(resampled)[None])[0].numpy()
        np.save(tmp_path / "mel.npy", mel.T if transposed else mel)
        return tmp_path / "mel.npy"

    return write


@pytest.fixture
def working_torchaudio(monkeypatch):
    """Without waiting for it."""
    monkeypatch.setattr(installation, "probe_torchaudio", lambda: Probe(version="2.11.0"))


@pytest.mark.parametrize(
    ("tts", "vocoder", "code", "sentence"),
    [
        ("speechbrain-ljspeech", BUNDLED, EXACT, "Compatible: no conversion is needed."),
        ("coqui-ljspeech", BUNDLED, EXACT, "Compatible: exact after conversion of guard_value."),
        ("hifigan-22khz", BUNDLED, EXACT, "Compatible: exact after a half-hop shift."),
        ("coqui-default", BUNDLED, LOSSY, "Compatible, but lossy: mean error 0."),
        ("config.json", BUNDLED, REFUSED, "Incompatible: the TTS mel has no information for bands"),
    ],
    ids=["identity", "pointwise", "framing", "lossy", "refused"],
)
def test_text_and_json_agree(run, narrow, monkeypatch, tts, vocoder, code, sentence):
    """Of every kind: exit code, verdict, each field's state, and what to do."""
    monkeypatch.chdir(narrow.parent)
    text = run("doctor", tts, vocoder, code=code).stdout
    data = json.loads(run("doctor", tts, vocoder, "--json", code=code).stdout)
    assert data["exit_code"] == code
    assert data["verdict"].startswith(sentence)
    assert data["verdict"] in " ".join(text.split())
    lines = text.splitlines()
    for row in data["fields"]:
        (line,) = [line for line in lines if line.startswith(f"{row['field']} ")]
        assert line.endswith(row["state"])
        assert row["effect"] is None or row["effect"] in text
    for remedy in data["fix"]:
        assert remedy["what"] in " ".join(text.split())
        assert all(f"    {line}" in lines for line in remedy["command"].splitlines())
    assert (data["error"] is None) == (code != LOSSY)
    assert bool(data["unknown_bands"]) == (code == REFUSED)


def test_json_holds_both_conventions(run):
    """Whole, so that a script can make them again."""
    data = json.loads(run("doctor", "coqui-default", BUNDLED, "--json", code=LOSSY).stdout)
    assert (data["tts"]["kind"], data["vocoder"]["kind"]) == ("convention", "bundled checkpoint")
    fields = {field.name for field in dataclasses.fields(MelConvention)}
    for side in ("tts", "vocoder"):
        assert set(data[side]["convention"]) == {*fields, "kind"}
    assert data["tts"]["convention"]["normalization"]["ref_level"] == 20
    assert next(row["tts"] for row in data["fields"] if row["field"] == "normalization")["kind"] == "level"


def test_codes_have_no_convention(run, make_model, tmp_path):
    """Neither in the text nor in JSON."""
    make_model("encodec", "adanorm").save_pretrained(tmp_path / "codes")
    text = run("doctor", "hifigan-22khz", tmp_path / "codes", code=REFUSED).stdout
    assert "(checkpoint; EnCodec codes)" in text
    data = json.loads(run("doctor", "hifigan-22khz", tmp_path / "codes", "--json", code=REFUSED).stdout)
    assert data["vocoder"]["convention"] is None


@pytest.mark.parametrize(("tts", "code"), [("nemo-hifigan-22khz", EXACT), ("vocos-24khz", LOSSY)])
def test_the_command_that_is_advised_runs(run, mel_file, tmp_path, tts, code):
    """As it is printed, with a file for MELS and OUT; the audio lasts as long as the mel."""
    remedies = json.loads(run("doctor", tts, BUNDLED, "--json", code=code).stdout)["fix"]
    advised = next(remedy["command"] for remedy in remedies if f"--model {BUNDLED} --source" in remedy["command"])
    places = {"MELS": mel_file(tts), "OUT": tmp_path / "out.wav"}
    command, *arguments = shlex.split(advised)
    assert command == "vocos"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MelMismatchWarning)
        run(*(places.get(word, word) for word in arguments))
    assert soundfile.info(tmp_path / "out.wav").duration == pytest.approx(
        soundfile.info(CLIPS[0].path).duration, abs=LONGEST_HOP_S
    )


@pytest.mark.parametrize(("tts", "code"), [("coqui-default", LOSSY), ("matcha-tts-vctk", EXACT)])
def test_lines_keep_within_a_terminal(run, tts, code):
    """But for commands, which can be copied as they are."""
    for line in run("doctor", tts, BUNDLED, code=code).stdout.splitlines():
        assert len(line) <= WIDTH or line.startswith("    vocos ")
        assert line == line.rstrip()


def test_no_colours_where_there_is_no_terminal(run):
    """A file or a pipe gets plain text."""
    assert "\x1b" not in run("doctor", "coqui-default", BUNDLED, code=LOSSY).stdout


def test_colours_can_be_asked_for(run, monkeypatch):
    """By the usual variable, as for a pager."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in run("doctor", "coqui-ljspeech", BUNDLED).stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("hifigan-22khz", "no-such-vocoder"), "VOCODER: 'no-such-vocoder' is not a file"),
        (("hifigan-22khz",), "VOCODER is missing"),
        (("--mel", "no-such.npy"), "no-such.npy"),
    ],
)
def test_json_of_an_error(run, arguments, error):
    """A script can tell what can't be read from a pair that doesn't fit, whose exit code is the same."""
    result = run("doctor", *arguments, "--json", code=2)
    data = json.loads(result.stdout)
    assert data.keys() == {"error", "exit_code"}
    assert data["exit_code"] == 2
    assert error in data["error"]
    assert f"error: {data['error']}" in result.stderr


def test_a_side_that_can_t_be_told_is_wrong_usage(run):
    """The side is named, with the nearest names; nothing is on standard output."""
    result = run("doctor", "hifigan-22khz", "vocos-mel-22khz-smal", code=2)
    problem = "'vocos-mel-22khz-smal' is not a file, directory or known name"
    assert result.stderr.startswith(f"error: VOCODER: {problem}; did you mean {BUNDLED!r}")
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hifigan-22khz",), "VOCODER is missing"),
        (("hifigan-22khz", BUNDLED, "--mel", "x.npy"), "--mel takes no TTS or VOCODER"),
        (("--mel", "absent.npy"), "No such file or directory: absent.npy"),
        (("--mel", "config.json"), "config.json: unknown suffix"),
    ],
)
def test_other_wrong_usage(run, narrow, monkeypatch, arguments, words):
    """Said in words, nothing done."""
    monkeypatch.chdir(narrow.parent)
    result = run("doctor", *arguments, code=2)
    assert result.stderr.startswith("error: ")
    assert words in result.stderr


def test_a_reader_s_reason_is_the_error(run, narrow):
    """Of a configuration that is somebody's, but can't be."""
    narrow.write_text(narrow.read_text().replace('"mel_fmax": null', '"mel_fmax": 9000'))
    assert "f_max=9000" in run("doctor", narrow, BUNDLED, code=2).stderr


def test_old_files_are_read_with_a_note(run, mel_file, tmp_path):
    """Fields of old versions: the doctor says what Coqui TTS itself makes of them, and so does the decoder."""
    audio = {"num_freq": 1025, "frame_length_ms": 50, "frame_shift_ms": 12.5, "signal_norm": False}
    (tmp_path / "config.json").write_text(json.dumps({"model": "Tacotron2", "audio": audio}))
    sides = (str(tmp_path / "config.json"), BUNDLED)
    note = "Coqui TTS 0.28 itself takes fft_size, win_length and hop_length 1024, 1024, 256 instead"
    data = json.loads(run("doctor", *sides, "--json", code=LOSSY).stdout)
    assert note in data["tts"]["notes"][0]
    assert data["vocoder"]["notes"] == []
    assert note in " ".join(run("doctor", *sides, code=LOSSY).stdout.split())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MelMismatchWarning)
        found = run("decode", str(mel_file("coqui-ljspeech")), str(tmp_path / "a.wav"), "--source", sides[0], code=0)
    assert note in found.stderr
    exported = run("export", "speechbrain", str(tmp_path / "exported"), "--tts", sides[0], code=0)
    assert note in exported.stderr


def test_a_mel_of_unknown_origin(run, mel_file):
    """What it could be of, equal conventions together, and what rules out the others."""
    file = mel_file("vocos-24khz")
    text = run("doctor", "--mel", file).stdout
    data = json.loads(run("doctor", "--mel", file, "--json").stdout)
    assert data["shape"][0] == 100
    possible = [group for group in data["guesses"] if group["possible"]]
    assert [group["conventions"] for group in possible] == [["vocos-24khz", "chattts"]]
    assert data["guesses"][0] == possible[0]
    could, cannot = text.split("can't be")
    assert "vocos-24khz, chattts: bands and range fit" in could
    assert "f5-tts-vocos: " in cannot
    assert all(len(line) <= WIDTH for line in text.splitlines()[1:])


def test_a_mel_of_no_known_convention(run, mel_file):
    """Exit code 1; frames and bands that are swapped are noticed."""
    file = mel_file("vocos-24khz", transposed=True)
    np.save(file, np.load(file)[:, :80])
    text = run("doctor", "--mel", file, code=1).stdout
    assert "could be" not in text
    assert "transpose the mel" in text


def test_a_mel_without_detail(run, mel_file):
    """One sentence says how blurred it is; of a recording's own mel, none."""
    file = mel_file("hifigan-22khz")
    assert "blurred" not in run("doctor", "--mel", file).stdout
    assert json.loads(run("doctor", "--mel", file, "--json").stdout)["blur"] is None
    np.save(file, gaussian_filter(np.load(file), (1.0, 0.8)))
    text = " ".join(run("doctor", "--mel", file).stdout.split())
    assert "as blurred as recordings' mels after a Gaussian blur of" in text
    assert "`vocos postfilter` fits a vocoder to them." in text
    assert json.loads(run("doctor", "--mel", file, "--json").stdout)["blur"]["bands"] == pytest.approx(1.0, abs=0.2)


def test_the_installation(run, working_torchaudio):
    """Text and JSON list the same checks."""
    text = run("doctor").stdout
    data = json.loads(run("doctor", "--json").stdout)
    assert data["exit_code"] == 0
    assert "Nothing is broken." in text
    for check in data["checks"]:
        (line,) = [line for line in text.splitlines() if line.split()[:2] == [check["group"], check["name"]]]
        assert check["state"] in line
        assert (check["version"] or "-") in line


def test_torchaudio_here_can_be_imported(run_process):
    """With the installed pair, if there is one."""
    pytest.importorskip("torchaudio")
    data = json.loads(run_process("doctor", "--json").stdout)
    (check,) = [check for check in data["checks"] if check["name"] == "torchaudio"]
    assert check["state"] == "ok"
    assert check["version"].startswith("2.")


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, str]:
    """The environment of a process with a torchaudio built for CUDA, and a plugin that can't be imported."""
    (tmp_path / "torchaudio" / "lib").mkdir(parents=True)
    (tmp_path / "torchaudio" / "lib" / "_torchaudio.abi3.so").touch()
    error = "OSError('libc10_cuda.so: cannot open shared object file: No such file or directory')"
    (tmp_path / "torchaudio" / "__init__.py").write_text(f"raise {error}")
    info = tmp_path / "song-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: song\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vocos_plugins]\nsong = song_plugin\n")
    (tmp_path / "song_plugin.py").write_text("raise ImportError('out of tune')")
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def test_a_broken_installation(run_process, broken, tmp_path):
    """In a fresh process: what is broken is named with its reason and, of torchaudio, the very file to remove."""
    text = run_process("doctor", code=1, env=broken).stdout
    assert "Broken: torchaudio, song." in text
    assert "OSError: libc10_cuda.so: cannot open shared object file" in " ".join(text.split())
    assert f"remove {tmp_path / 'torchaudio' / 'lib' / '_torchaudio.abi3.so'}" in text
    assert "ImportError: out of tune" in text


def test_a_broken_plugin_beside_a_comparison(run_process, broken):
    """It is told of, and the comparison goes on."""
    done = run_process("doctor", "hifigan-22khz", "langtech-22khz", env=broken)
    assert "plugin 'song'" in done.stderr
    assert "out of tune" in done.stderr
    assert "Compatible: the differences are inaudible" in done.stdout


def test_plugins_that_contradict_each_other(run, monkeypatch):
    """Two cards of one checkpoint: no advice can be given."""

    def contradiction():
        raise PluginError("the plugins 'a' and 'b' both have a checkpoint 'c'")

    monkeypatch.setattr(best_checkpoint, "checkpoint_cards", contradiction)
    assert "both have a checkpoint 'c'" in run("doctor", "coqui-default", BUNDLED, code=2).stderr
