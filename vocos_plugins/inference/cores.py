"""Threads that each compute on one core."""

from __future__ import annotations

import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import torch


@functools.lru_cache(maxsize=2)
def core_threads(n_threads: int) -> ThreadPoolExecutor:
    """Returns threads that each compute on one core; the same ones at every call."""
    together = threading.Barrier(n_threads)

    def start() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # settles it for this thread
        together.wait()

    pool = ThreadPoolExecutor(n_threads, "vocos", start)
    try:
        # The barrier makes every thread start now: a thread that started later would set the number again below.
        list(pool.map(lambda _: None, range(n_threads)))
    finally:
        torch.set_num_threads(n_threads)  # what the threads set holds for new ones, and for MKL everywhere
    return pool


# A forked child has none of its parent's threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=core_threads.cache_clear)
