"""One of two processes of ``torch.distributed.run`` that train together; the argument is the FOLDER of its files.

Each takes its half of ``batch.pt``. It writes its gradients with and without `share_gradients`, and whether it ended
after the step in which the second process received SIGTERM.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
import vocos_coqui  # noqa: F401 - makes "model": "vocos" known
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from TTS.config import load_config
from TTS.vocoder.models import setup_model
from vocos_coqui.training import share_gradients


def gradients(folder: Path, *, shared: bool) -> list[Tensor]:
    """Returns the generator's gradients after one step on this process's half."""
    model, batch = build(folder), torch.load(folder / "batch.pt")
    criterion = model.get_criterion()
    wrapped = DistributedDataParallel(model)  # and then calls the model inside, as trainer/trainer.py does
    if shared:
        share_gradients(model)
    half = {name: value[dist.get_rank()][None] for name, value in batch.items()}
    wrapped.module.train_step(half, criterion[0], 0)
    wrapped.module.train_step(half, criterion[1], 1)[1]["loss"].backward()
    return [parameter.grad for parameter in model.model_g.parameters()]


def leaves_together(folder: Path) -> bool:
    """Returns whether the process continues after a step, and ends after one in which another got the signal."""
    model, trainer = build(folder), SimpleNamespace(total_steps_done=0)
    model.get_criterion()
    model.on_train_step_end(trainer)
    if dist.get_rank() == 1:
        model._stop.request()
    try:
        model.on_train_step_end(trainer)
    except KeyboardInterrupt:
        return True
    return False


def build(folder: Path) -> Any:
    torch.manual_seed(0)
    return setup_model(load_config(folder / "vocos.json"))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    dist.init_process_group("gloo")
    found = {
        "shared": gradients(folder, shared=True),
        "own": gradients(folder, shared=False),
        "left": leaves_together(folder),
    }
    torch.save(found, folder / f"{dist.get_rank()}.pt")
    dist.destroy_process_group()
