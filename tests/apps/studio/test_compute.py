"""Outcomes of uploads, with the bundled checkpoint and speech."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vocos_plugins import MelConvention, MelSpectrogram, Vocos
from vocos_plugins.apps.studio import upload as uploads
from vocos_plugins.apps.studio.compute import MEASURES, Outcome, listen
from vocos_plugins.evaluation.griffin_lim import griffin_lim
from vocos_plugins.inference.resampling import resample
from vocos_plugins.plugins import mel_conventions

MODEL = "vocos-mel-22khz-small"
SECONDS = 1.5


@pytest.fixture(scope="module")
def vocos() -> Vocos:
    return Vocos.from_pretrained(MODEL)


@pytest.fixture
def recording(speech, tmp_path) -> Path:
    soundfile.write(tmp_path / "mine.wav", speech, 16000, subtype="FLOAT")
    return tmp_path / "mine.wav"


@pytest.fixture
def hear(vocos) -> Callable[..., Outcome]:
    """Calls `listen` with the bundled checkpoint and a convention by its name."""

    def run(path: Path, convention: str | None = None) -> Outcome:
        chosen = None if convention is None else mel_conventions()[convention]
        return listen(path, vocos, model=MODEL, convention=chosen)

    return run


def titles(outcome: Outcome) -> list[str]:
    return [column.title for column in outcome.columns]


def test_a_recording_has_three_columns(hear, vocos, recording, speech) -> None:
    """They are the recording itself, and Griffin-Lim's and the checkpoint's audio of its mel."""
    outcome = hear(recording)
    assert titles(outcome) == ["Original", "Griffin-Lim", "Vocos"]
    original, by_griffin_lim, by_vocos = (column.audio for column in outcome.columns)
    audio = resample(torch.from_numpy(speech)[None], 16000, 22050, len(original))
    # 1e-4: resampling in one piece against resampling in blocks.
    assert np.abs(original - audio[0].numpy()).max() < 1e-4
    filled = np.pad(original, (0, -len(original) % 256))
    mel = MelSpectrogram(vocos.mel)(torch.from_numpy(filled)[None])
    assert np.array_equal(by_griffin_lim, griffin_lim(mel, vocos.mel, n_iter=32)[0, : len(original)].numpy())
    assert np.allclose(by_vocos, vocos.decode(mel)[0, : len(original)].numpy(), atol=1e-5)
    assert len(original) == len(by_griffin_lim) == len(by_vocos)
    assert {column.sample_rate for column in outcome.columns} == {22050}
    assert outcome.upload.duration_s == pytest.approx(SECONDS, abs=1e-3)
    assert outcome.comparison.kind == "identity"
    assert outcome.doubt is None


def test_columns_are_measured(hear, recording) -> None:
    """Every installed measure compares them with the recording, which has no scores itself."""
    outcome = hear(recording)
    original, *made = outcome.columns
    assert not original.scores
    assert {measure.name for measure in outcome.measures} | set(outcome.left_out) == set(MEASURES)
    for column in made:
        assert all(column.scores[measure.name].value is not None for measure in outcome.measures)
        assert 0.8 < column.scores["stoi"].value < 1  # intelligible vocoded speech


@pytest.mark.parametrize(
    ("convention", "kind", "rates"),
    [
        ("coqui-ljspeech", "pointwise", {22050}),
        ("hifigan-22khz", "framing", {22050}),
        ("vocos-24khz", "lossy", {24000, 22050}),
    ],
)
def test_a_recording_is_converted_to_the_chosen_mel(hear, recording, convention, kind, rates) -> None:
    """Vocos gets it aligned, Griffin-Lim as it is; durations don't change."""
    outcome = hear(recording, convention)
    assert outcome.comparison.kind == kind
    assert titles(outcome) == ["Original", "Griffin-Lim", "Vocos"]
    assert {column.sample_rate for column in outcome.columns} == rates
    for column in outcome.columns:
        # 25 ms: at most one frame is lost at the end.
        assert len(column.audio) / column.sample_rate == pytest.approx(SECONDS, abs=0.025)


def test_a_mel_that_cannot_be_converted_is_reported(vocos, recording) -> None:
    """The doctor refuses it, and only Griffin-Lim decodes it."""
    narrow = MelConvention(
        name="narrow", sample_rate=8000, n_fft=512, win_length=512, hop_length=128, n_mels=20, f_max=1000.0
    )
    outcome = listen(recording, vocos, model=MODEL, convention=narrow)
    assert outcome.comparison.kind == "refused"
    assert titles(outcome) == ["Original", "Griffin-Lim"]


def test_a_mel_has_two_decoded_columns(hear, vocos, mel_file) -> None:
    """There is no original, so nothing is measured."""
    file = mel_file("vocos-22khz")
    outcome = hear(file)
    assert titles(outcome) == ["The mel", "Griffin-Lim", "Vocos"]
    first, _, by_vocos = outcome.columns
    assert first.audio is None
    assert np.allclose(by_vocos.audio, vocos.decode(torch.from_numpy(np.load(file))[None])[0].numpy(), atol=1e-5)
    assert not outcome.measures
    assert outcome.doubt is None
    possible = [guess.convention.name for guess in outcome.upload.guesses if guess.possible]
    assert "vocos-22khz" in possible


