"""Reading and writing audio files: errors say what is wrong, and no file is left half-written."""

from __future__ import annotations

import itertools
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vocos_plugins.storage.audio import BLOCK_S, read_blocks, read_mono
from vocos_plugins.storage.audio_writer import OUTPUT_FORMATS, AudioWriter

RATE = 16000
QUANTUM = 1 / 32768  # of 16-bit files


def tone(n_samples: int, rate: int = RATE, channels: int = 1) -> np.ndarray:
    """A sine at 440 Hz, quieter in each further channel."""
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(n_samples) / rate)
    return np.stack([wave / (c + 1) for c in range(channels)], axis=1).astype(np.float32)


def read(path: Path, rate: int = RATE) -> torch.Tensor:
    return torch.cat(list(read_blocks(path, rate)), dim=1)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "w64"])
def test_formats_of_libsndfile_are_read(tmp_path: Path, suffix: str) -> None:
    """Samples in any container are read in place."""
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(RATE), RATE)
    audio = read(path)
    lossy = suffix in ("ogg", "mp3")
    assert audio.shape[0] == 1
    assert abs(audio.shape[1] - RATE) <= (2500 if lossy else 0)  # MP3 adds its decoder's delay
    assert float(audio.abs().max()) == pytest.approx(0.5, abs=0.05 if lossy else 2 * QUANTUM)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_any_rate_is_resampled_across_blocks(tmp_path: Path, rate: int) -> None:
    """A file longer than a block keeps its duration and its tone: block seams leave no trace."""
    seconds = BLOCK_S * 1.2
    soundfile.write(tmp_path / "a.wav", tone(round(seconds * rate), rate), rate, subtype="FLOAT")
    audio = read(tmp_path / "a.wav", 22050)[0].numpy()
    expected = tone(len(audio), 22050)[:, 0]
    assert abs(len(audio) - seconds * 22050) <= 1
    # Away from the ends, where the resampler's filter has no signal on one side; 440 Hz is far inside every band.
    assert np.abs(audio - expected)[2000:-2000].max() < 1e-3


def test_channels_are_kept(tmp_path: Path) -> None:
    """A stereo file is read as two rows, in order."""
    soundfile.write(tmp_path / "a.wav", tone(RATE, channels=2), RATE)
    audio = read(tmp_path / "a.wav", 22050)
    assert audio.shape[0] == 2
    assert float(audio[0].abs().max() / audio[1].abs().max()) == pytest.approx(2.0, rel=0.01)


