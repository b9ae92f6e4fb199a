"""The data of a run as a Lightning data module: as many batches as there are steps left."""

from __future__ import annotations

from typing import Any

import lightning
from torch.utils.data import DataLoader, Subset

from .config import TrainingConfig
from .data import Clip, StepSampler
from .termination import delay_sigterm


class VocosData(lightning.LightningDataModule):
    """Batches from the run's current generator step to its last one; one epoch is the rest of the run."""

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.sample_rate = config.model.sample_rate

    def prepare_data(self) -> None:
        """Fills the cache, if there is one, in a single process before the others read it."""
        if self.config.data.cache_dir is not None:
            self.config.data.train_dataset(self.sample_rate)
            self.config.data.validation_dataset(self.sample_rate)

    def train_dataloader(self) -> DataLoader[Clip]:
        """Returns this process's crops for all remaining steps."""
        data, trainer = self.config.data, self._trainer()
        sampler = StepSampler(
            data.batch_size,
            first_step=trainer.lightning_module.generator_step,
            last_step=self.config.run.max_steps,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        return DataLoader(
            data.train_dataset(self.sample_rate),
            batch_sampler=sampler,
            num_workers=data.num_workers,
            worker_init_fn=delay_sigterm,
        )

    def val_dataloader(self) -> DataLoader[Clip] | list[Any]:
        """Returns this process's validation clips; nothing without validation data."""
        data, trainer = self.config.data, self._trainer()
        dataset = data.validation_dataset(self.sample_rate)
        if dataset is None:
            return []
        # Lightning's own sampler is off (`run.build_trainer`), so each process takes its share here.
        share = Subset(dataset, range(trainer.global_rank, len(dataset), trainer.world_size))
        return DataLoader(share, batch_size=data.batch_size, num_workers=data.num_workers, worker_init_fn=delay_sigterm)

    def _trainer(self) -> Any:
        return self.trainer
