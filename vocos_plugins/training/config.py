"""Configuration of a training run in one YAML file: model, data, discriminators, losses, optimization, run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..config import VocosConfig
from ..config.mapping import ConfigError, check_keys, read_dataclass
from .data import Data
from .discriminator_sizes import Discriminators, check_length
from .schedule import LossWeights, Optimization

SECTIONS: dict[str, type[Any]] = {
    "data": Data,
    "discriminators": Discriminators,
    "losses": LossWeights,
    "optimization": Optimization,
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """Length and hardware of a run, and how often it logs, validates and saves.

    Attributes:
        max_steps: total generator steps.
        init_from: name or directory of a checkpoint to start from; its discriminators are loaded too if it has any.
        encodec: directory or hub repository of EnCodec's weights, as transformers saves them; to train on its codes.
        seed: of the initial weights.
        precision: ``bf16-mixed`` runs matrix products in bfloat16.
        compile: whether generator and discriminators go through ``torch.compile``.
        accelerator, devices, num_nodes, strategy: arguments of Lightning's Trainer; ``strategy: auto`` means DDP if
            there are several devices.
        jitter_guard: whether the mel's guard varies from step to step, so that one model serves a family of mels.
        jitter_framing: largest random shift of the mel's frames, in hops, at most 0.5.
        log_every, validate_every, save_every: generator steps.
        keep_every: generator steps between checkpoints that are kept in addition to the last one; None keeps none.
    """

    max_steps: int = 1_000_000
    init_from: str | None = None
    encodec: str | None = None
    seed: int = 0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    compile: bool = False
    accelerator: str = "auto"
    devices: int | Literal["auto"] = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    jitter_guard: bool = False
    jitter_framing: float = 0.0
    log_every: int = 100
    validate_every: int = 5000
    save_every: int = 1000
    keep_every: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_steps", "num_nodes", "log_every", "validate_every", "save_every", "keep_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not 0 <= self.jitter_framing <= 0.5:
            raise ValueError(f"jitter_framing must be 0 to 0.5 hops, got {self.jitter_framing}")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """All settings of a training."""

    model: VocosConfig
    data: Data
    discriminators: Discriminators = field(default_factory=Discriminators)
    losses: LossWeights = field(default_factory=LossWeights)
    optimization: Optimization = field(default_factory=Optimization)
    run: Run = field(default_factory=Run)

    def __post_init__(self) -> None:
        if self.losses.pretrain_steps < self.run.max_steps:
            hop_length = self.model.hop_length
            # Whole hops are decoded, of a crop that a shift of the frames makes shorter.
            shift = round(self.run.jitter_framing * hop_length)
            n_samples = (self.data.num_samples - shift) // hop_length * hop_length
            check_length(self.discriminators, n_samples, "data.num_samples")

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> TrainingConfig:
        """Builds the configuration from plain values.

        Raises:
            ConfigError: a key is unknown, missing or of the wrong type; the message names it.
        """
        check_keys(mapping, {"model", "run", *SECTIONS}, {"model", "data"}, "the training configuration")
        # A section that is named but left empty is None in YAML.
        sections: dict[str, Any] = {
            name: read_dataclass(section, mapping[name] or {}, name)
            for name, section in {**SECTIONS, "run": Run}.items()
            if name in mapping
        }
        try:
            model = VocosConfig.from_dict(mapping["model"])
        except ConfigError as error:
            raise ConfigError(f"model: {error}") from error
        try:
            return cls(model=model, **sections)
        except ValueError as error:
            raise ConfigError(str(error)) from error
