"""Contestants of a benchmark: this package's backends on a CPU, and the package ``vocos`` of the paper's authors."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...config import VocosConfig
from ...export.backend import choose_backend
from ...inference.backend import PRECISIONS, Backend, BackendName, Precision
from ...inference.fast.engine import FastEngine
from ...model import Vocos

Source = str | VocosConfig  # a name for `Vocos.from_pretrained`, or an architecture for random weights
Decode = Callable[[Tensor], Tensor]  # (B, C, T) -> (B, N)

REFERENCE = "reference"


@dataclass(frozen=True)
class Contestant:
    """A way to decode.

    Attributes:
        backend: a backend of `Backend`, or ``reference``, the package ``vocos``.
        precision: a precision of `Backend`.
    """

    backend: BackendName | str
    precision: Precision = "float32"

    @property
    def name(self) -> str:
        """The name in tables."""
        return "vocos 0.1.0" if self.backend == REFERENCE else f"{self.backend} {self.precision}"


def list_contestants(
    backends: Iterable[BackendName], precisions: Iterable[Precision] | None = None
) -> list[Contestant]:
    """Returns each backend in each precision that it supports; by default in all but ``auto``."""
    chosen = None if precisions is None else tuple(precisions)
    return [
        Contestant(backend, precision)
        for backend in backends
        for precision in PRECISIONS[backend]
        if (precision != "auto" if chosen is None else precision in chosen)
    ]


def load(source: Source) -> Vocos:
    """Returns the model, ready for inference."""
    return Vocos.from_pretrained(source) if isinstance(source, str) else Vocos(source).eval()


def build(contestant: Contestant, source: Source) -> Decode:
    """Returns a contestant's decoder after a first short call, in which backends build what they need.

    Raises:
        ImportError: a package isn't installed.
        ValueError: the machine or the backend doesn't support it.
    """
    vocos = load(source)
    decode = prepare(contestant, vocos)
    decode(make_features(vocos, 1, 0.1))
    return decode


def prepare(contestant: Contestant, vocos: Vocos) -> Decode:
    """Returns a contestant's decoder like `build`, without the first call."""
    bandwidth = last_bandwidth(vocos)
    if contestant.backend == REFERENCE:
        # Only this contestant needs the package vocos, which is no dependency.
        from .reference import reference

        return reference(vocos.config, bandwidth)
    vocos.backend = choose_backend(contestant.backend, contestant.precision)  # type: ignore[arg-type]
    vocos.backend.prepare(vocos)  # as `Vocos.from_pretrained` does
    return functools.partial(vocos.decode, bandwidth_id=bandwidth)


def auto_choice(source: Source) -> str:
    """Returns what the precision ``auto`` is for a model in this process, and why; empty if its modules run it."""
    vocos = load(source)
    vocos.backend = backend = Backend("auto")
    backend.prepare(vocos)
    if backend.choice is None or not backend.choice.order:
        return ""
    with torch.no_grad():
        engine = backend.engine(vocos, torch.device("cpu"))
    is_compiled = isinstance(engine, FastEngine) and engine.compiled is not None
    compiled = "`vocos compile` compiled it for single items of up to four seconds" if is_compiled else ""
    return "; ".join(filter(None, (backend.choice.order[0], str(backend.choice), compiled)))


def last_bandwidth(vocos: Vocos) -> int | None:
    """Returns the index of an EnCodec model's highest bandwidth; None for other models."""
    return None if vocos.config.n_bandwidths is None else vocos.config.n_bandwidths - 1


def make_features(vocos: Vocos, batch: int, seconds: float) -> Tensor:
    """Returns noise at the level of a log mel, ``(B, C, T)``."""
    n_frames = max(2, round(seconds * vocos.sample_rate / vocos.hop_length))
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, vocos.config.n_features, n_frames, generator=generator).sub_(5)
