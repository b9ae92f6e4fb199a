"""Reads a model's certificate: what precisions cost its sound, as `vocos certify` measured and stored it."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from ..config.mapping import ConfigError, check_keys, read_dataclass
from ..mel.shown import shown
from ..network.network import Network

# Its key in a model's provenance, which all files of a model carry.
CERTIFICATE = "certificate"
FIELDS = {"fingerprint", "recordings"}
PRECISIONS = ("bfloat16", "int8")
# How much of each score, a mean over recordings, a precision may cost a model for `auto` to choose it.
MAX_LOSS = 0.02
# Fewer recordings say too little.
MIN_RECORDINGS = 4


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of a precision in comparison with float32: means over recordings.

    Attributes:
        pesq_loss: PESQ-wb.
        distillmos_loss: DistillMOS; None if it was not measured.
        signal_to_error_db: level of the float32 audio over that of the difference, dB.
    """

    pesq_loss: float
    distillmos_loss: float | None = None
    signal_to_error_db: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} must be a number, got {value}")

    @property
    def is_small(self) -> bool:
        """Whether no score loses more than `MAX_LOSS`."""
        return max(self.pesq_loss, self.distillmos_loss or 0.0) <= MAX_LOSS


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The costs of precisions, of one model's weights.

    Attributes:
        fingerprint: of the weights.
        recordings: how many were measured.
        costs: by precision, ``bfloat16`` and ``int8``: those that were measured.
    """

    fingerprint: str
    recordings: int
    costs: Mapping[str, Cost]

    def to_dict(self) -> dict[str, Any]:
        """Returns the form in which a model's provenance holds it."""
        costs = {name: asdict(cost) for name, cost in self.costs.items()}
        return {"fingerprint": self.fingerprint, "recordings": self.recordings, **costs}

    @classmethod
    def from_dict(cls, mapping: Any) -> Certificate:
        """Reads what `to_dict` returned.

        Raises:
            ConfigError: it is something else.
        """
        check_keys(mapping, {*FIELDS, *PRECISIONS}, FIELDS, CERTIFICATE)
        for name, kind in (("fingerprint", str), ("recordings", int)):
            if type(mapping[name]) is not kind:
                raise ConfigError(f"{CERTIFICATE}.{name}: expected {kind.__name__}, got {shown(mapping[name])}")
        costs = {
            name: read_dataclass(Cost, mapping[name], f"{CERTIFICATE}.{name}") for name in PRECISIONS if name in mapping
        }
        return cls(fingerprint=mapping["fingerprint"], recordings=mapping["recordings"], costs=costs)


def read_certificate(network: Network) -> Certificate | None:
    """Returns a model's certificate; None, and a warning, for one that is damaged or of other weights."""
    if CERTIFICATE not in network.provenance:
        return None
    try:
        certificate = Certificate.from_dict(network.provenance[CERTIFICATE])
        if certificate.fingerprint != (found := fingerprint(network)):
            raise ValueError(f"it is of the weights {certificate.fingerprint}, and the model's are {found}")
    except ValueError as error:
        warnings.warn(f"the model's certificate is not used: {error}; `vocos certify` writes a new one", stacklevel=2)
        return None
    return certificate


def keeps_quality(network: Network) -> dict[str, bool]:
    """Returns for each precision whether a model sounds in it as it does in float32.

    ``bfloat16`` is taken to if no certificate denies it, ``int8`` only with a certificate.
    """
    certificate = read_certificate(network)
    kept = {"float32": True, "bfloat16": True, "int8": False}
    if certificate is not None and certificate.recordings >= MIN_RECORDINGS:
        kept.update({name: cost.is_small for name, cost in certificate.costs.items()})
    return kept


def fingerprint(network: nn.Module) -> str:
    """Returns 16 hexadecimal digits that identify weights, whatever file or toolkit they came from."""
    digest = hashlib.sha256()
    for name, weight in sorted(network.named_parameters()):
        digest.update(name.encode())
        digest.update(weight.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]
