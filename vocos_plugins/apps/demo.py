"""Runs the demo: original, Griffin-Lim and Vocos of each clip, measured, as one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from ..evaluation.comparison import ClipResult, run_clip
from ..evaluation.evaluate import Evaluation
from ..evaluation.measures import Measure, choose
from ..evaluation.page import render
from ..evaluation.report import REPORT_NAME, facts_of, note_on_top_band
from ..evaluation.systems import N_ITER, System, build_systems, describe
from ..mel import MelConvention
from ..mel.speech import CLIPS, Clip
from ..model import Vocos
from ..storage.atomic import write_text

MEASURES = ("pesq", "stoi")  # enough for an impression, and quick
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
    """Writes ``out/report.html`` atomically and returns its path.

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
    systems = build_systems({"Vocos": vocos})
    chosen = CLIPS if clips is None else tuple(Clip.from_path(Path(path)) for path in clips)
    if not chosen:
        raise ValueError("there are no clips to report on")
    out.mkdir(parents=True, exist_ok=True)
    measures, left_out = choose(MEASURES)
    evaluation = Evaluation(systems=systems, measures=measures, left_out=left_out)
    with _one_thread():
        for result in _compare_all(systems, chosen, measures, progress):
            evaluation.add(result, file=result.clip.text, keep=True)
        # Still on one thread: the facts state the number of threads that the times are of.
        facts = facts_of({name or "unnamed": vocos})
    n_clips = f"{len(chosen)} clip{'s' if len(chosen) > 1 else ''}"
    page = render(evaluation, title=f"Vocos: {n_clips} to listen to", intro=_intro(systems[0].mel), facts=facts)
    path = write_text(out / REPORT_NAME, page)
    if progress is not None:
        progress(len(chosen), len(chosen))
    return path


def _compare_all(
    systems: Sequence[System], clips: Sequence[Clip], measures: Sequence[Measure], progress: Progress | None
) -> Iterator[ClipResult]:
    for done, clip in enumerate(clips):
        if progress is not None:
            progress(done, len(clips))
        try:
            result = run_clip(systems, clip, measures, rounds=TIMED_ROUNDS)
        except ValueError as error:
            raise ValueError(f"{clip.path}: {error}") from error
        for why in result.errors.values():
            raise ValueError(f"{clip.path}: {why}")
        yield result


@contextmanager
def _one_thread() -> Iterator[None]:
    """PyTorch on one thread: threads that wait for each other on a busy machine made times vary tenfold."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def _intro(mel: MelConvention) -> str:
    return f"""<p>Each clip was turned into a mel spectrogram ({describe(mel)}) and back into sound, once by Griffin-Lim
({N_ITER} iterations, no training) and once by this Vocos model. Both had nothing but the mel. Griffin-Lim sounds hollow
and metallic, more so than its PESQ says: it keeps the magnitudes nearly as they were, which PESQ rewards, and guesses
the phases, which the ear minds. So listen first, then read the numbers.{note_on_top_band(mel)}</p>"""
