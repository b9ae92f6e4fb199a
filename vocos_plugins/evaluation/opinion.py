"""Wrappers of networks that predict a listener's opinion without the recording: DNSMOS, PLCMOS, DistillMOS.

UTMOS, which the paper uses, is missing: no package contains its weights, so it can't run offline.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Audio = NDArray[np.float32]  # (N,)


def dnsmos_overall(_reference: Audio, degraded: Audio, sample_rate: int) -> float:
    """DNSMOS P.835, overall quality, 1 to 5 (Reddy et al., ICASSP 2022)."""
    # Imported when it is needed: the measures are an extra, and their runtimes are slow to import.
    from speechmos import dnsmos

    # speechmos refuses samples outside of [-1, 1].
    return float(dnsmos.run(np.clip(degraded, -1, 1), sample_rate)["ovrl_mos"])


def plcmos(_reference: Audio, degraded: Audio, sample_rate: int) -> float:
    """PLCMOS v2, 1 to 5 (Diener et al., Interspeech 2023), which rates gaps and their concealment."""
    from speechmos import plcmos as model

    # It draws its 15 raters from numpy's global generator. Seeding draws the same ones each time; the caller's state is
    # restored afterwards.
    state = np.random.get_state()
    np.random.seed(0)
    try:
        return float(model.run(np.clip(degraded, -1, 1), sample_rate)["plcmos"])
    finally:
        np.random.set_state(state)


def distillmos(_reference: Audio, degraded: Audio, _sample_rate: int) -> float:
    """DistillMOS, 1 to 5 (Stahl and Gamper, ICASSP 2025)."""
    with torch.inference_mode():
        return float(_distillmos_model()(torch.from_numpy(degraded)[None]))


@functools.lru_cache(maxsize=1)
def _distillmos_model() -> Any:
    from distillmos import ConvTransformerSQAModel

    return ConvTransformerSQAModel().eval()
