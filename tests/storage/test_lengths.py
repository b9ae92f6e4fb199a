"""The length of audio: a cut file is refused, and a whole one is read whole, whatever its header says."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vocos_plugins.storage.audio import read_blocks
from vocos_plugins.storage.ogg import checksum

RATE = 24000
N = 20000
NOISE = 0.1 * np.random.default_rng(0).standard_normal(N)
# Their headers hold no length, so nobody can know that something is missing.
WITHOUT_LENGTH = {"IRCAM", "PAF", "PVF", "XI"}
CONTAINERS = sorted(set(soundfile.available_formats()) - {"RAW", "SD2"})
RATES = {"WVE": 8000, "XI": 44100, "HTK": 20000}  # those that they can hold


def make(container: str, subtype: str | None = None, audio: np.ndarray = NOISE) -> bytes:
    """A file of this format."""
    file = io.BytesIO()
    rate = RATES.get(container, RATE)
    soundfile.write(file, audio, rate, format=container, subtype=subtype or soundfile.default_subtype(container))
    return file.getvalue()


def n_read(content: bytes, rate: int = RATE) -> int:
    return sum(block.shape[1] for block in read_blocks(content, rate))


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_is_read_whole(container: str) -> None:
    """As many samples as were written."""
    assert n_read(make(container), RATES.get(container, RATE)) == N


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("container", sorted(set(CONTAINERS) - WITHOUT_LENGTH))
def test_cut_files_are_refused(container: str, share: float) -> None:
    """Half of a file, or most of it, is no recording."""
    content = make(container)
    with pytest.raises(ValueError, match=r"truncated|not audio that libsndfile can read"):
        n_read(content[: int(share * len(content))], RATES.get(container, RATE))


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_cut_pages_are_refused(subtype: str) -> None:
    """An Ogg stream may be cut in a page's content, in its table, or in its header."""
    content = make("OGG", subtype)
    page = content.rfind(b"OggS")
    for end in (page + 5, page + 27, page + 30, len(content) - 20):
        with pytest.raises(ValueError, match="truncated"):
            n_read(content[:end])


def patched(content: bytes, at: int, layout: str, *values: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, at, *values)
    return bytes(changed)


# The size of the audio in the header, where a program that writes to a pipe puts a placeholder.
FIELDS: dict[str, Callable[[bytes], tuple[int, str]]] = {
    "WAV": lambda content: (content.find(b"data") + 4, "<I"),
    "WAVEX": lambda content: (content.find(b"data") + 4, "<I"),
    "RF64": lambda content: (content.find(b"ds64") + 16, "<Q"),
    "AIFF": lambda content: (content.find(b"SSND") + 4, ">I"),
    "W64": lambda content: (content.find(b"data\xf3") + 16, "<Q"),
    "AU": lambda _: (8, ">I"),
    "CAF": lambda content: (content.find(b"data") + 4, ">Q"),
}
OPEN = {"I": (0x7F000000, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF), "Q": (2**63 - 1, 2**64 - 1)}


@pytest.mark.parametrize("container", FIELDS)
def test_placeholders_are_no_promise(container: str) -> None:
    """What is there is read whole, for every placeholder that is in use."""
    content = make(container, "PCM_16")
    at, layout = FIELDS[container](content)
    for size in OPEN[layout[1]]:
        assert n_read(patched(content, at, layout, size)) == N, hex(size)


@pytest.mark.parametrize(("container", "whole_at"), [("WAV", 4), ("AIFF", 4), ("AU", None), ("CAF", None)])
def test_a_size_that_was_never_filled_in(container: str, whole_at: int | None) -> None:
    """A recorder that was stopped leaves zeros."""
    content = make(container, "PCM_16")
    at, layout = FIELDS[container](content)
    unfilled = patched(content, at, layout, 0)
    if whole_at is not None:
        unfilled = patched(unfilled, whole_at, layout, 36)
    assert n_read(unfilled) == N


def test_a_file_without_audio_stays_empty() -> None:
    """Chunks after an empty one are no audio."""
    content = make("WAV", audio=np.zeros(0)) + b"LIST" + struct.pack("<I", 4) + b"INFO"
    with pytest.raises(ValueError, match="no samples"):
        n_read(patched(content, 4, "<I", len(content) - 8))


