"""Trains SpeechBrain's FastSpeech2 on a corpus with known durations; the yaml beside it has the command.

It takes what SpeechBrain's recipes take: ``--device``, ``--precision``, ``--ckpt_interval_minutes``, any value of the
yaml. It comes after ``pitch.py``. A row that can't be used is named with its line, the rest is learned, and the exit
code is then 1; it is 2 where there is no such row.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import soundfile
import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.dataio.dataio import read_audio
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.sampler import DynamicBatchSampler
from speechbrain.utils.data_pipeline import provides, takes
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lacks import find_lacks, find_missing, report
from layout import Problem, Row, read_alignment, read_list
from pitch import HOP_LENGTH, read_pitch

Batch = tuple[Any, ...]
PRINT_EVERY = 20  # steps
N_OF_MEAN = 100  # recordings


class FastSpeech2Brain(sb.Brain):  # type: ignore[misc]
    """Trains with the durations, pitch and energy of the recordings."""

    def compute_forward(self, batch: Batch, stage: sb.Stage) -> Batch:
        tokens, durations, _, _, pitch, energy, *_ = self._move(batch)
        return self.modules.model(tokens, durations, pitch, energy)

    def compute_objectives(self, predictions: Batch, batch: Batch, stage: sb.Stage) -> Tensor:
        _, durations, n_tokens, mels, pitch, energy, n_frames, *_ = self._move(batch)
        nothing = torch.zeros_like(durations, dtype=torch.float32)  # silences, which this model reads from punctuation
        # Inference rounds down the frames that are predicted, so half a frame more is to be predicted.
        targets = (mels, durations + 0.5, pitch, energy, n_frames, n_tokens, nothing)
        losses = self.hparams.criterion((*predictions, nothing), targets, self.hparams.epoch_counter.current)
        if stage == sb.Stage.VALID:
            self.distances += measure_distances(predictions[1], mels, n_frames)
        self.losses = {name: float(torch.as_tensor(value).detach()) for name, value in losses.items()}
        return losses["total_loss"]

    def on_fit_start(self) -> None:
        super().on_fit_start()
        self.hparams.lr_scheduler.num_training_steps = self.hparams.max_steps  # may differ from the checkpoint's

    def on_fit_batch_start(self, batch: Batch, should_step: bool) -> None:
        # Before the step, not after it as elsewhere: the first step would have the rate of the warm-up's end.
        if should_step:
            self.hparams.lr_scheduler(self.optimizer)

    def on_fit_batch_end(self, batch: Batch, outputs: Any, loss: Tensor, should_step: bool) -> None:
        if self.optimizer_step % PRINT_EVERY == 0:
            losses = " ".join(f"{name} {value:.3f}" for name, value in self.losses.items() if value)
            print(f"step {self.optimizer_step}: {losses}", flush=True)

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        self.distances: list[float] = []

    def on_stage_end(self, stage: sb.Stage, stage_loss: float, epoch: int | None = None) -> None:
        if stage == sb.Stage.TRAIN:
            self.train_loss = stage_loss
        elif stage == sb.Stage.VALID:
            rate = self.optimizer.param_groups[0]["lr"]
            self.hparams.train_logger.log_stats(
                {"epoch": epoch, "steps": self.optimizer_step, "lr": rate},
                train_stats={"loss": self.train_loss},
                valid_stats={"loss": stage_loss, "mel L1": sum(self.distances) / len(self.distances)},
            )
            self.checkpointer.save_and_keep_only(meta={"loss": stage_loss}, min_keys=["loss"])

    def _move(self, batch: Batch) -> Batch:
        return tuple(part.to(self.device) if isinstance(part, Tensor) else part for part in batch)


def measure_distances(predicted: Tensor, mels: Tensor, n_frames: Tensor) -> list[float]:
    """Mean absolute difference of each row's mels ``(B, T, n_mels)``, in nepers."""
    pairs = zip(predicted, mels, n_frames.tolist(), strict=True)
    return [float((one[:length] - other[:length]).abs().mean()) for one, other, length in pairs]


def start_at_mean(model: Any, train: DynamicItemDataset) -> None:
    """Lets a new model begin at the mean mel, some nepers from zero, to which it would find in hundreds of steps."""
    mels = [train[number]["mel_text_pair"][2] for number in range(min(N_OF_MEAN, len(train)))]
    model.linear.w.bias.data.copy_(torch.cat(mels, dim=1).mean(dim=1))


