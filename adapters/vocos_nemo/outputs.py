"""Which NeMo models have no mel for a vocoder, by their class, their networks or their sections.

Most of them have a preprocessor all the same: its mel is a loss, or what the model listens to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vocos_plugins.mel import ConventionError

from .interpolation import resolved_options

WAVEFORM = "a waveform"
CODES = "codes of an audio codec"
TEXT = "text, labels or embeddings"
# Parts of the names of classes, of all versions since 1.0.
CLASSES = {
    "vits": WAVEFORM,
    "e2e": WAVEFORM,  # FastPitchHifiGanE2EModel, FastSpeech2HifiGanE2EModel
    "fastspeech2s": WAVEFORM,
    "degli": "a waveform, from a linear spectrogram",
    "mel2spec": "a linear spectrogram",
    "codec": CODES,
    "magpie": CODES,
    "t5tts": CODES,
    "speechlm": CODES,
    "disentangler": "embeddings",
    "aligner": "an alignment of text and speech",
    "talknetdurs": "durations",
    "talknetpitch": "pitch",
    "g2p": "phonemes",
}
# Beginnings of a model's import path.
PACKAGES = {
    "nemo.collections.asr.": TEXT,
    "nemo.collections.nlp.": TEXT,
    "nemo.collections.speechlm2.": "text or codes",
    "nemo.collections.audio.": "a waveform, from another one",
}
# Parts of the import paths of networks; a training's configuration names no class.
NETWORKS = {
    ".vits_modules.": WAVEFORM,
    ".degli.": "a waveform, from a linear spectrogram",
    ".audio_codec_modules.": CODES,
    ".encodec_modules.": CODES,
}
SECTIONS = {"codecmodel_path": CODES, "vector_quantizer": CODES, "downstream_heads": "embeddings"}
GENERATORS = (".hifigan_modules.", ".univnet_modules.")
# What turns text into something that a generator takes.
READERS = (".modules.transformer.", ".modules.fastspeech2.", ".modules.fastpitch.")
LISTENERS = ("Decoder", "Joint", "Classifier")  # the last layers of recognizers, in nemo.collections.asr
# Not networks: these hold data sets, text processing and what is logged.
OTHER_SECTIONS = ("preprocessor", "train_ds", "validation_ds", "test_ds", "text_tokenizer", "log_config")
DATASET = ("train_ds", "dataset")
DATASET_FIELDS = ("sample_rate", "n_fft", "win_length", "hop_length", "n_mels", "lowfreq", "highfreq")


def model_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the model's part of a configuration, which is all of it outside of a training's."""
    model = config.get("model")
    # TalkNet's model has a network of that name.
    return model if isinstance(model, Mapping) and "_target_" not in model else config


def is_nemos(config: Mapping[str, Any]) -> bool:
    """Whether a configuration names a class of NeMo's as its model, preprocessor or network."""
    model = model_of(config)
    # A file of one group of options names classes, too, but says nothing about a model.
    whole = model is not config or "target" in config
    names = (str(model.get("target")), *_targets(model if whole else model.get("preprocessor"), ()))
    return any(name.startswith("nemo.") for name in names)


def check_has_mel(config: Mapping[str, Any]) -> None:
    """Raises ConventionError for a model without a mel; the message says what it outputs instead."""
    model = model_of(config)
    output = _output_of(model)
    if output is not None:
        name = class_name(model.get("target")) or config.get("name") or "model"
        raise ConventionError(f"NeMo's {name} has no mel for a vocoder: it outputs {output}")


def why_unknown(config: Mapping[str, Any]) -> str:
    """Returns the message for a model whose configuration has no preprocessor, with the ways out."""
    model = model_of(config)
    name = class_name(model.get("target"))
    known = _dataset_fields(config)
    hint = f" Its training data has {known}." if known else ""
    return (
        f"{f'this {name}' if name else 'the model'}'s configuration does not say which mel it uses: it has no "
        f"preprocessor.{hint} Name the convention if you know it (`vocos conventions` lists them), or save one of its "
        "mels and let `vocos doctor --mel FILE` list those that it could have"
    )


def class_name(target: Any) -> str:
    """Returns the last part of an import path, or nothing."""
    return str(target).rpartition(".")[2] if target else ""


def _output_of(model: Mapping[str, Any]) -> str | None:
    """Returns what a model outputs if that is no mel; None if it is one, or if nothing shows it."""
    target = str(model.get("target") or "")
    networks = list(_targets(model, OTHER_SECTIONS))
    found = [output for part, output in CLASSES.items() if part in class_name(target).lower()]
    found += [output for package, output in PACKAGES.items() if target.startswith(package)]
    found += [output for section, output in SECTIONS.items() if section in model]
    found += [output for part, output in NETWORKS.items() if any(part in network for network in networks)]
    if any(_has(network, GENERATORS) for network in networks) and any(_has(network, READERS) for network in networks):
        found.append(WAVEFORM)
    if any(".asr." in network and _has(class_name(network), LISTENERS) for network in networks):
        found.append(TEXT)
    modules = [network for network in networks if ".tts.modules." in network]
    if modules and all(".modules.aligner." in module for module in modules):
        found.append(CLASSES["aligner"])
    return found[0] if found else None


def _has(text: str, parts: tuple[str, ...]) -> bool:
    return any(part in text for part in parts)


def _targets(node: Any, skipped: tuple[str, ...], seen: set[int] | None = None) -> Iterator[str]:
    """Yields the import path of everything that a configuration builds, outside of the skipped sections."""
    seen = set() if seen is None else seen
    # YAML's anchors may repeat a mapping without end.
    if not isinstance(node, Mapping) or id(node) in seen:
        return
    seen.add(id(node))
    for key in node:
        value = _value(node, key)
        if key in ("_target_", "cls") and isinstance(value, str):
            yield value
        elif key not in skipped:
            yield from _targets(value, skipped, seen)


def _value(node: Mapping[str, Any], key: str) -> Any:
    try:
        return node[key]
    except Exception:  # OmegaConf's own, for values that are missing
        return None


def _dataset_fields(config: Mapping[str, Any]) -> str:
    """Returns what the training's data set says about the mel, in words."""
    place = DATASET if model_of(config) is config else ("model", *DATASET)
    try:
        options = resolved_options(config, place, DATASET_FIELDS)
    except (ConventionError, LookupError, TypeError):
        return ""
    return ", ".join(f"{name} {options[name]}" for name in DATASET_FIELDS if options.get(name) is not None)
