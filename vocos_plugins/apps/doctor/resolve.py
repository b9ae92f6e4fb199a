"""The features of a text-to-speech model or a vocoder, from the name or path that a user types.

Nothing is downloaded, no weights are read, and no code in a file is run.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

from ...config import FEATURES, PARTS, Features, VocosConfig
from ...config.mapping import ConfigError, read_part
from ...config.suggestions import suggestion
from ...export.sessions import SUFFIXES, load_session
from ...mel.convention import ConventionError, ConventionWarning, MelConvention
from ...mel.preprocessor_config import read_preprocessor_config
from ...plugins import ExportedVocoder, ToolkitAdapter, checkpoint_cards, mel_conventions, toolkit_adapters
from ...plugins.catalogue import find_card
from ...plugins.exported import read_export
from ...storage.cards import CheckpointCard
from ...storage.checkpoint import read_config
from ...storage.find import BUNDLED, bundled_names
from ...storage.reference_config import is_reference
from ...storage.safe_files import CONFIG_FILE, CheckpointError, read_yaml

YAML_SUFFIXES = (".yaml", ".yml")
ACCEPTED = (
    "a checkpoint directory, a configuration or model of a toolkit (Coqui TTS: config.json, NeMo: .nemo or YAML, "
    "SpeechBrain: hyperparams.yaml, transformers: preprocessor_config.json, or the directory that contains it), a "
    "result of `vocos export`, a bundled or published checkpoint's name, or a mel convention's name (`vocos "
    "conventions` lists them)"
)


class EndpointError(ValueError):
    """The text doesn't identify any features. The message says why, or what is expected and which names are nearest."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """The features of a text-to-speech model or a vocoder, and where they were read.

    Attributes:
        name: the name or path that the user typed.
        kind: ``checkpoint``, ``bundled checkpoint``, ``published checkpoint``, ``training config``, ``convention``, or
            a toolkit's configuration, such as ``coqui config``; what was exported for it, such as ``coqui export``; or
            a file for a runtime, such as ``onnxruntime file``.
        features: a mel convention, or EnCodec codes. Those of an exported vocoder are the mels that it was exported
            for, which it converts.
        path: the file or directory, if there is one.
        toolkit: the adapter that read it, if one did.
        model: the name that `Vocos.from_pretrained` loads it by; None if it is not a Vocos checkpoint.
        exported: an exported vocoder, if it is one.
        notes: what the user should know about how it was read.
    """

    name: str
    kind: str
    features: Features
    path: Path | None = None
    toolkit: str | None = None
    model: str | None = None
    exported: ExportedVocoder | None = None
    notes: tuple[str, ...] = ()

    @property
    def convention(self) -> MelConvention | None:
        """The convention of its mel; None for EnCodec codes."""
        return self.features if isinstance(self.features, MelConvention) else None

    def inside(self) -> Endpoint:
        """Returns it as a vocoder: with the features of the model inside, if it is an exported one."""
        return self if self.exported is None else replace(self, features=self.exported.config.features)


def resolve_endpoint(text: str) -> Endpoint:
    """Resolves a name or path: an existing path first, then a bundled or published checkpoint, then a convention.

    Raises:
        EndpointError: the text doesn't identify any features.
        PluginError: plugins contradict each other.
    """
    # A path wins over a name, as in `Vocos.from_pretrained`; a directory without a model leaves the name its meaning.
    path = _existing(text)
    endpoint = None if path is None else _from_path(text, path)
    endpoint = endpoint or _from_name(text)
    if endpoint is None:
        raise EndpointError(_unknown(text, path))
    return endpoint


def _existing(text: str) -> Path | None:
    path = Path(os.path.expanduser(text))
    try:
        return path if text and path.exists() else None
    except (OSError, ValueError):  # too long for a path, or not one
        return None


def _from_path(name: str, path: Path) -> Endpoint | None:
    """Reads the endpoint at a path; None if no reader knows this kind of file.

    Raises:
        EndpointError: a reader knows it, but can't read this file.
    """
    try:
        endpoint = _from_runtime_file(name, path) if path.suffix.lower() in SUFFIXES else _from_vocos(name, path)
        if endpoint is not None:
            return endpoint
    except (CheckpointError, ConfigError) as error:
        raise EndpointError(str(error)) from error
    reasons: list[str] = []
    # Each adapter decides by the content whether a file is its toolkit's, since many share a suffix.
    for adapter in toolkit_adapters().values():
        if (endpoint := _tried(adapter, name, path, reasons)) is not None:
            return endpoint
    if reasons:
        raise EndpointError("\n".join(reasons))
    try:
        features = read_preprocessor_config(path)
    except ConventionError as error:
        raise EndpointError(str(error)) from error
    if features is None:
        return None
    return Endpoint(name=name, kind="transformers config", features=features, path=path)


def _from_runtime_file(name: str, path: Path) -> Endpoint:
    """Reads a file of `vocos export onnx` or `openvino`, which takes the model's own mel."""
    try:
        session = load_session(path)
    except ImportError as error:
        raise EndpointError(f"{path} can't be read: {error}. pip install 'vocos-plugins[onnx,openvino]'") from error
    except ValueError as error:
        raise EndpointError(str(error)) from error
    features = read_part(session.config["features"], FEATURES, str(path))
    return Endpoint(name=name, kind=f"{SUFFIXES[path.suffix.lower()]} file", features=features, path=path)