def load_rows(corpus: Path, name: str, symbols: str) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """Rows of a corpus' list as SpeechBrain's datasets take them; and the problems of the others."""
    entries, problems = {}, []
    for line, row in enumerate(read_list(corpus / name), start=1):
        try:
            entries[row.id] = _load_row(corpus, row, symbols)
        except ValueError as error:
            problems.append(Problem(corpus / name, line, str(error)))
    return entries, problems


def _load_row(corpus: Path, row: Row, symbols: str) -> dict[str, Any]:
    if missing := find_missing(corpus, row.id, "wavs", "alignments", "pitch"):
        raise ValueError(missing)
    wav = corpus / "wavs" / f"{row.id}.wav"
    phonemes, durations = read_alignment(corpus, row.id)
    if unknown := sorted(set(phonemes) - set(symbols)):
        raise ValueError(f"the model has no symbol for {' '.join(unknown)}; see `symbols` in its yaml")
    durations[-1] += 1  # a centred mel has one frame more
    n_frames = soundfile.info(wav).frames // HOP_LENGTH + 1
    if sum(durations) != n_frames:
        raise ValueError(f"the durations are of {sum(durations)} frames, the recording is of {n_frames}")
    return {"wav": str(wav), "label": row.normalised, "phonemes": phonemes, "durations": durations}


def make_datasets(hparams: dict[str, Any]) -> tuple[DynamicItemDataset, DynamicItemDataset, list[Problem]]:
    """Returns the rows to train on, those that are held out, and what is wrong with the others.

    Raises:
        SystemExit: there are none of either kind; all problems are named by then.
    """
    corpus = Path(hparams["corpus"])
    numbers = {symbol: number for number, symbol in enumerate(hparams["symbols"], start=1)}
    statistics = json.loads((corpus / "pitch.json").read_text(encoding="utf-8"))

    @takes("id", "wav", "phonemes", "durations")
    @provides("mel_text_pair")
    def load(row_id: str, wav: str, phonemes: list[str], durations: list[int]) -> Batch:
        tokens = torch.LongTensor([numbers[phoneme] for phoneme in phonemes])
        mel, energy = hparams["mel_spectrogram"](audio=read_audio(wav))
        hertz = torch.from_numpy(read_pitch(corpus, row_id))
        pitch = torch.where(hertz > 0, (hertz - statistics["mean"]) / statistics["deviation"], 0)
        nothing = torch.zeros_like(tokens)
        return tokens, torch.LongTensor(durations), mel, pitch, energy, len(tokens), nothing, tokens, nothing

    datasets, problems = [], []
    for name in ("train.csv", "eval.csv"):
        rows, faults = load_rows(corpus, name, hparams["symbols"])
        problems += faults
        if not rows:
            raise SystemExit(report([*problems, f"{corpus / name} has no row that can be used"], 2))
        datasets.append(DynamicItemDataset(rows, [load], ["mel_text_pair", "wav", "label"]))
    train, evaluation = datasets
    return train, evaluation, problems


def make_loader_options(dataset: DynamicItemDataset, hparams: dict[str, Any], *, shuffle: bool) -> dict[str, Any]:
    """Batches of sentences of about one length, so that little of them is padding."""
    sampler = DynamicBatchSampler(
        dataset,
        hparams["max_batch_frames"],
        hparams["num_buckets"],
        length_func=lambda row: sum(row["durations"]),
        shuffle=shuffle,
        seed=hparams["seed"],
    )
    return {"batch_sampler": sampler, **hparams["dataloader_opts"]}


def main() -> int:
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    with Path(hparams_file).open(encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    if lacks := find_lacks(Path(hparams["corpus"]), "train.csv", "eval.csv", "pitch.json", "alignments"):
        return report(lacks, 2)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    train, evaluation, problems = make_datasets(hparams)
    report(problems, 1)
    brain = FastSpeech2Brain(hparams["modules"], hparams["opt_class"], hparams, run_opts, hparams["checkpointer"])
    if hparams["checkpointer"].find_checkpoint() is None:
        start_at_mean(hparams["model"], train)
    loader_options = make_loader_options(train, hparams, shuffle=True)
    brain.train_sampler = loader_options["batch_sampler"]  # told the epoch, a resumed run goes on with its own batches
    brain.fit(
        hparams["epoch_counter"],
        train,
        evaluation,
        train_loader_kwargs=loader_options,
        valid_loader_kwargs=make_loader_options(evaluation, hparams, shuffle=False),
    )
    return report(problems, 1)  # again: hours lie between


if __name__ == "__main__":
    sys.exit(main())
