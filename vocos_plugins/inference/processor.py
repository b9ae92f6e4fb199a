"""The processor's name: what figures and remembered choices belong to."""

from __future__ import annotations

import platform
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")


def read_cpu_info() -> dict[str, str]:
    """Returns Linux's description of the processor by its keys, such as ``model name`` and ``flags``; else nothing."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, colon, value in pairs if colon}


def processor_name() -> str:
    """Returns the processor's name from Linux, or else from Python, which often has none on Linux."""
    return read_cpu_info().get("model name") or platform.processor() or platform.machine()
