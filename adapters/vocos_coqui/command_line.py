"""``vocos-tts`` and ``vocos-tts-server``: Coqui TTS's ``tts`` and ``tts-server``, with ``model: vocos`` registered."""

from __future__ import annotations

import importlib.util
import runpy
import sys

from .mismatch import warn_of_mismatch


def main() -> None:
    """Runs ``tts`` with its arguments and its exit status."""
    _run("TTS.bin.synthesize", "vocos-tts")


def serve() -> None:
    """Runs ``tts-server`` with its arguments and its exit status."""
    _run("TTS.server.server", "vocos-tts-server")


def _run(module: str, command: str) -> None:
    if importlib.util.find_spec("TTS") is None:
        sys.exit(f"error: {command} runs Coqui TTS, which isn't installed: pip install 'vocos-plugins[coqui]'")
    warn_of_mismatch(sys.argv[1:])
    # Vocos is registered already: importing this module has imported its package.
    runpy.run_module(module, run_name="__main__", alter_sys=True)
