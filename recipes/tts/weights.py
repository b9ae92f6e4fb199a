"""A trained model's weights in as few bytes as ``torch.load`` reads."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vocos_plugins.storage.atomic import atomic_write

POSITIONS = ".pe"  # ends the names of tables of positions, which aren't learned


def halve(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The matrices in half precision, vectors as they are: a batch norm's variances may not fit.

    Raises:
        ValueError: a matrix has values that don't fit.
    """
    halved = {}
    for name, value in weights.items():
        halved[name] = value.half() if value.is_floating_point() and value.dim() > 1 else value
        if not halved[name].isfinite().all():
            raise ValueError(f"{name} has values up to {value.abs().max():.3g}, more than half precision holds")
    return halved


def share_positions(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights with equal tables of positions as one tensor, which is saved once."""
    tables = {name: value for name, value in weights.items() if name.endswith(POSITIONS)}
    first = {name: next(one for one in tables.values() if torch.equal(one, value)) for name, value in tables.items()}
    return {**weights, **first}


def count_parameters(weights: Mapping[str, Tensor]) -> int:
    """The number of learned values."""
    return sum(value.numel() for name, value in weights.items() if not name.endswith(POSITIONS))


def write_weights(path: Path, state: Mapping[str, Any]) -> None:
    """Writes what ``torch.load`` reads, compressed."""
    plain = io.BytesIO()
    torch.save(state, plain)
    with (
        zipfile.ZipFile(plain) as source,
        atomic_write(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
