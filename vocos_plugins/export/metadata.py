"""What an exported file says of itself: enough for a runtime to check its mel, cut the audio and name the weights."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from .. import __version__
from ..chunked import context_frames
from ..config import ISTFT, head_grid
from ..mel.convention import MelConvention
from ..model import Vocos

LAYOUT_VERSION = 1


def describe(vocos: Vocos, *, outputs: str, precision: str) -> dict[str, str]:
    """Metadata of an exported model; docs/export.md lists the keys.

    Those of the STFT are sherpa-onnx's for its Vocos files. The mel's are `MelConvention`'s fields, each with ``mel_``
    before it. ``config`` is everything once more, as JSON: the form of ``config.yaml``.
    """
    hop_length, framing = head_grid(vocos.config.head)
    found: dict[str, Any] = {
        "model_type": "vocos",
        "version": LAYOUT_VERSION,
        "vocos_plugins": __version__,
        "outputs": outputs,
        "precision": precision,
        "sample_rate": vocos.sample_rate,
        "hop_length": hop_length,
        "framing": framing,
        "context_frames": context_frames(vocos),
        **_stft(vocos),
        **_mel(vocos.mel),
        "config": vocos.config.to_dict(),
    }
    if vocos.provenance:
        found["provenance"] = vocos.provenance
    return {key: value if isinstance(value, str) else json.dumps(value, default=str) for key, value in found.items()}


def _stft(vocos: Vocos) -> dict[str, Any]:
    head = vocos.config.head
    if not isinstance(head, ISTFT):
        return {}
    return {
        "n_fft": head.n_fft,
        "win_length": head.n_fft,
        "window_type": "hann",
        # An inverse STFT with center=1 cuts half a frame at each end. Of ``same`` framing it makes the same audio but
        # for the outermost half hops.
        "center": 1,
        "normalized": 0,
        "pad_mode": "reflect",
    }


def _mel(mel: MelConvention | None) -> dict[str, Any]:
    return {} if mel is None else {f"mel_{key}": value for key, value in dataclasses.asdict(mel).items()}
