"""Training in stages from one file. Each stage starts from the one before it, or is the mean of earlier ones.

    stages:
      spectral: {set: {losses.pretrain_steps: 20000, run.max_steps: 20000}}
      adversarial: {set: {losses.pretrain_steps: 0, run.max_steps: 5000}}
      both: {mean: {spectral: 0.4, adversarial: 0.6}}

With ``set``, a stage overrides values of the rest of the file by dotted keys, for itself only.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config import VocosConfig
from ..config.mapping import ConfigError, check_keys
from ..mel.shown import shown
from ..model import Vocos
from ..storage.names import is_safe_name
from ..storage.safe_files import read_yaml, write_files
from .config import TrainingConfig
from .discriminator_files import DISCRIMINATORS_FILE
from .state import MODEL

# Shares are written as decimals, whose sum may round.
SHARES_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of a training.

    Attributes:
        name: name of its folder. A file without stages has one with an empty name, in the run's own folder.
        config: configuration with the stage's overrides.
        mean: shares by name of earlier stages and of the file's ``run.init_from``. A stage with shares is not trained.
    """

    name: str
    config: TrainingConfig
    mean: Mapping[str, float] = field(default_factory=dict)


def read_stages(path: Path) -> list[Stage]:
    """Reads the stages of a YAML file, in its order.

    Raises:
        ConfigError: see `TrainingConfig.from_dict`; or a stage sets an unknown key, or is the mean of a later one.
    """
    mapping = dict(read_yaml(path))
    described = mapping.pop("stages", {"": {}})
    try:
        if not isinstance(described, Mapping) or not described:
            raise ConfigError(f"stages: expected a mapping of names to stages, got {shown(described)}")
        stages: list[Stage] = []
        for name, stage in described.items():
            stages.append(_read_stage(str(name), stage, mapping, [earlier.name for earlier in stages]))
        return stages
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _read_stage(name: str, stage: Any, mapping: Mapping[str, Any], earlier: list[str]) -> Stage:
    where = f"stage {name}" if name else "the file"
    check_keys(stage, {"set", "mean"}, set(), where)
    mean, overrides, run = stage.get("mean", {}), stage.get("set", {}), mapping.get("run") or {}
    for what, value in (("set", overrides), ("run", run)):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: {what}: expected a mapping of names to values, got {shown(value)}")
    # A mean may include the weights that the first stage started from.
    start = run.get("init_from")
    known = {*earlier, *([start] if start and isinstance(start, str) else [])}
    check_keys(mean, known, set(), f"{where}: mean of earlier stages")
    for key, share in mean.items():
        if not isinstance(share, (int, float)) or isinstance(share, bool) or not math.isfinite(share):
            raise ConfigError(f"{where}: mean.{key} must be a number, got {shown(share)}")
    if "mean" in stage and abs(sum(mean.values()) - 1) > SHARES_TOLERANCE:
        raise ConfigError(f"{where}: the shares must sum to 1, got {dict(mean)}")
    if name and not is_safe_name(name):  # without stages, the run's own folder is the only one
        raise ConfigError(f"stage {shown(name)}: the name must be valid as a folder name, such as 'spectral'")
    if earlier:
        # Later stages start from the one before, unless they set init_from themselves.
        overrides = {"run.init_from": None, **overrides}
    try:
        config = TrainingConfig.from_dict(with_overrides(mapping, overrides))
        return Stage(name=name, config=config, mean=mean)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}" if name else str(error)) from error


def with_overrides(mapping: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a copy of a nested mapping with other values at dotted keys.

    Raises:
        ConfigError: a key leads into a plain value.
    """
    result = copy.deepcopy(dict(mapping))
    for path, value in overrides.items():
        *sections, key = str(path).split(".")
        section: Any = result
        for name in sections:
            section = section.setdefault(name, {}) if isinstance(section, dict) else None
        if not isinstance(section, dict):
            raise ConfigError(f"cannot set {path}: {'.'.join(sections)} is not a section")
        section[key] = value
    return result


def train_stages(stages: Sequence[Stage], out: Path, *, resume: bool = True) -> Path | None:
    """Trains one stage after the other, each in a folder of its name in ``out``; resumes an interrupted training.

    Returns:
        directory of the last stage's model; None if a signal has ended the training early.

    Raises:
        DivergenceError, ValueError: see `run.train`.
    """
    # Lightning takes seconds to import, and most configuration errors are found without it.
    from .run import claim_run

    with claim_run(out):  # the whole folder, between stages as well
        return _train_stages(stages, out, resume=resume)


def _train_stages(stages: Sequence[Stage], out: Path, *, resume: bool) -> Path | None:
    from .run import train, train_claimed

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
            train_in = train if stage.name else train_claimed
            if train_in(config, folder, resume=resume).generator_step < config.run.max_steps:
                # SIGTERM ended this stage early; the next one must not start from an unfinished model.
                return None
        before = folder / MODEL
    return before


def save_mean(config: VocosConfig, shares: Mapping[str, float], directory: Path) -> None:
    """Writes the weighted mean of models' weights as a checkpoint.

    The discriminators are those of the last model that has any.

    Args:
        config: configuration of the mean.
        shares: weight of each model, by name or directory (see `Vocos.from_pretrained`).
        directory: output directory.

    Raises:
        ConfigError: a model has other sizes.
    """
    models = {source: Vocos.from_pretrained(source, precision="float32") for source in shares}
    if config.postfilter is None:
        for model in models.values():
            model.set_postfilter(None)
    mean = Vocos(config)
    # Each state dict is read once. The mean's own shares its memory: copying into it sets the weights.
    own, weights = mean.state_dict(), {source: model.state_dict() for source, model in models.items()}
    for source, others in weights.items():
        if {name: value.shape for name, value in others.items()} != {name: value.shape for name, value in own.items()}:
            raise ConfigError(f"{source} has other sizes than the configured model; it cannot be part of the mean")
    for name, value in own.items():
        # Integer buffers have no mean.
        if value.is_floating_point():
            value.copy_(sum(share * weights[source][name] for source, share in shares.items()))
    mean.provenance = {"steps": max(model.provenance.get("steps", 0) for model in models.values())}
    mean.save_pretrained(directory)
    discriminators = [file for source in shares if (file := Path(source) / DISCRIMINATORS_FILE).exists()]
    if discriminators:
        write_files(directory, {DISCRIMINATORS_FILE: discriminators[-1].read_bytes()})
