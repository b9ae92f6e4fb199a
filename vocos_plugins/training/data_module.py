"""The data of a run for Lightning: as many batches as there are steps left."""

from __future__ import annotations

from typing import Any

import lightning
from torch.utils.data import DataLoader, Subset

from .config import TrainingConfig
from .data import Clip, StepSampler


class VocosData(lightning.LightningDataModule):
    """Batches from the run's generator step on to its last; one epoch is the rest of the run."""

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.sample_rate = config.model.features.sample_rate

    def prepare_data(self) -> None:
        """Decodes everything into the cache once, where there is one, before other processes want it."""
        if self.config.data.cache_dir is not None:
            self.config.data.train_dataset(self.sample_rate)
            self.config.data.validation_dataset(self.sample_rate)

    def train_dataloader(self) -> DataLoader[Clip]:
        """Crops for every step that is left, this process's part of them."""
        data, trainer = self.config.data, self._trainer()
        sampler = StepSampler(
            data.batch_size,
            first_step=trainer.lightning_module.generator_step,
            last_step=self.config.run.max_steps,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        return DataLoader(
            data.train_dataset(self.sample_rate), batch_sampler=sampler, num_workers=data.num_workers, pin_memory=False
        )

    def val_dataloader(self) -> DataLoader[Clip] | list[Any]:
        """The fixed clips; none without a validation set."""
        data, trainer = self.config.data, self._trainer()
        dataset = data.validation_dataset(self.sample_rate)
        if dataset is None:
            return []
        mine = Subset(dataset, range(trainer.global_rank, len(dataset), trainer.world_size))
        return DataLoader(mine, batch_size=data.batch_size, num_workers=data.num_workers)

    def _trainer(self) -> Any:
        return self.trainer
