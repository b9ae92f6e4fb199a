"""Which SpeechBrain models have no mel for a vocoder, by the classes that their hyperparameters build.

Their files have a mel all the same: it is only a loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vocos_plugins.mel import ConventionError

from .hyperparams import Construction, Undetermined

# By parts of the classes' names.
MODELS = {
    "UnitHifiganGenerator": "takes discrete units and outputs a waveform",
    "UnitHIFIGAN": "takes discrete units and outputs a waveform",
    "VITS": "outputs a waveform",
    "Vits": "outputs a waveform",
    "Tokotron": "outputs tokens of an audio codec",
    "S2UT": "outputs discrete units",
}
GENERATOR = "HifiganGenerator"
# What models that only listen take: speechbrain.lobes.features.
LISTENED_TO = ("Fbank", "MFCC")


def check_has_mel(hparams: Mapping[str, Any], n_mels: Any) -> None:
    """Raises ConventionError for a model without a mel; the message says what it takes or outputs instead.

    Args:
        hparams: as read by `read_hyperparams` or loaded by SpeechBrain.
        n_mels: the number of bands of the mel that they describe; None if they describe none.
    """
    built = list(_built(hparams, set()))
    for name, _ in built:
        for part, what in MODELS.items():
            if part in name:
                raise ConventionError(f"SpeechBrain's {name} has no mel for a vocoder: it {what}")
    for name, arguments in built:
        channels = arguments.get("in_channels")
        if name == GENERATOR and n_mels is not None and type(channels) is int and channels != n_mels:
            raise ConventionError(
                f"SpeechBrain's {name} has no mel here: it takes features of {channels} channels, and the file's mel "
                f"has {n_mels} bands"
            )
    if n_mels is None:
        for name, _ in built:
            if name in LISTENED_TO:
                raise ConventionError(
                    f"this model has no mel for a vocoder: it listens to the features of SpeechBrain's {name}"
                )


def _built(node: Any, seen: set[int]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields each class that is built, by name, with its arguments if the file has them as keywords."""
    # YAML's anchors may repeat a mapping without end.
    if id(node) in seen:
        return
    if isinstance(node, (Mapping, list, Construction)):
        seen.add(id(node))
    if isinstance(node, Undetermined):
        tag, _, path = node.text.partition(":")
        arguments = node.arguments if isinstance(node, Construction) else {}
        if tag in ("!new", "!name", "!apply"):
            yield path.split(" ")[0].rpartition(".")[2], arguments
        yield from _built(dict(arguments), seen)
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _built(value, seen)
    elif isinstance(node, list):
        for value in node:
            yield from _built(value, seen)
    elif hasattr(node, "parameters"):  # a module that SpeechBrain has built
        yield type(node).__name__, {}
