"""Time of a decode by stage of the model, and by torch operator."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from ...inference.backend import Backend, Precision
from ...inference.fast.engine import FastEngine
from ...model import Vocos
from ...network.heads import ISTFTHead
from ...network.network import Engine
from .operations import STAGES

TURNS = 9
N_OPERATORS = 12


class Clock:
    """Wraps a function, or a function that returns a generator, and adds up the time that is spent in it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.laps: list[float] = []

    @property
    def seconds(self) -> float:
        """The sum of all laps."""
        return sum(self.laps)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        before = time.perf_counter()
        result = self.function(*args, **kwargs)
        self.laps.append(time.perf_counter() - before)
        # A generator computes in next(), so each item is timed, too.
        return self._each(result) if isinstance(result, Iterator) else result

    def _each(self, generator: Iterator[Any]) -> Iterator[Any]:
        while True:
            before = time.perf_counter()
            item = next(generator, None)
            self.laps.append(time.perf_counter() - before)
            if item is None:
                return
            yield item


@torch.no_grad()
def stage_seconds(vocos: Vocos, precision: Precision, features: Tensor, bandwidth: int | None) -> dict[str, float]:
    """Measures the median seconds of each of `operations.STAGES` in a decode by torch.

    ``embed`` is the first convolution, ``blocks`` the rest of the backbone with its norms, ``head`` everything up to
    the spectrum, ``refinement`` the passes over it. For a head with another transform, or none, everything is ``head``.

    Args:
        vocos: the model.
        precision: a precision of `Backend`.
        features: the features of one item, ``(C, T)``.
        bandwidth: the bandwidth index of an EnCodec model.
    """
    run, clocks = _with_clocks(vocos, Backend(precision), features.device)
    # Not timed: the first decode builds what later ones reuse.
    run(features, bandwidth)
    decodes = []
    for _ in range(TURNS):
        for clock in clocks.values():
            clock.laps.clear()
        run(features, bandwidth)
        decodes.append(_split(clocks))
    return {stage: statistics.median(seconds[stage] for seconds in decodes) for stage in STAGES}


def operators(vocos: Vocos, precision: Precision, features: Tensor, bandwidth: int | None) -> dict[str, float]:
    """Measures the share of the time in each of torch's operators, longest first; arguments as in `stage_seconds`."""
    vocos.backend = Backend(precision)
    vocos.decode(features[None], bandwidth_id=bandwidth)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for _ in range(TURNS):
            vocos.decode(features[None], bandwidth_id=bandwidth)
    times = {event.key: event.self_cpu_time_total for event in profile.key_averages()}
    longest = sorted(times, key=lambda name: -times[name])[:N_OPERATORS]
    return {name: times[name] / sum(times.values()) for name in longest}


def _split(clocks: dict[str, Clock]) -> dict[str, float]:
    """Returns the seconds of one decode by stage."""
    embed, backbone, head = (clocks[part].seconds for part in ("embed", "backbone", "head"))
    spectra, refinement = head, 0.0
    if "spectra" in clocks:
        spectra = clocks["spectra"].seconds
        if "refined" in clocks:
            refinement = clocks["refined"].seconds
        elif len(clocks["signal"].laps) > 1:  # the first lap computes the spectra and the signal, the others refine it
            refinement = head - clocks["signal"].laps[0]
    parts = (embed, backbone - embed, spectra, head - spectra - refinement, refinement)
    return dict(zip(STAGES, parts, strict=True))


def _with_clocks(vocos: Vocos, backend: Backend, device: torch.device) -> tuple[Engine, dict[str, Clock]]:
    """Returns a function that decodes one item, and the clocks in it."""
    # Functions are replaced below; the caller's model stays as it is.
    vocos = copy.deepcopy(vocos)
    engine, head = backend.engine(vocos, device), vocos.head
    if not isinstance(engine, FastEngine):
        return _modules_with_clocks(vocos)
    backbone = copy.copy(engine.backbone)
    clocks = {"embed": Clock(backbone.embed), "backbone": Clock(backbone)}
    backbone.embed = clocks["embed"]  # type: ignore[assignment]
    if engine.synthesis is not None:
        synthesis = copy.copy(engine.synthesis)
        clocks |= {"spectra": Clock(synthesis._spectra), "signal": Clock(synthesis._signal), "head": Clock(synthesis)}
        synthesis._spectra, synthesis._signal = clocks["spectra"], clocks["signal"]  # type: ignore[method-assign]
    else:
        clocks["head"] = Clock(lambda hidden, features: head(hidden[None], features[None])[0])

    def run(features: Tensor, bandwidth: int | None) -> Tensor:
        audio: Tensor = clocks["head"](clocks["backbone"](features, bandwidth), features)
        return audio

    return run, clocks


def _modules_with_clocks(vocos: Vocos) -> tuple[Engine, dict[str, Clock]]:
    parts = {"embed": vocos.backbone.embed, "backbone": vocos.backbone, "head": vocos.head}
    clocks = {name: Clock(part.forward) for name, part in parts.items()}
    for name, part in parts.items():
        part.forward = clocks[name]  # type: ignore[method-assign]
    if isinstance(vocos.head, ISTFTHead):
        clocks |= {"spectra": Clock(vocos.head.spectrum), "refined": Clock(vocos.head.refined)}
        vocos.head.spectrum, vocos.head.refined = clocks["spectra"], clocks["refined"]  # type: ignore[method-assign]

    def run(features: Tensor, bandwidth: int | None) -> Tensor:
        return vocos.compute(features[None], None if bandwidth is None else torch.tensor([[bandwidth]]))[0]

    return run, clocks
