"""Who takes part: our ways to decode on a CPU, and the package ``vocos`` that the paper's authors published."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import VocosConfig
from ..export.backend import choose_backend
from ..inference.backend import PRECISIONS, BackendName, Precision
from ..model import Vocos

Source = str | VocosConfig  # what `Vocos.from_pretrained` takes, or an architecture for random weights
Decode = Callable[[Tensor], Tensor]  # (B, C, T) -> (B, N)

REFERENCE = "reference"


@dataclass(frozen=True)
class Contestant:
    """A way to decode.

    Attributes:
        backend: as of `Backend`; or ``reference``, the package ``vocos``.
        precision: as of `Backend`.
    """

    backend: BackendName | str
    precision: Precision = "float32"

    @property
    def name(self) -> str:
        """As tables call it."""
        return "vocos 0.1.0" if self.backend == REFERENCE else f"{self.backend} {self.precision}"


def line_up(backends: Iterable[BackendName], precisions: Iterable[Precision] | None = None) -> list[Contestant]:
    """Each backend in each precision, of those that it computes in; all but ``auto`` by default."""
    chosen = None if precisions is None else tuple(precisions)
    return [
        Contestant(backend, precision)
        for backend in backends
        for precision in PRECISIONS[backend]
        if (precision != "auto" if chosen is None else precision in chosen)
    ]


def load(source: Source) -> Vocos:
    """The model, ready for inference."""
    return Vocos.from_pretrained(source) if isinstance(source, str) else Vocos(source).eval()


def build(contestant: Contestant, source: Source) -> Decode:
    """What decodes, built from the weights by a first short call.

    Raises:
        ImportError: a package isn't installed.
        ValueError: this machine, or the backend, can't do that.
    """
    vocos = load(source)
    decode = prepare(contestant, vocos)
    decode(make_features(vocos, 1, 0.1))
    return decode


def prepare(contestant: Contestant, vocos: Vocos) -> Decode:
    """As `build`, without the call."""
    bandwidth = last_bandwidth(vocos)
    if contestant.backend == REFERENCE:
        from .reference import reference

        return reference(vocos.config, bandwidth)
    vocos.backend = choose_backend(contestant.backend, contestant.precision)  # type: ignore[arg-type]
    vocos.backend.prepare(vocos)  # as `Vocos.from_pretrained` does
    return functools.partial(vocos.decode, bandwidth_id=bandwidth)


def last_bandwidth(vocos: Vocos) -> int | None:
    """Of an EnCodec model the highest."""
    return None if vocos.config.n_bandwidths is None else vocos.config.n_bandwidths - 1


def make_features(vocos: Vocos, batch: int, seconds: float) -> Tensor:
    """Noise with the level of a log mel, ``(B, C, T)``."""
    n_frames = max(2, round(seconds * vocos.sample_rate / vocos.hop_length))
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, vocos.config.n_features, n_frames, generator=generator).sub_(5)
