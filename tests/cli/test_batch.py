"""The progress of a batch: quiet when short, and telling when long, also within one long file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from vocos_plugins.cli import batch
from vocos_plugins.cli.paths import Job


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., str]:
    """What a terminal, or a file, gets to see of a job of three pieces."""

    def run(*, terminal: bool) -> str:
        console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
        progress = batch.BatchProgress(1, console)
        work = batch.audio_job(lambda _: [torch.zeros(1, 16000)] * 3, 16000)
        work(Job(source=Path("long.wav"), target=tmp_path / "out.wav"), progress)
        progress.stop()
        return console.file.getvalue()  # type: ignore[attr-defined]

    return run


def test_a_long_file_shows_how_far_it_is(draw, monkeypatch) -> None:
    """In seconds of audio, on a terminal."""
    monkeypatch.setattr(batch, "QUIET_S", 0.0)
    assert "long.wav: 3 s" in draw(terminal=True)


def test_a_short_run_is_quiet(draw) -> None:
    """Under two seconds nothing flashes up."""
    assert draw(terminal=True).strip("\x1b[?25hl\n") == ""


def test_a_log_file_gets_no_bar(draw, monkeypatch) -> None:
    """Where standard error is no terminal."""
    monkeypatch.setattr(batch, "QUIET_S", 0.0)
    assert "long.wav" not in draw(terminal=False)
