"""``vocos-tts``: Coqui TTS's command ``tts``, in a process in which ``model: vocos`` is registered."""

from __future__ import annotations

import importlib.util
import runpy
import sys

COMMAND = "TTS.bin.synthesize"


def main() -> None:
    """Runs ``tts`` with its arguments and its exit status."""
    if importlib.util.find_spec("TTS") is None:
        sys.exit("error: vocos-tts runs Coqui TTS, which isn't installed: pip install 'vocos-plugins[coqui]'")
    # Vocos is registered already: importing this module has imported its package.
    runpy.run_module(COMMAND, run_name="__main__", alter_sys=True)
