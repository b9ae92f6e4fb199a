"""A training in stages from one file: each begins with what the one before gave, or is the mean of earlier ones.

    stages:
      spectral: {set: {losses.pretrain_steps: 20000, run.max_steps: 20000}}
      adversarial: {set: {losses.pretrain_steps: 0, run.max_steps: 5000}}
      both: {mean: {spectral: 0.4, adversarial: 0.6}}

A stage changes values of the rest of the file, by dotted keys, for itself alone.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config import VocosConfig
from ..config.mapping import ConfigError, check_keys
from ..model import Vocos
from ..storage.safe_files import read_yaml, write_files
from .config import TrainingConfig
from .discriminator_files import DISCRIMINATORS_FILE
from .state import MODEL

# Shares are written in decimals.
SHARES_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage.

    Attributes:
        name: of its folder; empty for the only stage of a file without any, whose folder is the run's own.
        config: with what the stage sets.
        mean: shares of earlier stages, by name, and of what the file's ``run.init_from`` names, where nothing is
            trained.
    """

    name: str
    config: TrainingConfig
    mean: Mapping[str, float] = field(default_factory=dict)


def read_stages(path: Path) -> list[Stage]:
    """The stages of a YAML file, in its order.

    Raises:
        ConfigError: as `TrainingConfig.from_dict`, a stage sets what isn't there, or is a mean of what comes later.
    """
    mapping = dict(read_yaml(path))
    described = mapping.pop("stages", {"": {}})
    try:
        if not isinstance(described, Mapping) or not described:
            raise ConfigError(f"stages: expected a mapping of names to stages, got {described!r}")
        stages: list[Stage] = []
        for name, stage in described.items():
            stages.append(_read_stage(str(name), stage, mapping, [earlier.name for earlier in stages]))
        return stages
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _read_stage(name: str, stage: Any, mapping: Mapping[str, Any], earlier: list[str]) -> Stage:
    where = f"stage {name}" if name else "the file"
    check_keys(stage, {"set", "mean"}, set(), where)
    mean = stage.get("mean", {})
    run = mapping.get("run") or {}
    known = {*earlier, *([run["init_from"]] if run.get("init_from") else [])}
    check_keys(mean, known, set(), f"{where}: mean of earlier stages")
    for other, share in mean.items():
        if not isinstance(share, (int, float)):
            raise ConfigError(f"{where}: mean.{other} must be a number, got {share!r}")
    if "mean" in stage and abs(sum(mean.values()) - 1) > SHARES_TOLERANCE:
        raise ConfigError(f"{where}: the shares must sum to 1, got {dict(mean)}")
    if Path(name).name != name:
        raise ConfigError(f"{where}: the name must be one of a folder")
    changes = stage.get("set", {})
    try:
        config = TrainingConfig.from_dict(changed(mapping, {"run.init_from": None} | changes if earlier else changes))
        return Stage(name=name, config=config, mean=mean)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}" if name else str(error)) from error


def changed(mapping: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a nested mapping with other values at dotted keys; raises ConfigError where a section is a value."""
    result = copy.deepcopy(dict(mapping))
    for path, value in changes.items():
        *sections, key = str(path).split(".")
        section: Any = result
        for name in sections:
            section = section.setdefault(name, {}) if isinstance(section, dict) else None
        if not isinstance(section, dict):
            raise ConfigError(f"there is no {path} to set")
        section[key] = value
    return result


def train_stages(stages: Sequence[Stage], out: Path, *, resume: bool = True) -> Path | None:
    """Trains one stage after the other, each in a folder of its name in ``out``, carrying on where a run was stopped.

    Returns:
        directory of the last stage's model; None if a signal has ended the training before.

    Raises:
        ValueError: as `run.train`.
    """
    # Lightning takes seconds to import, and most configurations' errors are found before.
    from .run import train

    before: Path | None = None
    models: dict[str, str] = {}
    for stage in stages:
        folder, config = out / stage.name, stage.config
        models[stage.name] = str(folder / MODEL)
        if stage.mean:
            shares = {models.get(name, name): share for name, share in stage.mean.items()}
            save_mean(config.model, shares, folder / MODEL)
        else:
            if config.run.init_from is None and before is not None:
                config = dataclasses.replace(config, run=dataclasses.replace(config.run, init_from=str(before)))
            if train(config, folder, resume=resume).generator_step < config.run.max_steps:
                return None
        before = folder / MODEL
    return before


def save_mean(config: VocosConfig, shares: Mapping[str, float], directory: Path) -> None:
    """Writes the weighted mean of models' weights as a checkpoint, with the last one's discriminators beside it.

    Args:
        config: of the mean.
        shares: by what `Vocos.from_pretrained` takes.
        directory: to be written.

    Raises:
        ConfigError: a model has other sizes.
    """
    models = {source: Vocos.from_pretrained(source, precision="float32") for source in shares}
    mean = Vocos(config)
    own, weights = mean.state_dict(), {source: model.state_dict() for source, model in models.items()}
    for source, others in weights.items():
        if {name: value.shape for name, value in others.items()} != {name: value.shape for name, value in own.items()}:
            raise ConfigError(f"{source} has other sizes than the mean that it is to be part of")
    for name, value in own.items():
        if value.is_floating_point():
            value.copy_(sum(share * weights[source][name] for source, share in shares.items()))
    mean.provenance = {"steps": max(model.provenance.get("steps", 0) for model in models.values())}
    mean.save_pretrained(directory)
    discriminators = [file for source in shares if (file := Path(source) / DISCRIMINATORS_FILE).exists()]
    if discriminators:
        write_files(directory, {DISCRIMINATORS_FILE: discriminators[-1].read_bytes()})
