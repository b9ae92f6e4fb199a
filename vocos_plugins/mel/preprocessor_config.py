"""Mel conventions of transformers' models on disk: ``preprocessor_config.json``, read without transformers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .convention import ConventionError, MelConvention
from .feature_extractors import from_transformers
from .shown import shown

# The second is written by newer versions, for a whole processor.
NAMES = ("preprocessor_config.json", "processor_config.json")
TYPE = "feature_extractor_type"
MAX_BYTES = 1 << 20
# Arguments of transformers' classes (5.24) that determine a mel, with their defaults: a file may lack some.
DEFAULTS: dict[str, dict[str, Any]] = {
    "SpeechT5FeatureExtractor": {
        "sampling_rate": 16000,
        "padding_value": 0.0,
        "num_mel_bins": 80,
        "hop_length": 16,
        "win_length": 64,
        "win_function": "hann_window",
        "fmin": 80.0,
        "fmax": 7600.0,
        "mel_floor": 1e-10,
    },
    "UnivNetFeatureExtractor": {
        "sampling_rate": 24000,
        "do_normalize": False,
        "num_mel_bins": 100,
        "hop_length": 256,
        "win_length": 1024,
        "win_function": "hann_window",
        "filter_length": 1024,
        "fmin": 0.0,
        "fmax": None,
        "mel_floor": 1e-9,
        "center": False,
        "compression_factor": 1.0,
        "compression_clip_val": 1e-5,
        "normalize_min": -11.512925148010254,
        "normalize_max": 2.3143386840820312,
    },
    "ClvpFeatureExtractor": {
        "feature_size": 80,
        "sampling_rate": 22050,
        "hop_length": 256,
        "n_fft": 1024,
        "mel_norms": None,
    },
}


def read_preprocessor_config(path: Path) -> MelConvention | None:
    """Reads the convention of a feature extractor of transformers.

    Args:
        path: its JSON file, or the directory of a model.

    Returns:
        None if this is no such file, or that of something else, such as images.

    Raises:
        ConventionError: no convention can express the mel, or a value is invalid; the message names it.
    """
    files = [path / name for name in NAMES] if path.is_dir() else [path]
    for file in files:
        config = _parse(file) if file.suffix == ".json" and file.is_file() else None
        if config is None:
            continue
        name = str(config[TYPE])
        try:
            return from_transformers(_stand_in(name, config))
        except ConventionError as error:
            raise ConventionError(f"{file}: {error}") from error
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ConventionError(f"{file}: {name}: {error}") from error
    return None


def _parse(file: Path) -> Mapping[str, Any] | None:
    """Returns the settings of a feature extractor; None if the file has none."""
    try:
        with file.open("rb") as stream:
            config = json.loads(stream.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    nested = config.get("feature_extractor") if isinstance(config, dict) else None
    config = nested if isinstance(nested, dict) else config
    return config if isinstance(config, dict) and TYPE in config else None


def _stand_in(name: str, config: Mapping[str, Any]) -> Any:
    """Returns an object with the class's name and attributes, for `from_transformers`."""
    values = {key: _checked(key, config.get(key, default), default) for key, default in DEFAULTS.get(name, {}).items()}
    # As the classes' constructors derive them.
    if "filter_length" in values:
        n_fft = values["filter_length"]
        values["n_fft"] = 2 ** math.ceil(math.log2(values["win_length"])) if n_fft is None else n_fft
        values["fmax"] = values["sampling_rate"] / 2 if values["fmax"] is None else values["fmax"]
    return type(name, (SimpleNamespace,), {})(**values)


def _checked(key: str, value: Any, default: Any) -> Any:
    """Returns a value of the default's type; JSON has no other types than those of the defaults."""
    number = not isinstance(value, bool) and isinstance(value, (int, float))
    optional = default is None or key == "filter_length"
    if value is None and optional:
        return None
    if key == "mel_norms" and isinstance(value, list):
        return value
    if isinstance(default, (bool, str)):
        fits = type(value) is type(default)
    elif isinstance(default, int):
        fits = number and value > 0 and float(value).is_integer()  # a size or a rate
        value = int(value) if fits else value
    else:
        fits = number
    if not fits:
        raise ConventionError(f"{key}: expected a value like {default!r}, got {shown(value)}")
    return value
