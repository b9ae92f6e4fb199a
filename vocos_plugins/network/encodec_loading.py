"""Loads an EnCodec for encoding, from transformers or the package ``encodec``. Decoding codes needs neither."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..storage.pickles import load_pickle

HUB_NAME = "facebook/encodec_24khz"  # as transformers loads it
CHECKPOINT = "encodec_24khz-d7cc33bc.th"  # of the package encodec; its name ends with the start of its SHA-256
CHECKPOINT_URL = f"https://dl.fbaipublicfiles.com/encodec/v0/{CHECKPOINT}"
INSTALL = "pip install 'vocos-plugins[encodec]'"
# One network under two sets of names: those of the package encodec, and those of transformers.
RENAMED = (
    ("encoder.model.", "encoder.layers."),
    ("decoder.model.", "decoder.layers."),
    (".conv.conv.", ".conv."),
    (".convtr.convtr.", ".conv."),
    (".weight_g", ".parametrizations.weight.original0"),
    (".weight_v", ".parametrizations.weight.original1"),
    ("quantizer.vq.layers.", "quantizer.layers."),
    ("._codebook.", ".codebook."),
)


class EncodecError(ValueError):
    """A missing or unsuitable EnCodec; the message says what is missing and what to do."""


def load_encodec(source: str | Path | None = None) -> nn.Module:
    """Loads an EnCodec in eval mode, without gradients: transformers' ``EncodecModel``, or else that of ``encodec``.

    Args:
        source: a directory that transformers wrote; `CHECKPOINT` or a directory that holds it; or a repository on the
            Hugging Face hub. By default the published 24 kHz weights: the file that encodec and suno's Bark keep in
            torch's cache, or else `HUB_NAME` for transformers and `CHECKPOINT_URL` for encodec.

    Raises:
        EncodecError: neither package is installed, or the weights are missing or don't fit.
    """
    checkpoint = _checkpoint_file(source)
    if _is_installed("transformers"):
        codec = _transformers_model(source or HUB_NAME, checkpoint)
    elif _is_installed("encodec"):
        if source is not None and checkpoint is None:
            raise EncodecError(f"{source}: these weights need transformers: {INSTALL}")
        codec = _encodec_model(checkpoint)
    else:
        raise EncodecError(
            f"encoding audio needs EnCodec, and neither transformers nor encodec is installed: {INSTALL}. "
            "Codes can be decoded without it: decode(codes_to_features(codes), ...)"
        )
    return codec.eval().requires_grad_(False)


def rename_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns a state dict of the package ``encodec`` with transformers' names for the same tensors."""
    renamed = {}
    for key, value in weights.items():
        for theirs, transformers in RENAMED:
            key = key.replace(theirs, transformers)  # noqa: PLW2901 - one replacement after another
        renamed[key] = value
    return renamed


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _checkpoint_file(source: str | Path | None) -> Path | None:
    """Returns the package encodec's own file if the source names one, else None."""
    cached = Path(torch.hub.get_dir()) / "checkpoints" / CHECKPOINT
    path = cached if source is None else Path(os.path.expanduser(source))
    if not path.exists():
        return None
    if path.is_dir() and not (path / "config.json").exists():
        path = path / CHECKPOINT
        if not path.exists():
            raise EncodecError(f"{source} holds no EnCodec: expected config.json with its weights, or {CHECKPOINT}")
    return path if path.is_file() else None


def _transformers_model(source: str | Path, checkpoint: Path | None) -> nn.Module:
    # Like encodec below, optional and slow to import.
    from transformers import EncodecConfig, EncodecModel

    if checkpoint is not None:
        return _fill(EncodecModel(EncodecConfig()), rename_weights(_read_checkpoint(checkpoint)), checkpoint)
    load: Any = EncodecModel.from_pretrained
    try:
        model, report = load(source, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise EncodecError(
            f"EnCodec can't be loaded from {source}: {reason} For weights on disk pass "
            "Vocos.from_pretrained(..., encodec=DIRECTORY)"
        ) from error
    # transformers fills missing tensors with random numbers, and only warns.
    if missing := sorted({*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}):
        raise EncodecError(f"{source} holds no EnCodec: {len(missing)} of its tensors are missing, first {missing[0]}")
    codec: nn.Module = model
    return codec


def _encodec_model(checkpoint: Path | None) -> nn.Module:
    from encodec.model import EncodecModel

    # Its own `pretrained=True` would unpickle the file without any check.
    codec: nn.Module = EncodecModel.encodec_model_24khz(pretrained=False)
    if checkpoint is not None:
        return _fill(codec, _read_checkpoint(checkpoint), checkpoint)
    try:
        weights = torch.hub.load_state_dict_from_url(
            CHECKPOINT_URL, map_location="cpu", check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError) as error:
        raise EncodecError(
            f"EnCodec can't be downloaded from {CHECKPOINT_URL}: {error}. For a copy on disk pass "
            "Vocos.from_pretrained(..., encodec=FILE)"
        ) from error
    return _fill(codec, weights, Path(CHECKPOINT))


def _read_checkpoint(path: Path) -> dict[str, Tensor]:
    if path.name == CHECKPOINT:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if not digest.startswith(promised := path.stem.rpartition("-")[2]):
            raise EncodecError(f"{path} is damaged: its SHA-256 is {digest}, but its name says {promised}...")
    try:
        content = load_pickle(path)
    except ValueError as error:
        raise EncodecError(f"{path} {error}") from error
    if not isinstance(content, dict):
        raise EncodecError(f"{path}: expected a state dict of tensors, got a {type(content).__name__}")
    return content


def _fill(codec: nn.Module, weights: Mapping[str, Tensor], path: Path) -> nn.Module:
    try:
        codec.load_state_dict(weights)
    except (AttributeError, RuntimeError, TypeError) as error:  # of names that are no text, and values of any kind
        reason = " ".join(str(error).split())
        raise EncodecError(f"{path} does not hold EnCodec's 24 kHz model: {reason:.200}") from error
    return codec
