"""Warns before ``vocos-tts`` plays a vocoder that was exported for another model: Coqui TTS itself does not compare."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vocos_plugins.mel import ConventionError
from vocos_plugins.mel.difference import differences

from .exported import read_export
from .mel import read_convention


def warn_of_mismatch(arguments: Sequence[str]) -> None:
    """Writes the fields that differ to standard error, if the arguments name both configurations.

    Args:
        arguments: those of ``tts`` or ``tts-server``.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config_path", type=Path)
    parser.add_argument("--vocoder_config_path", type=Path)
    paths, _ = parser.parse_known_args(arguments)
    if paths.config_path is None or paths.vocoder_config_path is None:
        return
    try:
        mel = read_convention(paths.config_path, normalized=False)
        exported = read_export(paths.vocoder_config_path)
    except (ConventionError, OSError):  # which Coqui TTS reports, too
        return
    if mel is None or exported is None:
        return
    found = [str(each) for each in differences(mel, exported.source) if each.severity != "negligible"]
    if found:
        sys.stderr.write(
            f"warning: {paths.vocoder_config_path} was exported for other mels than those of {paths.config_path} "
            f"({'; '.join(found)}), and will sound wrong. Export it for them: vocos export coqui OUT --tts "
            f"{paths.config_path}\n"
        )