def _from_vocos(name: str, path: Path) -> Endpoint | None:
    """Reads a Vocos checkpoint or a training configuration; None if the path is neither."""
    file = path / CONFIG_FILE if path.is_dir() else path
    if not (file.is_file() and file.suffix in YAML_SUFFIXES):
        return None
    try:
        mapping = read_yaml(file)
    except CheckpointError:  # not plain YAML: perhaps a toolkit's
        return None
    if _has_parts(model := mapping.get("model")):
        try:
            features = VocosConfig.from_dict(model).features
        except ConfigError as error:
            raise ConfigError(f"{file}: model: {error}") from error
        return Endpoint(name=name, kind="training config", features=features, path=path)
    if not (is_reference(mapping) or _has_parts(mapping)):
        return None
    features = read_config(file)[0].features
    if file.name != CONFIG_FILE:
        return Endpoint(name=name, kind="training config", features=features, path=path)
    model = name if path.is_dir() else str(file.parent)
    return Endpoint(name=name, kind="checkpoint", features=features, path=path, model=model)


def _has_parts(mapping: object) -> TypeGuard[Mapping[str, Any]]:
    # One such key alone can occur in another program's YAML.
    return isinstance(mapping, Mapping) and len(PARTS.keys() & mapping.keys()) > 1


def _tried(adapter: ToolkitAdapter, name: str, path: Path, reasons: list[str]) -> Endpoint | None:
    """Reads a path by an adapter, with its notes; if the file is its toolkit's but unreadable, adds why."""
    notes: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConventionWarning)
            endpoint = _from_adapter(adapter, name, path)
        for warning in caught:
            if issubclass(warning.category, ConventionWarning):
                notes.append(f"{path}: {warning.message}")
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        return None if endpoint is None else replace(endpoint, notes=tuple(notes))
    except ConventionError as error:
        reasons.append(str(error))
    except Exception as error:  # a third party's reader may raise anything; the other readers are still tried
        reasons.append(f"{path}: the adapter {adapter.name!r} failed to read it: {type(error).__name__}: {error}")
    return None


def _from_adapter(adapter: ToolkitAdapter, name: str, path: Path) -> Endpoint | None:
    kind = f"{adapter.name} export"
    # First, since an export looks like any other model of the toolkit.
    if (exported := read_export(adapter, path)) is not None:
        features = exported.source
        return Endpoint(
            name=name, kind=kind, features=features, path=path, toolkit=adapter.name, model=name, exported=exported
        )
    if (convention := adapter.read_convention(path)) is not None:
        kind = f"{adapter.name} config"
        return Endpoint(name=name, kind=kind, features=convention, path=path, toolkit=adapter.name)
    return None


def _from_name(name: str) -> Endpoint | None:
    if name in bundled_names():
        path = BUNDLED / name
        features = read_config(path / CONFIG_FILE)[0].features
        return Endpoint(name=name, kind="bundled checkpoint", features=features, path=path, model=name)
    if (card := find_card(name)) is not None:
        return Endpoint(name=name, kind="published checkpoint", features=_of_card(card), model=name)
    convention = mel_conventions().get(name)
    return None if convention is None else Endpoint(name=name, kind="convention", features=convention)


def _of_card(card: CheckpointCard) -> MelConvention:
    if card.refusal is not None:
        raise EndpointError(f"{card.name} can't be loaded: {card.refusal}")
    if card.mel is None:
        raise EndpointError(
            f"the mel convention of {card.name} isn't known without its files. Load it once and compare the copy: "
            f"Vocos.from_pretrained({card.name!r}).save_pretrained('DIRECTORY')"
        )
    return card.mel


def _unknown(text: str, path: Path | None) -> str:
    if path is not None:
        what = "directory" if path.is_dir() else "file"
        return f"no reader knows the {what} {text}: it is of another kind, or damaged. Expected {ACCEPTED}"
    loadable = [name for name, card in checkpoint_cards().items() if card.refusal is None]
    hint = suggestion(text, [*bundled_names(), *loadable, *mel_conventions()], limit=4)
    problem = f"{text!r} is not a file, directory or known name" + (f"; {hint}" if hint else ".")
    return f"{problem} Expected {ACCEPTED}"
