"""Which weights lose nothing in 8 bits: those with which it was measured, and no others.

`benchmarks/precisions.py` prints a model's fingerprint beside what each precision costs it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model import Vocos

# PESQ-wb, the mean over recordings, that 8 bits may cost a model to be what `auto` takes.
MAX_LOST = 0.02
# What they cost, negative where they gain, by fingerprint.
LOST_IN_INT8 = {
    "30ddc6f01067ac60": 0.007,  # vocos-mel-22khz-small
    "3a97c0fa523c775a": 0.003,  # vocos-mel-16khz-small
}


def keeps_quality_in_int8(vocos: Vocos) -> bool:
    """Whether these weights were measured to lose no more than `MAX_LOST`."""
    return LOST_IN_INT8.get(fingerprint(vocos), float("inf")) <= MAX_LOST


def fingerprint(vocos: Vocos) -> str:
    """Tells weights from others, whatever file or toolkit they came by: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, weight in sorted(vocos.named_parameters()):
        digest.update(name.encode())
        digest.update(weight.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]
