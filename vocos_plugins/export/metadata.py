"""Metadata of exported files: enough for a runtime to check the mel, cut the audio and identify the weights."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from .._version import __version__
from ..config import ISTFT, head_grid
from ..mel.convention import MelConvention
from ..network.network import Network

LAYOUT_VERSION = 1
SIGNATURE = "vocos_plugins"  # key of this package's version: no other program writes it


def describe(network: Network, *, outputs: str, precision: str) -> dict[str, str]:
    """Returns the metadata of an exported model; docs/export.md lists the keys.

    The keys of the STFT are sherpa-onnx's for its Vocos files. Those of the mel are `MelConvention`'s fields with the
    prefix ``mel_``. ``config`` repeats everything as JSON, in the form of ``config.yaml``.
    """
    hop_length, framing = head_grid(network.config.head)
    metadata: dict[str, Any] = {
        "model_type": _model_type(network, outputs),
        "version": LAYOUT_VERSION,
        SIGNATURE: __version__,
        "outputs": outputs,
        "precision": precision,
        "sample_rate": network.sample_rate,
        "hop_length": hop_length,
        "framing": framing,
        "context_frames": network.context_frames,
        **_stft(network),
        **_mel(network.mel),
        "config": network.config.to_dict(),
    }
    if network.provenance:
        metadata["provenance"] = network.provenance
    return {key: value if isinstance(value, str) else json.dumps(value, default=str) for key, value in metadata.items()}


def _model_type(network: Network, outputs: str) -> str:
    """Returns the name under which sherpa-onnx runs such a graph, whatever network is in it.

    Its ``vocos`` is a graph with a spectrum's three outputs, its ``hifigan`` one with a mel in and audio out; other
    names it refuses.
    """
    if network.mel is None:
        return "vocos-encodec"
    return "vocos" if outputs == "spectrum" else "hifigan"


def _stft(network: Network) -> dict[str, Any]:
    head = network.config.head
    if not isinstance(head, ISTFT):
        return {}
    return {
        "n_fft": head.n_fft,
        "win_length": head.n_fft,
        "window_type": "hann",
        # An inverse STFT with center=1 cuts half a frame at each end. For ``same`` framing that is the same audio,
        # except for the outermost half hops.
        "center": 1,
        "normalized": 0,
        "pad_mode": "reflect",
    }


def _mel(mel: MelConvention | None) -> dict[str, Any]:
    return {} if mel is None else {f"mel_{key}": value for key, value in dataclasses.asdict(mel).items()}
