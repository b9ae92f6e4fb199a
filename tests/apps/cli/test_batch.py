"""The progress of a batch: hidden on a short run, shown on a long one, also within one long file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from vocos_plugins.apps.batch.jobs import Job
from vocos_plugins.apps.cli import batch


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., str]:
    """Runs a job of three pieces; returns the output on a terminal or in a file."""

    def run(*, terminal: bool) -> str:
        console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
        progress = batch.BatchProgress(1, console)
        process = batch.audio_job(lambda _: [torch.zeros(1, 16000)] * 3, 16000)
        process(Job(source=Path("long.wav"), target=tmp_path / "out.wav"), progress)
        progress.stop()
        return console.file.getvalue()  # type: ignore[attr-defined]

    return run


def test_a_long_file_shows_how_far_it_is(draw, monkeypatch) -> None:
    """A terminal shows the seconds of audio within a file."""
    monkeypatch.setattr(batch, "QUIET_S", 0.0)
    assert "long.wav: 3 s" in draw(terminal=True)


def test_a_short_run_is_quiet(draw) -> None:
    """A run under two seconds shows no progress."""
    assert draw(terminal=True).strip("\x1b[?25hl\n") == ""


def test_a_log_file_gets_no_bar(draw, monkeypatch) -> None:
    """Standard error that is not a terminal gets no progress bar."""
    monkeypatch.setattr(batch, "QUIET_S", 0.0)
    assert "long.wav" not in draw(terminal=False)
