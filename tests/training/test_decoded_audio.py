"""Cache of decoded audio: what it holds, when it is built again, and that broken or partial ones are never used."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vocos_plugins.training import decoded_audio
from vocos_plugins.training.decoded_audio import DecodedAudio, decode_recordings
from vocos_plugins.training.sources import Recording

RATE = 16000


def tone(n_samples: int, rate: int = RATE, peak: float = 0.25) -> np.ndarray:
    """Returns a sine at 440 Hz."""
    return (peak * np.sin(2 * np.pi * 440 * np.arange(n_samples) / rate)).astype(np.float32)


@pytest.fixture
def recordings(tmp_path: Path) -> list[Recording]:
    """Three recordings: mono, stereo at another rate, short."""
    soundfile.write(tmp_path / "a.wav", tone(RATE), RATE)
    stereo = np.stack([tone(24000, 24000), np.zeros(24000)], axis=1)
    soundfile.write(tmp_path / "b.flac", stereo, 24000)
    soundfile.write(tmp_path / "c.wav", tone(500), RATE)
    return [Recording(path=tmp_path / name) for name in ("a.wav", "b.flac", "c.wav")]


@pytest.fixture
def count_reads(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Counts the files that have been decoded."""
    read, original = [], decoded_audio.read_mono

    def counted(path: Path, sample_rate: int):
        read.append(path)
        return original(path, sample_rate)

    monkeypatch.setattr(decoded_audio, "read_mono", counted)
    return lambda: len(read)


@pytest.mark.parametrize("on_disk", [False, True])
def test_recordings_are_mono_at_the_rate_with_full_peak(
    recordings: list[Recording], tmp_path: Path, on_disk: bool
) -> None:
    """Channels are averaged, sample rates converted, the peak is 1, and the file's own rate is stored."""
    decoded = decode_recordings(recordings, RATE, tmp_path / "cache" if on_disk else None)
    assert decoded.spans[:, 1].tolist() == [RATE, RATE, 500]
    assert decoded.spans[:, 2].tolist() == [RATE, 24000, RATE]
    for number in (0, 1):
        audio = decoded.read(number, 0, RATE)
        assert np.abs(audio).max() == 1.0
        # A tone in one of two channels is that tone, except at the ends, where the resampler has no signal.
        assert np.abs(audio - tone(RATE, peak=1.0))[2000:-2000].max() < 2e-3


def test_short_recordings_are_repeated(recordings: list[Recording]) -> None:
    """Sample n is sample n modulo the length, as the reference pads."""
    decoded = decode_recordings(recordings, RATE, None)
    short = decoded.read(2, 0, 500)
    np.testing.assert_array_equal(decoded.read(2, 0, 1201), np.concatenate([short, short, short[:201]]))


def test_memory_and_disk_agree_and_disk_is_used_again(
    recordings: list[Recording], tmp_path: Path, count_reads: Callable[[], int]
) -> None:
    """The second run decodes nothing, and a corrected bandwidth doesn't invalidate the cache."""
    cache = tmp_path / "cache"
    in_memory = decode_recordings(recordings, RATE, None)
    first = decode_recordings(recordings, RATE, cache)
    before = count_reads()
    again = decode_recordings([Recording(path=r.path, bandwidth_hz=4000.0) for r in recordings], RATE, cache)
    assert count_reads() == before
    for other in (first, again):
        np.testing.assert_array_equal(other.samples, in_memory.samples)
        np.testing.assert_array_equal(other.spans, in_memory.spans)
    assert isinstance(again.samples, np.memmap)


