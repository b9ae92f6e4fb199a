"""The systems that an evaluation compares: checkpoints, and Griffin-Lim from the same mels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ..inference.resampling import resample
from ..inference.windows import decode_chunks
from ..mel import MelConvention, align
from ..model import Vocos
from .griffin_lim import griffin_lim

RECORDING = "recording"
GRIFFIN_LIM = "Griffin-Lim"
N_ITER = 32


@dataclass(frozen=True, kw_only=True)
class System:
    """One way from mel to waveform.

    Attributes:
        name: heading of its column.
        mel: the mel that it takes.
        vocode: ``(1, n_mels, T)`` of a recording -> ``(N,)``, both on the CPU.
        vocode_predicted: the same for a mel that a model predicted, which a postfilter may change; None if `vocode`
            does that.
    """

    name: str
    mel: MelConvention
    vocode: Callable[[Tensor], Tensor]
    vocode_predicted: Callable[[Tensor], Tensor] | None = None


def build_systems(models: Mapping[str, Vocos], source: MelConvention | None = None) -> tuple[System, ...]:
    """Builds Griffin-Lim for each mel convention among the inputs, then a system for each model.

    Args:
        models: the models, by the names of their columns.
        source: a mel convention that is the input of all of them, aligned to each model's own; by default each gets
            its own mel.

    Raises:
        ValueError: there is no model, one takes EnCodec codes, or has the name of another column.
        MelMismatch: ``source`` can't be aligned to a model's mel.
    """
    if not models:
        raise ValueError("there is no model to compare")
    conventions: dict[MelConvention, str] = {}
    for name, vocos in models.items():
        if vocos.mel is None:
            raise ValueError(f"{name} takes EnCodec codes; only models that take mels can be compared")
        if name in (RECORDING, GRIFFIN_LIM):
            raise ValueError(f"{name} is the name of another column; for a directory of that name use ./{name}")
        # Griffin-Lim runs once for each mel, and is named after the first model that takes it.
        conventions.setdefault(source or vocos.mel, name)
    shared = len(conventions) == 1
    yardsticks = (
        _griffin_lim_system(GRIFFIN_LIM if shared else f"{GRIFFIN_LIM}, mel of {name}", mel, models[name])
        for mel, name in conventions.items()
    )
    return (*yardsticks, *(_vocos_system(name, vocos, source or vocos.mel) for name, vocos in models.items()))


def describe(mel: MelConvention) -> str:
    """Returns a short description of a mel."""
    return f"{mel.n_mels} bands, {mel.sample_rate / 1000:g} kHz, {mel.hop_length} samples per frame"


def _griffin_lim_system(name: str, convention: MelConvention, vocos: Vocos) -> System:
    device = next(vocos.parameters()).device

    def vocode(mel: Tensor) -> Tensor:
        return griffin_lim(mel.to(device), convention, n_iter=N_ITER)[0].cpu()

    return System(name=name, mel=convention, vocode=vocode)


def _vocos_system(name: str, vocos: Vocos, source: MelConvention | None) -> System:
    alignment = align(source, vocos.mel)
    device = next(vocos.parameters()).device
    # All systems of one mel must return its sample rate, at which they are compared with the recording.
    rate, wanted = vocos.sample_rate, alignment.source.sample_rate

    def vocode(mel: Tensor, *, postfilter: bool = False) -> Tensor:
        pieces = decode_chunks(vocos, mel.to(device), source=source, postfilter=postfilter)
        audio = torch.cat(list(pieces), dim=1).float().cpu()
        return resample(audio, rate, wanted, round(audio.shape[1] * wanted / rate))[0]

    predicted = partial(vocode, postfilter=True) if vocos.postfilter else None
    return System(name=name, mel=alignment.source, vocode=vocode, vocode_predicted=predicted)