@pytest.mark.parametrize("more", [-8, 1, 8, 4000])
def test_the_size_of_a_wav_file_is_no_matter(more: int) -> None:
    """The audio's own size counts; some programs write a wrong one of the file."""
    content = make("WAV", "PCM_16")
    assert n_read(patched(content, 4, "<I", len(content) - 8 + more)) == N


def test_chunks_after_the_audio_may_be_cut() -> None:
    """The audio is there."""
    content = make("WAV", "PCM_16")
    assert n_read(content + b"LIST" + struct.pack("<I", 400) + b"INFO") == N


@pytest.mark.parametrize("total", [0, 0x7FFFF000 // 2, 0xFFFFF000 // 2])
def test_flac_without_a_total(total: int) -> None:
    """An encoder that writes to a pipe knows none; a part of it is found as well."""
    content = bytearray(make("FLAC"))
    fields = int.from_bytes(content[18:26], "big") >> 36 << 36 | total
    content[18:26] = fields.to_bytes(8, "big")
    whole = torch.cat(list(read_blocks(bytes(content), RATE)), dim=1)
    assert whole.shape == (1, N)
    part = torch.cat(list(read_blocks(bytes(content), RATE, start_s=0.1, duration_s=0.2)), dim=1)
    assert torch.equal(part, whole[:, 2400:7200])
    with pytest.raises(ValueError, match=r"starts at 0.5 s: it is 0\.833 s long"):
        list(read_blocks(bytes(content), RATE, start_s=0.5, duration_s=1.0))


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_without_a_last_page(subtype: str) -> None:
    """A recorder that was stopped marks none; all that libsndfile decodes is there."""
    content = make("OGG", subtype)
    start = content.rfind(b"OggS")
    page = bytearray(content[start:])
    page[22:26] = bytes(4)
    assert checksum(page).to_bytes(4, "little") == content[start + 22 : start + 26]
    page[5] &= ~4
    page[22:26] = checksum(page).to_bytes(4, "little")
    assert N - 400 <= n_read(content[:start] + bytes(page)) <= N + 400  # Opus has a delay of 312 samples


def test_mp3_without_a_count_is_read_whole(tmp_path: Path) -> None:
    """The estimate, from the first bit rate, is far too small here, and far too large in reverse."""
    quiet = np.zeros(2 * RATE)
    for name, audio in (("grows", np.concatenate([quiet, NOISE])), ("shrinks", np.concatenate([NOISE, quiet]))):
        path = tmp_path / f"{name}.mp3"
        with soundfile.SoundFile(
            path, "w", RATE, 1, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5
        ) as file:
            file.write(audio)
        content = path.read_bytes()
        without = content[content.find(b"\xff\xf3", 1) :]  # the frame with the count is the first one
        assert len(audio) <= n_read(without) <= len(audio) + 2500  # the decoder's delay isn't cut off either


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "GSM610"), ("WAV", "G721_32"), ("AU", "G723_24"), ("AIFF", "DWVW_16"), ("XI", None)],
)
def test_parts_of_formats_that_cannot_seek(container: str, subtype: str | None) -> None:
    """What lies before is read, and left out."""
    content, rate = make(container, subtype), RATES.get(container, RATE)
    whole = torch.cat(list(read_blocks(content, rate)), dim=1)
    part = torch.cat(list(read_blocks(content, rate, start_s=0.2, duration_s=0.1)), dim=1)
    assert torch.equal(part, whole[:, round(0.2 * rate) : round(0.3 * rate)])


@pytest.mark.parametrize("rate", [1, 999, 768_001, 2**31 - 1])
def test_rates_that_no_recording_has(rate: int) -> None:
    """A header of 44 bytes could otherwise claim gigabytes."""
    with pytest.raises(ValueError, match=rf"says {rate} Hz; sample rates must be 1000 to 768000 Hz"):
        n_read(patched(make("WAV"), 24, "<I", rate))


@pytest.mark.parametrize("duration", [float("inf"), float("nan"), -1.0])
def test_durations_that_are_none(duration: float) -> None:
    """They are refused in words."""
    with pytest.raises(ValueError, match="starts at 0 s"):
        list(read_blocks(make("WAV"), RATE, duration_s=duration))
