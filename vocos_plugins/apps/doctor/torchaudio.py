"""Check of whether torchaudio can be imported with this torch: different builds raise, or crash, at import.

The core doesn't need torchaudio; toolkits do. It is imported in a separate process, since a crash can't be caught.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 120.0
# A module of that name in the working directory is ignored: the `vocos` command doesn't look there either.
PROBE = "import sys; sys.path[:] = filter(None, sys.path); import torchaudio; print(torchaudio.__version__)"
EXTENSION = "lib/_torchaudio*"
CAUSES = (
    (r"different CUDA versions", "torch and torchaudio were built for different versions of CUDA"),
    (
        r"lib(c10_cuda|torch_cuda|cu|nv)[\w.-]*: cannot open shared object",
        "it was built for CUDA, but this torch was installed without CUDA",
    ),
    (r"undefined symbol|Could not load this library|DLL load failed", "it was built for another version of torch"),
)
ERROR = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception)\b.*", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The result of importing torchaudio.

    Attributes:
        version: its version; None if it can't be imported.
        cause: the likely cause of a failure, in plain words.
        error: the first error in the chain, as Python prints it.
        extensions: torchaudio's compiled extension; without it, torchaudio runs as pure Python.
    """

    version: str | None = None
    cause: str = ""
    error: str = ""
    extensions: tuple[Path, ...] = ()


def probe_torchaudio(timeout_s: float = TIMEOUT_S) -> Probe | None:
    """Imports torchaudio in a fresh process; None if it isn't installed."""
    spec = importlib.util.find_spec("torchaudio")
    if spec is None or spec.origin is None:
        return None
    extensions = tuple(sorted(Path(spec.origin).parent.glob(EXTENSION)))
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Probe(cause=f"importing it takes more than {timeout_s:g} s", extensions=extensions)
    if done.returncode == 0:
        return Probe(version=_last(done.stdout.splitlines()), extensions=extensions)
    error = next(iter(ERROR.findall(done.stderr)), _last(done.stderr.splitlines()))
    return Probe(cause=_cause(done.stderr, done.returncode), error=error, extensions=extensions)


def suggest_fix(probe: Probe) -> str:
    """Returns what to do if torchaudio can't be imported."""
    one_build = "install torch and torchaudio of the same build,\nas pytorch.org says for your system"
    if not probe.extensions:
        return one_build
    files = " ".join(map(str, probe.extensions))
    return f"remove {files}\n(torchaudio then runs as pure Python), or {one_build}"


def _cause(text: str, returncode: int) -> str:
    # On POSIX, subprocess reports a signal as its negative number.
    if returncode < 0:
        return f"importing it kills Python with signal {-returncode}"
    return next((cause for pattern, cause in CAUSES if re.search(pattern, text)), "it can't be imported")


def _last(lines: Iterable[str]) -> str:
    return next((line.strip() for line in reversed(list(lines)) if line.strip()), "")
