"""Reads the training sections of a model's configuration, and cuts a training's state down to inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf
from torch.utils.data import DataLoader

from vocos_plugins.config import VocosConfig
from vocos_plugins.config.mapping import ConfigError, read_dataclass
from vocos_plugins.evaluation.measures import Measure, choose
from vocos_plugins.training.discriminator_sizes import Discriminators
from vocos_plugins.training.objective import Objective
from vocos_plugins.training.schedule import LossWeights

from .clips import ClipDataset
from .mel import from_nemo

# Prefixes of a training checkpoint's keys that inference doesn't need.
TRAINING_ONLY = ("objective.", "average.", "front_end.")


def read_loader(config: Any, preprocessor: Any, name: str, *, shuffle: bool) -> DataLoader[Any]:
    """Makes the loader of a section like ``train_ds``, with ``dataset`` (for `ClipDataset`) and ``dataloader_params``.

    Raises:
        ConfigError: the section is invalid, or the files that it names are.
    """
    plain: Any = OmegaConf.to_container(config, resolve=True) if OmegaConf.is_config(config) else dict(config)
    try:
        options, params = dict(plain["dataset"]), dict(plain["dataloader_params"])
        dataset = ClipDataset(mel=from_nemo(preprocessor), shuffle=shuffle, **options)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"there is no {error}" if isinstance(error, KeyError) else error
        raise ConfigError(f"{name}: {reason}") from error
    return DataLoader(dataset, **{"shuffle": shuffle, **params})


def inference_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Returns only the generator of a state dict, averaged if there is an average."""
    kept = {key: value for key, value in state.items() if not key.startswith(TRAINING_ONLY)}
    means = {key.replace("average.", "generator.", 1): state[key] for key in state if key.startswith("average.")}
    # In this order: means replace the weights of the last step.
    return kept | means


def read_section(cls: type[Any], config: Any, name: str) -> Any:
    """Reads a section of the model's configuration into the core's dataclass; a missing one has the defaults."""
    section = config.get(name)
    plain: Any = {} if section is None else OmegaConf.to_container(section, resolve=True)
    return read_dataclass(cls, plain, name)


def read_measures(config: Any) -> tuple[Measure, ...]:
    """Reads ``measures``: names of what validation logs in addition to ``val_loss``, none by default.

    Raises:
        ConfigError: a name is unknown, or a measure isn't available here.
    """
    names = list(config.get("measures") or ())
    try:
        chosen, unavailable = choose(names) if names else ((), {})
    except ValueError as error:
        raise ConfigError(f"measures: {error}") from error
    if unavailable:
        raise ConfigError("measures: " + "; ".join(f"{name}: {reason}" for name, reason in unavailable.items()))
    return chosen


def read_objective(model: VocosConfig, config: Any) -> Objective:
    """Builds discriminators and losses from the sections ``discriminators`` and ``losses``."""
    return Objective(
        model, read_section(Discriminators, config, "discriminators"), read_section(LossWeights, config, "losses")
    )