def bad_files(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Bad files by name, each with its content and a pattern of its error message."""
    soundfile.write(folder / "ok.wav", tone(RATE), RATE)
    soundfile.write(folder / "ok.flac", tone(RATE), RATE)
    soundfile.write(folder / "none.wav", tone(0), RATE)
    broken = tone(RATE)
    broken[8000] = np.nan
    soundfile.write(folder / "nan.wav", broken, RATE, subtype="FLOAT")
    wav, flac = (folder / "ok.wav").read_bytes(), (folder / "ok.flac").read_bytes()
    return {
        "empty.wav": (b"", "empty"),
        "text.wav": (b"this is a letter, not a recording\n" * 40, "not audio"),
        "header.wav": (wav[:20], "truncated"),
        "cut.wav": (wav[: len(wav) // 2], "truncated"),
        "cut.flac": (flac[: len(flac) // 2], "truncated|damaged"),
        "zero-length.wav": ((folder / "none.wav").read_bytes(), "no samples"),
        "nan.wav": ((folder / "nan.wav").read_bytes(), r"NaN or infinite samples, the first at 0\.500 s"),
    }


@pytest.mark.parametrize(
    "name", ["empty.wav", "text.wav", "header.wav", "cut.wav", "cut.flac", "zero-length.wav", "nan.wav"]
)
def test_bad_files_are_refused_with_their_reason(tmp_path: Path, name: str) -> None:
    """Each kind of damage has its own message."""
    content, expected = bad_files(tmp_path)[name]
    path = tmp_path / "bad" / name
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ValueError, match=expected):
        read(path)


def test_a_wav_from_a_pipe_is_read(tmp_path: Path) -> None:
    """A WAV file from a pipe, whose header lacks the length, is not taken for truncated."""
    soundfile.write(tmp_path / "a.wav", tone(RATE), RATE)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[4:8] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(content)
    assert read(tmp_path / "a.wav").shape == (1, RATE)


def test_missing_file_is_the_system_s_error(tmp_path: Path) -> None:
    """The system's error names the missing file."""
    with pytest.raises(FileNotFoundError, match=r"nowhere\.wav"):
        read(tmp_path / "nowhere.wav")


@pytest.mark.parametrize("suffix", [suffix.removeprefix(".") for suffix in OUTPUT_FORMATS])
def test_writes_in_blocks(tmp_path: Path, suffix: str) -> None:
    """Blocks are joined, folders are created, and no temporary file remains."""
    path = tmp_path / "deep" / "er" / f"a.{suffix}"
    audio = torch.from_numpy(tone(RATE, channels=2).T.copy())
    with AudioWriter(path, RATE) as writer:
        for block in audio.split(3000, dim=1):
            writer.write(block)
    written, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    assert written.shape == (RATE, 2)
    lossy = suffix in ("ogg", "oga", "opus", "mp3")
    assert np.abs(written - audio.T.numpy())[1000:-1000].max() < (0.05 if lossy else 2 * QUANTUM)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("suffix", "rate", "stored"), [("opus", 22050, 24000), ("opus", 44100, 48000), ("mp3", 96000, 48000)]
)
def test_formats_without_a_rate_are_resampled(tmp_path: Path, suffix: str, rate: int, stored: int) -> None:
    """The bundled model has 22,050 Hz, which Opus doesn't know: the tone and its duration stay."""
    path = tmp_path / f"a.{suffix}"
    audio = torch.from_numpy(tone(rate, rate).T.copy())
    with AudioWriter(path, rate) as writer:
        for block in audio.split(3000, dim=1):
            writer.write(block)
    written, written_rate = soundfile.read(path, dtype="float32")
    assert written_rate == stored
    assert abs(len(written) - stored) <= 1
    error = (written - tone(stored, stored)[:, 0][: len(written)])[2000:-2000]
    assert np.sqrt(np.mean(error**2)) < 0.05  # 17 dB below the tone; Opus keeps no waveforms


@pytest.mark.parametrize(("suffix", "channels"), [("flac", 9), ("mp3", 3)])
def test_too_many_channels_are_named(tmp_path: Path, suffix: str, channels: int) -> None:
    """It is not the disk that is full."""
    message = rf"\.{suffix} can't hold {channels} channels at 16000 Hz .* write \.wav"
    with pytest.raises(ValueError, match=message), AudioWriter(tmp_path / f"a.{suffix}", RATE) as writer:
        writer.write(torch.zeros(channels, 100))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n_bytes", [242, 250, 255])
def test_long_names_are_written(tmp_path: Path, n_bytes: int) -> None:
    """Up to what the file system takes; the temporary name is shortened."""
    name = "n" * (n_bytes - 6 - 4) + "\u00e9\u00e9\u00e9" + ".wav"
    with AudioWriter(tmp_path / name, RATE) as writer:
        writer.write(torch.zeros(1, 100))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_loud_samples_are_clipped(tmp_path: Path) -> None:
    """Loud samples are clipped; they would wrap around otherwise."""
    with AudioWriter(tmp_path / "a.wav", RATE) as writer:
        writer.write(torch.tensor([[2.0, -2.0, 0.0]]))
    assert soundfile.read(tmp_path / "a.wav")[0].tolist() == pytest.approx([1, -1, 0], abs=2 * QUANTUM)


