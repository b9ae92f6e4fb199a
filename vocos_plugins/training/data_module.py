"""The data of a run for Lightning: as many batches as there are steps left."""

from __future__ import annotations

import signal
from typing import Any

import lightning
from torch.utils.data import DataLoader, Subset

from .config import TrainingConfig
from .data import Clip, StepSampler

# Seconds for a run to save and end in, after which a loader's process takes SIGTERM as it was meant.
GRACE_S = 60


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
            data.train_dataset(self.sample_rate),
            batch_sampler=sampler,
            num_workers=data.num_workers,
            worker_init_fn=outlast_sigterm,
        )

    def val_dataloader(self) -> DataLoader[Clip] | list[Any]:
        """The fixed clips; none without a validation set."""
        data, trainer = self.config.data, self._trainer()
        dataset = data.validation_dataset(self.sample_rate)
        if dataset is None:
            return []
        mine = Subset(dataset, range(trainer.global_rank, len(dataset), trainer.world_size))
        return DataLoader(
            mine, batch_size=data.batch_size, num_workers=data.num_workers, worker_init_fn=outlast_sigterm
        )

    def _trainer(self) -> Any:
        return self.trainer


def outlast_sigterm(_worker: int) -> None:
    """For a loader's process: schedulers tell all of a run's processes to end, and the run still has a step to save."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.alarm(GRACE_S))
