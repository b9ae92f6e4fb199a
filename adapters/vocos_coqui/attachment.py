"""Puts a Vocos into a loaded text-to-speech model of Coqui TTS, whatever its configuration says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.mel import ConventionError

from .mel import from_coqui
from .vocoder import VocosVocoder, wrap

# Attributes set by Synthesizer._load_vocoder (TTS/utils/synthesizer.py); without a vocoder there is no vocoder_ap.
SET_BY_COQUI = ("vocoder_model", "vocoder_config", "vocoder_ap", "output_sample_rate")
BEFORE = "_before_vocos"


def attach(tts: Any, vocos: Vocos, *, strict: bool = False) -> VocosVocoder:
    """Lets a text-to-speech model speak through a Vocos, in place of Griffin-Lim or another vocoder.

    Args:
        tts: a ``TTS.api.TTS`` or ``TTS.utils.synthesizer.Synthesizer``.
        vocos: a mel model; moved to the TTS's device, which it follows from then on.
        strict: refuse a mel that can only be converted lossily.

    Returns:
        The vocoder, which is now ``Synthesizer.vocoder_model``.

    Raises:
        ConventionError: the model has no mel for a vocoder; the message says what it outputs instead.
        MelMismatch: the mel can't be converted to the vocoder's.
        TypeError: ``tts`` is neither.
    """
    synthesizer = _synthesizer(tts)
    source = _source(synthesizer)
    vocoder = wrap(vocos, source=source, strict=strict)
    device = next(synthesizer.tts_model.parameters()).device
    new = (vocoder.to(device), vocoder.config, vocoder.ap, source.sample_rate)
    # Only the first attach saves: after a second one `detach` must not bring back the first Vocos.
    if not hasattr(synthesizer, BEFORE):
        before = {name: getattr(synthesizer, name) for name in SET_BY_COQUI if hasattr(synthesizer, name)}
        setattr(synthesizer, BEFORE, before)
    for name, value in zip(SET_BY_COQUI, new, strict=True):
        setattr(synthesizer, name, value)
    return vocoder


def detach(tts: Any) -> None:
    """Restores the vocoder from before the first `attach`; does nothing if none is attached."""
    synthesizer = _synthesizer(tts)
    if not hasattr(synthesizer, BEFORE):
        return
    before = getattr(synthesizer, BEFORE)
    for name in SET_BY_COQUI:
        if name in before:
            setattr(synthesizer, name, before[name])
        else:
            delattr(synthesizer, name)
    delattr(synthesizer, BEFORE)


def _synthesizer(tts: Any) -> Any:
    """Returns the ``Synthesizer`` of a ``TTS``, or the object itself if it is one."""
    # A TTS for voice conversion has no synthesizer, but a voice_converter.
    synthesizer = getattr(tts, "synthesizer", tts) or getattr(tts, "voice_converter", None)
    if not hasattr(synthesizer, "tts_model"):
        raise TypeError(f"expected a loaded TTS or Synthesizer of Coqui TTS, got {type(synthesizer or tts).__name__}")
    return synthesizer


def _source(synthesizer: Any) -> MelConvention:
    """Returns the mel that a vocoder gets: ``Synthesizer._run_vocoder`` undoes the TTS's normalization first."""
    if synthesizer.tts_model is None:  # a voice converter
        config = synthesizer.vc_config
        from_coqui(config)
        raise ConventionError(f"Coqui TTS's {config.model} converts voices, and has no mel for a vocoder")
    config = synthesizer.tts_config
    audio = config.audio.to_dict() if hasattr(config.audio, "to_dict") else config.audio
    # With signal_norm off, the statistics file isn't read: it may be gone, and the synthesizer has undone it.
    # As attributes: the numbers of a loaded configuration are used as they are.
    return from_coqui({"model": config.model, "audio": SimpleNamespace(**{**audio, "signal_norm": False})})