def test_another_program_s_mel_sounds_the_same_once_its_convention_is_chosen(hear, mel_file) -> None:
    """Without the right convention there is a warning that suggests it."""
    own = hear(mel_file("vocos-22khz")).columns[2].audio
    other = hear(mel_file("coqui-ljspeech"), "coqui-ljspeech")
    assert np.abs(other.columns[2].audio - own).max() < 2e-3  # as in tests/apps/cli/test_decode.py: another floor
    assert other.doubt is None
    mistaken = hear(mel_file("coqui-default"))
    assert "coqui-default" in {convention.name for convention in mistaken.doubt.instead}


def test_long_uploads_are_cut(hear, recording, mel_file, monkeypatch) -> None:
    """A note says so; an upload of exactly the limit has no note."""
    monkeypatch.setattr(uploads, "MAX_S", 0.5)
    for path in (recording, mel_file("vocos-22khz")):
        outcome = hear(path)
        assert outcome.upload.duration_s == pytest.approx(0.5, abs=0.01)  # a frame
        assert any("only the first" in note for note in outcome.upload.notes)
    monkeypatch.setattr(uploads, "MAX_S", SECONDS)
    assert hear(recording).upload.notes == ()


def test_channels_are_mixed(hear, speech, tmp_path) -> None:
    """A note says that the channels were mixed."""
    soundfile.write(tmp_path / "two.wav", np.stack([speech, -speech, speech], axis=1), 16000, subtype="FLOAT")
    outcome = hear(tmp_path / "two.wav")
    assert outcome.upload.notes == ("Its 3 channels were mixed into one.",)
    assert np.abs(outcome.columns[0].audio).max() == pytest.approx(np.abs(speech).max() / 3, rel=0.05)


def write(path: Path, content: bytes | np.ndarray) -> Path:
    path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content, allow_pickle=True)
    return path


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.wav", b"not a sound", "not audio that libsndfile can read"),
        ("a.wav", b"", "empty"),
        ("a.npy", b"", "empty"),
        ("a.npy", b"RIFF, a recording", "not a readable .npy: the magic string"),
        ("a.npy", np.array([{"a": 1}], dtype=object), "not a readable .npy"),
        ("a.pt", b"cos\nsystem\n(S'touch ran'\ntR.", "refused"),
        ("a.npy", np.full((80, 20), np.nan, np.float32), "1600 NaN or infinite values, .* band 0, frame 0"),
        ("a.npy", np.zeros((80, 0), np.float32), "the mel is empty"),
        ("a.npy", np.zeros((80, 1), np.float32), "too short"),
        ("a.npy", np.zeros((30, 80), np.float32), "Transpose it"),
        ("a.npy", np.zeros((31, 50), np.float32), "matches no known convention"),
    ],
    ids=[
        "text",
        "empty wav",
        "empty npy",
        "wav as npy",
        "pickle npy",
        "pickle pt",
        "nan",
        "no frames",
        "one frame",
        "turned",
        "bands",
    ],
)
def test_bad_uploads(hear, tmp_path, monkeypatch, name, content, expected) -> None:
    """Each error says what is wrong, and no code in the file is run."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=expected):
        hear(write(tmp_path / name, content))
    assert not (tmp_path / "ran").exists()


def test_another_number_of_bands_names_the_convention(hear, mel_file) -> None:
    """The error names the convention with that number of bands."""
    with pytest.raises(ValueError, match=r"has 80 bands, this mel has 100 .* vocos-24khz, .*choose that convention"):
        hear(mel_file("vocos-24khz"))


def test_silence(hear, tmp_path) -> None:
    """Silence is decoded to silence, and has no scores."""
    soundfile.write(tmp_path / "a.wav", np.zeros(4000), 16000)
    outcome = hear(tmp_path / "a.wav")
    assert np.abs(outcome.columns[2].audio).max() < 0.01
    assert outcome.columns[2].scores["mcd"].reason == "the recording is silent"


def test_a_recording_that_is_too_short(hear, tmp_path) -> None:
    """A recording that is too short is refused with a reason."""
    soundfile.write(tmp_path / "a.wav", np.full(200, 0.1), 16000)
    with pytest.raises(ValueError, match="need at least"):
        hear(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("rate", "n_channels", "expected"),
    [(3, 1, "3 Hz"), (2**31 - 1, 1, "2147483647 Hz"), (16000, 255, "255 channels")],
    ids=["slow", "fast", "channels"],
)
def test_formats_that_no_recording_has(hear, tmp_path, rate, n_channels, expected) -> None:
    """They are refused before they are resampled, which could take gigabytes for a small file."""
    data = bytes(2 * n_channels * 3000)
    layout = struct.pack("<IHHIIHH", 16, 1, n_channels, rate, rate, 2 * n_channels, 16)
    head = b"WAVEfmt " + layout + b"data" + struct.pack("<I", len(data))
    with pytest.raises(ValueError, match=expected):
        hear(write(tmp_path / "a.wav", b"RIFF" + struct.pack("<I", len(head) + len(data)) + head + data))


def test_a_codec_model_is_refused(make_model, recording) -> None:
    """A codec model has no mel."""
    with pytest.raises(ValueError, match="takes EnCodec codes"):
        listen(recording, make_model("encodec"), model="codes")
