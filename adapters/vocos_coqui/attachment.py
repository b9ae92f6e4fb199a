"""A Vocos for a text-to-speech model of Coqui TTS that is loaded already, whatever its configuration says."""

from __future__ import annotations

from typing import Any

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.mel import ConventionError

from .mel import from_coqui
from .vocoder import VocosVocoder, wrap

# What Synthesizer._load_vocoder sets (TTS/utils/synthesizer.py); vocoder_ap isn't there before.
SET_BY_COQUI = ("vocoder_model", "vocoder_config", "vocoder_ap", "output_sample_rate")
BEFORE = "_before_vocos"


def attach(tts: Any, vocos: Vocos, *, strict: bool = False) -> VocosVocoder:
    """Lets a text-to-speech model speak through a Vocos, in place of what it had: Griffin-Lim or another vocoder.

    Args:
        tts: a ``TTS.api.TTS`` or ``TTS.utils.synthesizer.Synthesizer``.
        vocos: a mel model; moved to the TTS's device, and from then on with it.
        strict: refuse a mel that can be converted only with a loss.

    Returns:
        The vocoder, which is now ``Synthesizer.vocoder_model``.

    Raises:
        ConventionError: the model has no mel for a vocoder; says what it gives instead.
        MelMismatch: the mel can't be converted to the vocoder's.
        TypeError: ``tts`` is neither.
    """
    synthesizer = _synthesizer(tts)
    source = _source(synthesizer)
    vocoder = wrap(vocos, source=source, strict=strict)
    device = next(synthesizer.tts_model.parameters()).device
    new = (vocoder.to(device), vocoder.config, vocoder.ap, source.sample_rate)
    if not hasattr(synthesizer, BEFORE):
        before = {name: getattr(synthesizer, name) for name in SET_BY_COQUI if hasattr(synthesizer, name)}
        setattr(synthesizer, BEFORE, before)
    for name, value in zip(SET_BY_COQUI, new, strict=True):
        setattr(synthesizer, name, value)
    return vocoder


def detach(tts: Any) -> None:
    """Puts back what was there before the first `attach`; does nothing where none was."""
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
    """The ``Synthesizer`` of a ``TTS``, or itself."""
    found = getattr(tts, "synthesizer", tts) or getattr(tts, "voice_converter", None)
    if not hasattr(found, "tts_model"):
        raise TypeError(f"expected a loaded TTS or Synthesizer of Coqui TTS, got {type(found or tts).__name__}")
    return found


def _source(synthesizer: Any) -> MelConvention:
    """The mel that a vocoder is given: ``Synthesizer._run_vocoder`` has undone the TTS's normalization by then."""
    if synthesizer.tts_model is None:
        config = synthesizer.vc_config
        from_coqui(config)
        raise ConventionError(f"Coqui TTS's {config.model} converts voices, and has no mel for a vocoder")
    config = synthesizer.tts_config
    audio = config.audio.to_dict() if hasattr(config.audio, "to_dict") else config.audio
    # Its statistics, if it has any, need not be read: they belong to what is undone.
    return from_coqui({"model": config.model, "audio": {**audio, "signal_norm": False}})
