"""What `training` reads from a model's configuration, and what of a training's state is released."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf
from torch.utils.data import DataLoader

from vocos_plugins.config import VocosConfig
from vocos_plugins.config.mapping import ConfigError, read_dataclass
from vocos_plugins.evaluation.measures import Measure, choose
from vocos_plugins.training.discriminators import Discriminators
from vocos_plugins.training.objective import Objective
from vocos_plugins.training.schedule import LossWeights

from .clips import ClipDataset
from .mel import from_nemo

# What a checkpoint for going on holds beside the generator.
TRAINING_ONLY = ("objective.", "average.", "front_end.")


def read_loader(config: Any, preprocessor: Any, name: str, *, shuffle: bool) -> DataLoader[Any]:
    """The loader of a section such as ``train_ds``: ``dataset``, arguments of `ClipDataset`, and ``dataloader_params``.

    Raises:
        ConfigError: the section or what it names isn't as it must be.
    """
    plain: Any = OmegaConf.to_container(config, resolve=True) if OmegaConf.is_config(config) else dict(config)
    try:
        options, params = dict(plain["dataset"]), dict(plain["dataloader_params"])
        dataset = ClipDataset(mel=from_nemo(preprocessor), shuffle=shuffle, **options)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"there is no {error}" if isinstance(error, KeyError) else error
        raise ConfigError(f"{name}: {reason}") from error
    return DataLoader(dataset, **{"shuffle": shuffle, **params})


def released(state: Mapping[str, Any]) -> dict[str, Any]:
    """Of a state, the generator alone, averaged if there is an average."""
    kept = {key: value for key, value in state.items() if not key.startswith(TRAINING_ONLY)}
    means = {key.replace("average.", "generator.", 1): state[key] for key in state if key.startswith("average.")}
    return kept | means


def read_section(cls: type[Any], config: Any, name: str) -> Any:
    """A section of the model's configuration as the core's dataclass; defaults where there is none."""
    section = config.get(name)
    plain: Any = {} if section is None else OmegaConf.to_container(section, resolve=True)
    return read_dataclass(cls, plain, name)


def read_measures(config: Any) -> tuple[Measure, ...]:
    """What is measured of validation clips beside ``val_loss``; by ``measures``, names, none by default.

    Raises:
        ConfigError: a name isn't known, or a measure can't be taken here.
    """
    names = list(config.get("measures") or ())
    try:
        chosen, left_out = choose(names) if names else ((), {})
    except ValueError as error:
        raise ConfigError(f"measures: {error}") from error
    if left_out:
        raise ConfigError("measures: " + "; ".join(f"{name}: {reason}" for name, reason in left_out.items()))
    return chosen


def read_objective(model: VocosConfig, config: Any) -> Objective:
    """Discriminators and losses of the sections ``discriminators`` and ``losses``."""
    return Objective(
        model, read_section(Discriminators, config, "discriminators"), read_section(LossWeights, config, "losses")
    )
