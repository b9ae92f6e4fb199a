"""The architecture of a Vocos as the ``model_args`` of a Coqui TTS configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from vocos_plugins.config import ISTFT, OPTIONAL_PARTS, PARTS, ConvNeXt, VocosConfig
from vocos_plugins.config.mapping import ConfigError
from vocos_plugins.mel import MelConvention

# The paper's (arXiv 2306.00814, section 4).
BACKBONE = ConvNeXt(dim=512, intermediate_dim=1536, num_layers=8)


def read_architecture(model_args: Mapping[str, Any], source: MelConvention) -> VocosConfig:
    """Reads the model that a configuration describes; if it describes none, returns the paper's for its mel.

    Args:
        model_args: ``features``, ``backbone``, ``head`` and perhaps ``postfilter`` as in a checkpoint's
            ``config.yaml``, or all empty.
        source: the mel of the configuration's ``audio`` block.

    Raises:
        ConfigError: a part is missing or invalid; the message names it.
    """
    # A field that the configuration doesn't have is empty, or None if Coqpit has read a command line.
    parts = {name: model_args[name] for name in (*PARTS, *OPTIONAL_PARTS) if model_args.get(name)}
    if not parts:
        return default_architecture(source)
    try:
        return VocosConfig.from_dict(parts)
    except ConfigError as error:
        raise ConfigError(f"model_args: {error}") from error


def default_architecture(source: MelConvention) -> VocosConfig:
    """Returns a model of the paper's size, for natural logarithms of the source's bands and frames."""
    mel = dataclasses.replace(source, name="", log="natural", log_gain=1.0, normalization=None)
    head = ISTFT(n_fft=mel.n_fft, hop_length=mel.hop_length, framing=mel.framing)
    return VocosConfig(features=mel, backbone=BACKBONE, head=head)
