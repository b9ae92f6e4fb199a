"""Runs the demo: original, Griffin-Lim and Vocos of each clip, measured, as one page."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ..audio_files import read_blocks
from ..griffin_lim import griffin_lim
from ..mel import MelConvention, MelSpectrogram
from ..model import Vocos
from .clips import CLIPS, Clip
from .measures import measure
from .page import Comparison, Rendition, render

REPORT_NAME = "report.html"
N_ITER = 32
TIMED_ROUNDS = 5

Progress = Callable[[int, int], None]  # clips done, clips in all


def write_report(
    vocos: Vocos,
    out: Path,
    *,
    clips: Sequence[Path] | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Writes ``out/report.html`` and gives its path. The page appears whole or not at all.

    Args:
        vocos: a model that takes mels.
        out: folder, made if it isn't there.
        clips: recordings to use instead of the shipped ones.
        name: what to call the model on the page.
        progress: called before the first clip and after each.

    Raises:
        ValueError: the model takes no mels, there are no clips, or one can't be used; the message names it.
        OSError: a clip can't be opened, or the page can't be written.
    """
    convention = vocos.mel
    if convention is None:
        raise ValueError("the report needs a model that takes mels; this one takes EnCodec codes")
    chosen = CLIPS if clips is None else tuple(Clip.from_path(Path(path)) for path in clips)
    if not chosen:
        raise ValueError("there are no clips to report on")
    out.mkdir(parents=True, exist_ok=True)
    with _one_thread():
        comparisons = list(_compare_all(vocos, convention, chosen, progress))
    page = render(
        comparisons,
        mel=convention,
        n_iter=N_ITER,
        facts=({} if name is None else {"Model": name}) | _facts(vocos, convention),
    )
    path = _write_whole(out / REPORT_NAME, page)
    if progress is not None:
        progress(len(chosen), len(chosen))
    return path


def _compare_all(
    vocos: Vocos, convention: MelConvention, clips: Sequence[Clip], progress: Progress | None
) -> Iterator[Comparison]:
    for done, clip in enumerate(clips):
        if progress is not None:
            progress(done, len(clips))
        try:
            yield compare(vocos, convention, clip)
        except ValueError as error:
            raise ValueError(f"{clip.path}: {error}") from error


@contextmanager
def _one_thread() -> Iterator[None]:
    """PyTorch on one thread: threads that wait for each other on a busy machine made times vary tenfold."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def compare(vocos: Vocos, convention: MelConvention, clip: Clip) -> Comparison:
    """Takes a clip's mel and makes it sound again in both ways."""
    rate = convention.sample_rate
    original = torch.cat(list(read_blocks(clip.path, rate)), dim=1).mean(dim=0)
    device = next(vocos.parameters()).device
    mel = MelSpectrogram(convention)(original[None]).to(device)

    ways: list[Callable[[], Tensor]] = [
        lambda: griffin_lim(mel, convention, n_iter=N_ITER),
        lambda: vocos.decode(mel),
    ]
    seconds = _median_seconds(ways)
    audios = [way()[0].cpu().float().numpy() for way in ways]
    renditions = [
        Rendition(audio=audio, measures=measure(original.numpy(), audio, rate), seconds=taken)
        for audio, taken in zip(audios, seconds, strict=True)
    ]
    return Comparison(clip=clip, original=original.numpy(), griffin_lim=renditions[0], vocos=renditions[1])


def _median_seconds(ways: Sequence[Callable[[], Tensor]]) -> list[float]:
    """What each way takes, after a run to warm up. They take turns, so that a busy machine slows them alike."""
    rounds = [[_seconds(way) for way in ways] for _ in range(1 + TIMED_ROUNDS)]
    return [median(times) for times in zip(*rounds[1:], strict=True)]


def _seconds(way: Callable[[], Tensor]) -> float:
    start = time.perf_counter()
    way().cpu()  # the copy waits for a GPU to finish
    return time.perf_counter() - start


def _facts(vocos: Vocos, convention: MelConvention) -> dict[str, str]:
    parameters = list(vocos.parameters())
    device = parameters[0].device
    processor = torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name()
    return {
        "Mel convention": convention.name or "unnamed",
        "Parameters": f"{sum(parameter.numel() for parameter in parameters) / 1e6:.2f} million",
        **{f"Trained: {key}": _in_words(value) for key, value in vocos.provenance.items()},
        "Machine": f"{processor}, {platform.system()}; PyTorch on one CPU thread",
        "PyTorch": f"{torch.__version__}, Python {platform.python_version()}",
    }


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_in_words(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_in_words(item) for item in value)
    return str(value)


def _cpu_name() -> str:
    """The processor as Linux names it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _write_whole(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
