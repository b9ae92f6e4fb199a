"""The shipped clips and what is written about them."""

from __future__ import annotations

import pytest
import soundfile

from vocos_plugins.mel.speech import CLIP_FOLDER, CLIPS, Clip

MAX_TOTAL_BYTES = 600_000
SOURCES = (CLIP_FOLDER / "SOURCES.md").read_text(encoding="utf-8")


def test_every_file_is_in_the_table() -> None:
    """No clip without its text, and no text without its clip."""
    assert {clip.path for clip in CLIPS} == set(CLIP_FOLDER.glob("*.flac"))
    assert len(CLIPS) >= 3
    assert len({clip.speaker for clip in CLIPS}) >= 3


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.path.stem)
def test_clip_is_readable_speech(clip: Clip) -> None:
    """3 to 8 s, one channel, at a speaking level."""
    audio, rate = soundfile.read(clip.path)
    assert audio.ndim == 1
    assert rate >= 16000
    assert 3 <= len(audio) / rate <= 8
    assert 0.1 < abs(audio).max() < 1


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.path.stem)
def test_clip_has_source_and_licence(clip: Clip) -> None:
    """SOURCES.md has a row with the file, the words, a licence and the package it came from."""
    (row,) = [line for line in SOURCES.splitlines() if line.startswith(f"| `{clip.path.name}`")]
    _, _, _, text, licence, origin, _ = (cell.strip() for cell in row.split("|"))
    assert text == f'"{clip.text}"'
    assert "public domain" in licence or "CMU" in licence
    assert "package" in origin or origin.startswith("the same")
    assert clip.source


def test_licences_are_quoted() -> None:
    """Both ask that notice, conditions and disclaimer are kept."""
    for phrase in ("Carnegie Mellon University", "Redistribution and use", "free for use for any purpose", "DISCLAIM"):
        assert phrase in SOURCES


def test_clips_are_small() -> None:
    """They travel in the wheel."""
    assert sum(clip.path.stat().st_size for clip in CLIPS) < MAX_TOTAL_BYTES
