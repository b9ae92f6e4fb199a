"""Which models of Coqui TTS have no mel for a vocoder, by their name or by their sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vocos_plugins.mel import ConventionError

# Models of TTS/{tts,vc,encoder}, and what they output instead.
WITHOUT_MEL = {
    "vits": "a waveform, from a linear spectrogram",
    "delightful_tts": "a waveform, from its own vocoder",
    "xtts": "a waveform, from GPT latents",
    "tortoise": "a waveform, from its own vocoder",
    "bark": "a waveform, from EnCodec codes; vocos_bark decodes these",
    "tacotron": "a linear spectrogram",
    "freevc": "a waveform, from a linear spectrogram",
    "openvoice": "a waveform, from a linear spectrogram",
    "knnvc": "WavLM features",
    "speaker_encoder": "an embedding",
    "emotion_encoder": "an embedding",
}
# Fields that only these models have. The files of early speaker encoders and of forks lack a name that says it.
SECTIONS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("model_params", ("proj_dim",), "speaker_encoder"),
    ("model", ("proj_dim",), "speaker_encoder"),
    ("model_args", ("use_sdp", "num_layers_posterior_encoder"), "vits"),
    ("model_args", ("gpt_layers", "gpt_max_text_tokens"), "xtts"),
)
LOSSES = {"kl_loss_alpha": "vits"}


def has_no_mel(config: Any) -> bool:
    """Whether a configuration is of a model without a mel."""
    return _model_without_mel(config) is not None


def check_has_mel(config: Any) -> None:
    """Raises ConventionError for a model without a mel; the message says what it outputs instead."""
    name = _model_without_mel(config)
    if name is not None:
        raise ConventionError(f"Coqui TTS's {name} has no mel for a vocoder: it outputs {WITHOUT_MEL[name]}")


def _model_without_mel(config: Any) -> str | None:
    for field in ("model", "model_name"):
        name = str(_get(config, field)).lower()
        if name in WITHOUT_MEL:
            return name
    for section, fields, name in SECTIONS:
        content = _get(config, section)
        if content is not None and any(_get(content, field) is not None for field in fields):
            return name
    return next((name for field, name in LOSSES.items() if _get(config, field) is not None), None)


def _get(config: Any, field: str) -> Any:
    return config.get(field) if isinstance(config, Mapping) else getattr(config, field, None)
