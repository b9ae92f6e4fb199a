"""Puts a Vocos into a loaded Bark: transformers', suno's or Coqui TTS's."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from torch import nn

from vocos_plugins import Vocos

from .codec import VocosCodec

SUNO_KEY = "codec"  # bark/generation.py keeps its models in a dictionary


@dataclass(frozen=True)
class Slot:
    """The place where a Bark keeps its codec: an attribute of a module, or an entry of a dictionary.

    Attributes:
        owner: the module or dictionary.
        name: name of the attribute or key of the entry.
    """

    owner: nn.Module | MutableMapping[str, Any]
    name: str

    def get(self) -> Any:
        """Returns the codec that is there, or None."""
        if isinstance(self.owner, nn.Module):
            return getattr(self.owner, self.name)
        return self.owner.get(self.name)

    def put(self, codec: Any) -> None:
        """Puts a codec there; None empties the place."""
        if isinstance(self.owner, nn.Module):
            setattr(self.owner, self.name, codec)
        elif codec is None:  # suno's Bark loads a codec if the key is missing
            self.owner.pop(self.name, None)
        else:
            self.owner[self.name] = codec


@contextmanager
def using(bark: Any, vocos: Vocos, *, bandwidth_id: int | None = None) -> Iterator[VocosCodec]:
    """Lets a Bark speak through a Vocos inside a ``with`` block; afterwards it is as before, errors included.

    Args:
        bark: transformers' ``BarkModel`` or a pipeline with one; the module ``bark``, whose models are shared by the
            whole process; Coqui TTS's ``Bark``, or a ``TTS`` or ``Synthesizer`` with one.
        vocos: an EnCodec model; moved to Bark's device, which it follows from then on.
        bandwidth_id: condition of the model, by default the bandwidth of Bark's 8 codebooks.

    Yields:
        The codec that has been put into Bark.

    Raises:
        CodesMismatch: the model doesn't take Bark's codes; nothing was changed.
        TypeError: ``bark`` is none of these.
    """
    slot = find_slot(bark)
    # Kept, instead of calling `detach` afterwards: a Vocos that was attached before must come back, too.
    before = slot.get()
    try:
        yield attach(bark, vocos, bandwidth_id=bandwidth_id)
    finally:
        slot.put(before)


def attach(bark: Any, vocos: Vocos, *, bandwidth_id: int | None = None) -> VocosCodec:
    """Lets a Bark speak through a Vocos until `detach`; takes, returns and raises what `using` does."""
    slot = find_slot(bark)
    # A second Vocos takes the place of the first, never wraps it: `detach` then finds EnCodec.
    codec = _without_vocos(slot.get())
    attached = VocosCodec(vocos, codec, bandwidth_id=bandwidth_id)
    if codec is not None:
        vocos.to(next(codec.parameters()).device)
    slot.put(attached.eval())
    return attached


def detach(bark: Any) -> None:
    """Restores the codec from before `attach`, if a Vocos is attached; raises the errors of `using`."""
    slot = find_slot(bark)
    slot.put(_without_vocos(slot.get()))


def find_slot(bark: Any) -> Slot:
    """Returns the place where a Bark keeps its codec.

    Raises:
        TypeError: ``bark`` is not a Bark that is known here.
    """
    if isinstance(bark, ModuleType):
        # Either the package `bark`, or its module `bark.generation`, which holds the models.
        generation = getattr(bark, "generation", bark)
        if isinstance(models := getattr(generation, "models", None), dict) and hasattr(generation, "codec_decode"):
            return Slot(models, SUNO_KEY)
    for model in _candidates(bark):
        config = getattr(model, "config", None)
        # transformers' configurations have a model_type, Coqui TTS's a model.
        if getattr(config, "model_type", None) == "bark" and hasattr(model, "codec_model"):
            return Slot(model, "codec_model")
        if getattr(config, "model", None) == "bark" and hasattr(model, "encodec"):
            return Slot(model, "encodec")
    what = f"the module {bark.__name__}" if isinstance(bark, ModuleType) else f"a {type(bark).__name__}"
    raise TypeError(
        f"expected transformers' BarkModel or a pipeline with one, the module bark, or Coqui TTS's Bark or a TTS with "
        f"one, got {what}"
    )


def _candidates(bark: Any) -> Iterator[nn.Module]:
    """Yields the object itself, the model of a pipeline, and that of a ``TTS`` or ``Synthesizer``."""
    synthesizer = getattr(bark, "synthesizer", None)
    for model in (
        bark,
        getattr(bark, "model", None),
        getattr(bark, "tts_model", None),
        getattr(synthesizer, "tts_model", None),
    ):
        if isinstance(model, nn.Module):
            yield model


def _without_vocos(codec: Any) -> Any:
    return codec.codec if isinstance(codec, VocosCodec) else codec