def test_a_failure_keeps_the_old_file(tmp_path: Path) -> None:
    """A failed write leaves the old file as it was."""
    path = tmp_path / "a.wav"
    path.write_bytes(b"precious")

    def fail_halfway() -> None:
        with AudioWriter(path, RATE) as writer:
            writer.write(torch.zeros(1, 1000))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_suffix_is_refused(tmp_path: Path) -> None:
    """The error lists the known suffixes."""
    with pytest.raises(ValueError, match=r"\.xyz; use \.wav, \.flac, \.ogg, "):
        AudioWriter(tmp_path / "a.xyz", RATE)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    """A limit on the file size fails a write as a full disk does, at a size that every machine can set."""
    code = f"""
import resource, torch
from pathlib import Path
from vocos_plugins.storage.audio_writer import AudioWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    with AudioWriter(Path("a.{suffix}"), {RATE}) as writer:
        for _ in range(40):
            writer.write(0.1 * torch.randn(1, 4000))
except OSError as error:
    print("OSError:", error)
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith(f"OSError: could not write a.{suffix}"), done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_blocks_bound_what_is_held(tmp_path: Path) -> None:
    """Reading yields blocks, never the whole file."""
    soundfile.write(tmp_path / "a.wav", tone(RATE * 35), RATE)
    sizes = [block.shape[1] for block in itertools.islice(read_blocks(tmp_path / "a.wav", RATE), 10)]
    assert max(sizes) <= BLOCK_S * RATE
    assert sum(sizes) == RATE * 35


@pytest.mark.parametrize(
    ("start_s", "duration_s", "expected"),
    [
        (0.0, None, (0, 48000)),
        (0.5, None, (8000, 48000)),
        (0.5, 0.25, (8000, 12000)),
        (0.0, 2.96, (0, 48000)),  # rounded, or approximate
        (0.0, 3.04, (0, 48000)),
        (1.0, 2.04, (16000, 48000)),
        (1.0, 1.97, (16000, 47520)),
        (0.00005, 0.0001, (1, 2)),
    ],
)
def test_parts_are_read(tmp_path: Path, start_s, duration_s, expected) -> None:
    """Parts are exact to the sample, read from a file or from its content."""
    soundfile.write(tmp_path / "a.wav", tone(3 * RATE), RATE, "FLOAT")
    for source in (tmp_path / "a.wav", (tmp_path / "a.wav").read_bytes()):
        blocks = list(read_blocks(source, RATE, start_s=start_s, duration_s=duration_s))
        assert np.array_equal(torch.cat(blocks, dim=1)[0].numpy(), tone(3 * RATE)[slice(*expected), 0])


def test_a_part_of_whole_blocks(tmp_path: Path) -> None:
    """A part of exactly two blocks has the right length."""
    n_samples = 3 * round(BLOCK_S) * RATE
    soundfile.write(tmp_path / "a.wav", tone(n_samples), RATE)
    blocks = list(read_blocks(tmp_path / "a.wav", RATE, start_s=1.0, duration_s=2 * BLOCK_S))
    assert sum(block.shape[1] for block in blocks) == 2 * BLOCK_S * RATE


@pytest.mark.parametrize(("start_s", "duration_s"), [(3.0, None), (-0.5, 1.0), (1.0, 2.5), (1.0, 0.0), (0.0, 4.0)])
def test_a_part_outside_the_file(tmp_path: Path, start_s, duration_s) -> None:
    """The error names the part and the file's length."""
    soundfile.write(tmp_path / "a.wav", tone(3 * RATE), RATE)
    with pytest.raises(ValueError, match=rf" starts at {start_s:g} s: it is 3\.000 s long"):
        list(read_blocks(tmp_path / "a.wav", RATE, start_s=start_s, duration_s=duration_s))


def test_mono_is_the_mean_of_the_channels(tmp_path: Path) -> None:
    """Mono audio is the mean of the channels, resampled and in one piece."""
    soundfile.write(tmp_path / "a.wav", tone(25 * RATE, channels=2), RATE, "FLOAT")
    mono = read_mono(tmp_path / "a.wav", RATE // 2)
    expected = read(tmp_path / "a.wav", RATE // 2).mean(dim=0)
    assert mono.shape == (1, 25 * RATE // 2)
    torch.testing.assert_close(mono[0], expected)


def test_mono_of_too_short_a_file_is_refused(tmp_path: Path) -> None:
    """One sample at 48 kHz is no sample at 8 kHz."""
    soundfile.write(tmp_path / "a.wav", tone(1), 48000)
    with pytest.raises(ValueError, match="too short: it holds no sample at 8000 Hz"):
        read_mono(tmp_path / "a.wav", 8000)
