"""The processor's name, from Linux's own description, and where there is none."""

from __future__ import annotations

import platform

from vocos_plugins.inference import processor

LISTED = "processor\t: 0\nmodel name\t: Some: Processor @ 2 GHz\nflags\t\t: fpu avx2\n\nnothing\n"


def test_of_linux(monkeypatch, tmp_path) -> None:
    """All that comes after the first colon; lines without one are left out."""
    (tmp_path / "cpuinfo").write_text(LISTED)
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    assert processor.processor_name() == "Some: Processor @ 2 GHz"
    assert processor.read_cpu_info()["flags"] == "fpu avx2"


def test_elsewhere(monkeypatch, tmp_path) -> None:
    """What Python knows: at least the architecture."""
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "none")
    assert processor.read_cpu_info() == {}
    assert processor.processor_name() == (platform.processor() or platform.machine())
