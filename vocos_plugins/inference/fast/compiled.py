"""Short items by a library that ``vocos compile`` made of an engine: the same operators, without Python between them.

Libraries lie in the folder ``compiled`` of the cache, next to the file of `remembered`. The name of one is a hash of
all that it holds for: the processor, torch, its threads, the model and the precision.
"""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..._version import __version__
from ...network.network import Network
from ..calibration import speech_features
from ..certificate import fingerprint
from .head import SHORT_FRAMES
from .remembered import cache_file, machine_key

Run = Callable[[Tensor], Tensor]
# Other items are left to the engine.
FRAMES = range(2, SHORT_FRAMES + 1)
# Usually it is over 90 dB; where another order of additions turns a rounding to 8 bits the other way, 50 dB. A library
# of another state of the engine's code has about 0 dB.
MIN_SIGNAL_TO_ERROR_DB = 30.0
TRIAL_FRAMES = 40
DIGEST = ".sha256"


class Compiled:
    """A library that decodes one short item: features ``(C, T)`` -> audio ``(N,)``.

    Args:
        run: calls it.
        n_threads: the number of threads that it uses.
    """

    def __init__(self, run: Run, n_threads: int) -> None:
        self.run, self.n_threads = run, n_threads

    def fits(self, features: Tensor) -> bool:
        """Whether it can decode features, and would use as many threads as torch may use."""
        return features.shape[1] in FRAMES and torch.get_num_threads() == self.n_threads


def library_path(network: Network, precision: str) -> Path:
    """Returns the path of a model's library, whether it exists or not."""
    key = machine_key(__version__, network.config, fingerprint(network), precision)
    return _folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.so"


def list_libraries() -> list[Path]:
    """Returns the paths of all libraries in the cache, of whatever models and machines."""
    return sorted(_folder().glob("*.so"))


def find_compiled(network: Network, precision: str, expected: Run) -> Compiled | None:
    """Loads a model's library; None if there is none, and None with a warning for one that can't be used.

    Args:
        network: the model, with an ISTFT head.
        precision: of its engine.
        expected: what the library has to agree with.
    """
    # Most users have none: the weights' hash takes milliseconds.
    if not _folder().is_dir() or not (path := library_path(network, precision)).exists():
        return None
    try:
        run = load_library(path)
        error_db = measure_error(run, expected, network)
    except (OSError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())
    else:
        if error_db >= MIN_SIGNAL_TO_ERROR_DB:
            return Compiled(run, torch.get_num_threads())
        reason = f"it does not compute what the model does: signal to error {error_db:.0f} dB"
    warnings.warn(f"{path} is not used: {reason}; `vocos compile` makes a new one", stacklevel=2)
    return None


def load_library(path: Path) -> Run:
    """Loads a library.

    Raises:
        OSError: another user can write to it, or it is damaged.
        RuntimeError: it can't be loaded.
    """
    for part in (path, path.parent):
        found = part.stat()
        if found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise OSError(f"{part} belongs to another user, or others can write to it")
    # A part of a library would end the process with a bus error.
    if path.with_suffix(DIGEST).read_text(encoding="ascii") != digest(path):
        raise OSError("it is damaged")
    # So many threads can decode at a time; others wait.
    runner = torch._C._aoti.AOTIModelContainerRunnerCpu(str(path), torch.get_num_threads())
    # The library reads memory in the order of the features that it was traced with.
    return lambda features: runner.run([features.contiguous()])[0]


def digest(path: Path) -> str:
    """Returns the digest of a library, which lies beside it with the suffix `DIGEST`."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def measure_error(run: Run, expected: Run, network: Network) -> float:
    """Returns the signal to error of one function's audio against another's, on speech, in dB."""
    features, _ = next(speech_features(network))
    with torch.inference_mode():
        wanted, found = expected(features[0, :, :TRIAL_FRAMES]), run(features[0, :, :TRIAL_FRAMES])
    return float(10 * (wanted.square().sum() / ((found - wanted).square().sum() + 1e-20)).log10())


def _folder() -> Path:
    return cache_file().parent / "compiled"