@pytest.mark.parametrize("change", ["content", "time", "order", "rate"])
def test_what_changes_the_audio_is_decoded_again(recordings: list[Recording], tmp_path: Path, change: str) -> None:
    """Another size, modification time, order or sample rate needs another cache."""
    before = decode_recordings(recordings, RATE, tmp_path / "cache")
    rate = RATE
    if change == "content":
        changed = recordings[0].path.stat().st_mtime_ns
        soundfile.write(recordings[0].path, tone(700), RATE)
        os.utime(recordings[0].path, ns=(changed, changed))
    elif change == "time":
        os.utime(recordings[0].path, ns=(0, 1))
    elif change == "order":
        recordings = recordings[::-1]
    else:
        rate = 8000
    after = decode_recordings(recordings, rate, tmp_path / "cache")
    assert after.folder != before.folder
    fresh = decode_recordings(recordings, rate, None)
    np.testing.assert_array_equal(after.samples, fresh.samples)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_an_interrupted_build_leaves_nothing(
    recordings: list[Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    """Neither a cache nor temporary files are left; a disk error is not taken for an unreadable recording."""
    original = decoded_audio._decode_all

    def broken(recordings, sample_rate, write):
        def fail(samples):
            write(samples)
            raise stop

        return original(recordings, sample_rate, fail)

    monkeypatch.setattr(decoded_audio, "_decode_all", broken)
    with pytest.raises(stop):
        decode_recordings(recordings, RATE, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_a_killed_process_left_is_removed_later(recordings: list[Recording], tmp_path: Path) -> None:
    """A folder without writes for a day is removed; one that is being written stays."""
    old, new = tmp_path / "cache" / ".x.old.part", tmp_path / "cache" / ".x.new.part"
    for part in (old, new):
        (part / "decoded").mkdir(parents=True)
        (part / "decoded" / "audio.i16").touch()
    for path in (old / "decoded" / "audio.i16", old):
        os.utime(path, (time.time() - 2 * decoded_audio.ABANDONED_S,) * 2)
    decode_recordings(recordings, RATE, tmp_path / "cache")
    assert not old.exists()
    assert new.exists()


def test_the_slower_of_two_builders_takes_the_other_ones(
    recordings: list[Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that another process finishes first is used, and the own one is removed."""
    original, cache, theirs = decoded_audio._decode_all, tmp_path / "cache", []

    def overtaken(recordings, sample_rate, write):
        result = original(recordings, sample_rate, write)
        if not theirs:
            theirs.append(None)
            theirs.append(decode_recordings(recordings, sample_rate, cache))
        return result

    monkeypatch.setattr(decoded_audio, "_decode_all", overtaken)
    mine = decode_recordings(recordings, RATE, cache)
    assert mine.folder == theirs[1].folder
    assert list(cache.iterdir()) == [mine.folder]


def test_processes_that_build_together_agree(recordings: list[Recording], tmp_path: Path) -> None:
    """Processes that all start with an empty cache, as in a distributed run, get the same audio."""
    context = multiprocessing.get_context("spawn")
    arguments = (recordings, RATE, tmp_path / "cache")
    processes = [context.Process(target=decode_recordings, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    decoded = decode_recordings(*arguments)
    assert list((tmp_path / "cache").iterdir()) == [decoded.folder]
    np.testing.assert_array_equal(decoded.samples, decode_recordings(recordings, RATE, None).samples)


@pytest.mark.parametrize("on_disk", [False, True])
def test_workers_get_the_same(recordings: list[Recording], tmp_path: Path, on_disk: bool) -> None:
    """A cache on disk is opened again in a worker instead of being pickled."""
    decoded = decode_recordings(recordings, RATE, tmp_path / "cache" if on_disk else None)
    pickled = pickle.dumps(decoded)
    received: DecodedAudio = pickle.loads(pickled)  # noqa: S301
    np.testing.assert_array_equal(received.samples, decoded.samples)
    np.testing.assert_array_equal(received.spans, decoded.spans)
    assert (len(pickled) < 1000) == on_disk


@pytest.mark.parametrize("on_disk", [False, True])
def test_files_that_cannot_be_read_are_left_out_and_listed(
    recordings: list[Recording], tmp_path: Path, on_disk: bool
) -> None:
    """Broken, silent and missing files are skipped and named, also when the cache is used again."""
    (tmp_path / "broken.wav").write_bytes(b"no audio" * 10)
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    bad = [Recording(path=tmp_path / name) for name in ("broken.wav", "silent.wav", "lost.wav")]
    mixed = [bad[0], recordings[0], bad[1], *recordings[1:], bad[2]]
    cache = tmp_path / "cache" if on_disk else None
    for _ in range(2):
        with pytest.warns(UserWarning, match="skipped 3 of 6 recordings") as caught:
            decoded = decode_recordings(mixed, RATE, cache)
        message = str(caught[0].message)
        assert all(text in message for text in ("broken.wav: not audio", "silent.wav: it is silent", "lost.wav: "))
        assert decoded.spans[:, 1].tolist() == [0, RATE, 0, RATE, 500, 0]
        np.testing.assert_array_equal(decoded.samples, decode_recordings(recordings, RATE, None).samples)


def test_mostly_unreadable_corpora_are_refused(recordings: list[Recording], tmp_path: Path) -> None:
    """If more than half are unreadable, the path or format must be wrong; long lists are cut."""
    bad = []
    for number in range(14):
        bad.append(Recording(path=tmp_path / f"{number}.wav"))
        bad[-1].path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"(?s)cannot read 14 of 17 recordings.*0\.wav: the file is empty.*and 4 more"):
        decode_recordings([*bad, *recordings], RATE, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    with pytest.raises(ValueError, match="no recordings"):
        decode_recordings([], RATE, None)


@pytest.mark.parametrize("damage", ["cut", "empty", "no index", "not json"])
def test_a_damaged_cache_is_refused(recordings: list[Recording], tmp_path: Path, damage: str) -> None:
    """A cache without its end or its index is never used; the message says what to delete."""
    folder = decode_recordings(recordings, RATE, tmp_path / "cache").folder
    if damage == "cut":
        os.truncate(folder / "audio.i16", 1000)
    elif damage == "empty":
        os.truncate(folder / "audio.i16", 0)
    elif damage == "no index":
        (folder / "index.json").unlink()
    else:
        (folder / "index.json").write_text("{")
    with pytest.raises(ValueError, match=r"damaged.*delete that folder"):
        decode_recordings(recordings, RATE, tmp_path / "cache")
