"""One side of a comparison: what a user calls a text-to-speech model or a vocoder, and the features that it stands for.

Nothing is downloaded, no weights are read, and nothing in a file is run.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from ..config import PARTS, Features, VocosConfig
from ..config.mapping import ConfigError
from ..mel.convention import ConventionError, MelConvention
from ..plugins import ToolkitAdapter, checkpoint_cards, mel_conventions, toolkit_adapters
from ..plugins.catalogue import find_card
from ..storage.cards import CheckpointCard
from ..storage.checkpoint import read_config
from ..storage.find import BUNDLED, bundled_names
from ..storage.reference_config import is_reference
from ..storage.safe_files import CONFIG_FILE, CheckpointError, read_yaml

YAML_SUFFIXES = (".yaml", ".yml")
ACCEPTED = (
    "a checkpoint directory, a configuration or model of a toolkit (Coqui TTS: config.json, NeMo: .nemo or YAML, "
    "SpeechBrain: hyperparams.yaml, or the directory that holds it), a bundled or published checkpoint's name, "
    "a mel convention's name (`vocos conventions` lists them)"
)


class SideError(ValueError):
    """No features can be told from what was given: says why, or what is accepted and which names are nearest."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """A text-to-speech model or a vocoder, as far as its features go.

    Attributes:
        name: as the user gave it.
        kind: ``checkpoint``, ``bundled checkpoint``, ``published checkpoint``, ``training config``, ``convention``, or
            a toolkit's, such as ``coqui config``.
        features: a mel convention, or EnCodec codes.
        path: the file or directory, if there is one.
        toolkit: the adapter that read it, if one did.
        model: what `Vocos.from_pretrained` takes to load it; None if it is no checkpoint of ours.
    """

    name: str
    kind: str
    features: Features
    path: Path | None = None
    toolkit: str | None = None
    model: str | None = None

    @property
    def convention(self) -> MelConvention | None:
        """Of its mel; None for EnCodec codes."""
        return self.features if isinstance(self.features, MelConvention) else None


def resolve_side(text: str) -> Side:
    """Finds out what is meant: an existing path first, then a bundled or published checkpoint, then a convention.

    Raises:
        SideError: nothing can be told from it.
        PluginError: plugins contradict each other.
    """
    path = _existing(text)
    side = None if path is None else _from_path(text, path)
    side = side or _from_name(text)
    if side is None:
        raise SideError(_unknown(text, path))
    return side


def _existing(text: str) -> Path | None:
    path = Path(text).expanduser()
    try:
        return path if text and path.exists() else None
    except (OSError, ValueError):  # too long for a path, or not one
        return None


def _from_path(name: str, path: Path) -> Side | None:
    """What lies at a path; None if nobody knows such a file.

    Raises:
        SideError: somebody does, but can't read this one.
    """
    try:
        if (side := _from_vocos(name, path)) is not None:
            return side
    except (CheckpointError, ConfigError) as error:
        raise SideError(str(error)) from error
    reasons: list[str] = []
    for adapter in toolkit_adapters().values():
        convention = _read(adapter, path, reasons)
        if convention is not None:
            kind = f"{adapter.name} config"
            return Side(name=name, kind=kind, features=convention, path=path, toolkit=adapter.name)
    if reasons:
        raise SideError("\n".join(reasons))
    return None


def _from_vocos(name: str, path: Path) -> Side | None:
    """Our own checkpoint, or a training's configuration; None if it isn't ours."""
    file = path / CONFIG_FILE if path.is_dir() else path
    if not (file.is_file() and file.suffix in YAML_SUFFIXES):
        return None
    try:
        mapping = read_yaml(file)
    except CheckpointError:  # no plain YAML: perhaps a toolkit's
        return None
    if _has_parts(model := mapping.get("model")):
        try:
            features = VocosConfig.from_dict(model).features
        except ConfigError as error:
            raise ConfigError(f"{file}: model: {error}") from error
        return Side(name=name, kind="training config", features=features, path=path)
    if not (is_reference(mapping) or _has_parts(mapping)):
        return None
    features = read_config(file)[0].features
    if file.name != CONFIG_FILE:
        return Side(name=name, kind="training config", features=features, path=path)
    model = name if path.is_dir() else str(file.parent)
    return Side(name=name, kind="checkpoint", features=features, path=path, model=model)


def _has_parts(mapping: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(mapping, Mapping) and len(PARTS.keys() & mapping.keys()) > 1


def _read(adapter: ToolkitAdapter, path: Path, reasons: list[str]) -> MelConvention | None:
    """The convention by an adapter's reader; why there is none, if the file is its toolkit's, goes to ``reasons``."""
    try:
        return adapter.read_convention(path)
    except ConventionError as error:
        reasons.append(str(error))
    except Exception as error:  # another package's reader: the other readers still have their turn
        reasons.append(f"{path}: the adapter {adapter.name!r} failed to read it: {type(error).__name__}: {error}")
    return None


def _from_name(name: str) -> Side | None:
    if name in bundled_names():
        path = BUNDLED / name
        features = read_config(path / CONFIG_FILE)[0].features
        return Side(name=name, kind="bundled checkpoint", features=features, path=path, model=name)
    if (card := find_card(name)) is not None:
        return Side(name=name, kind="published checkpoint", features=_of_card(card), model=name)
    convention = mel_conventions().get(name)
    return None if convention is None else Side(name=name, kind="convention", features=convention)


def _of_card(card: CheckpointCard) -> MelConvention:
    if card.refusal is not None:
        raise SideError(f"{card.name} can't be loaded: {card.refusal}")
    if card.mel is None:
        raise SideError(
            f"what {card.name} decodes isn't known without its files. Load it once and compare the copy: "
            f"Vocos.from_pretrained({card.name!r}).save_pretrained('DIRECTORY')"
        )
    return card.mel


def _unknown(text: str, path: Path | None) -> str:
    problem = f"no file, directory or known name is {text!r}"
    if path is not None:
        what = "directory" if path.is_dir() else "file"
        problem = f"no reader knows the {what} {text}: it is of another kind, or damaged"
    loadable = [name for name, card in checkpoint_cards().items() if card.refusal is None]
    known = [*bundled_names(), *loadable, *mel_conventions()]
    close = _nearest(text, known) if path is None else []
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return f"{problem}.{hint} Accepted are {ACCEPTED}"


def _nearest(text: str, names: Iterable[str]) -> list[str]:
    """Names alike in whole or in what stands after the organisation."""
    by_part = {part.lower(): name for name in names for part in (name.rsplit("/", 1)[-1], name)}
    close = difflib.get_close_matches(text.lower(), by_part, n=4, cutoff=0.5)
    return list(dict.fromkeys(by_part[match] for match in close))
