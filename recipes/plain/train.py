"""Trains a small Vocos on spectral losses alone: no discriminators, no framework, one file to copy and change.

    python recipes/plain/train.py --manifest DATA/manifest.csv --out runs/small --steps 60000

The manifest is a CSV with the columns ``file`` (relative to it), ``split`` and ``bandwidth_hz``; rows whose split is
``train`` are used. Decoded audio is cached in ``OUT/cache``. You can stop it at any time: the same command resumes from
``OUT/state.pt``. ``OUT/model`` has the averaged weights, ready for ``Vocos.from_pretrained``.
"""

from __future__ import annotations

import argparse
import copy
import csv
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from vocos_plugins import MelConvention, Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig
from vocos_plugins.mel.filterbank import mel_filterbank
from vocos_plugins.storage.atomic import atomic_write
from vocos_plugins.training.averaging import update_average
from vocos_plugins.training.divergence import DivergenceError, check_losses, check_weights
from vocos_plugins.training.termination import StopRequest

SAMPLE_RATE = 22050
BATCH_SIZE = 8
CROP = 12288  # samples
LEARNING_RATE = 1e-3
WARMUP_STEPS = 500
DECAY_SHARE = 0.3  # share of the steps, at the end, in which the learning rate falls to zero
EMA_DECAY = 0.999
MEL_WEIGHT = 45.0
PHASE_WEIGHT = 4.0
MEL_RESOLUTIONS = ((256, 20), (512, 40), (1024, 80), (2048, 160))  # n_fft, bands; the hop is a quarter
PHASE_RESOLUTIONS = (512, 1024, 2048)
SAVE_EVERY = 500

CONFIG = VocosConfig(
    features=MelConvention(
        name="vocos-22khz",
        sample_rate=SAMPLE_RATE,
        n_fft=1024,
        win_length=1024,
        hop_length=256,
        n_mels=80,
        f_max=8000.0,
        mel_scale="slaney",
        mel_norm="slaney",
        guard_value=1e-5,
    ),
    backbone=ConvNeXt(dim=256, intermediate_dim=768, num_layers=8),
    head=ISTFT(n_fft=1024, hop_length=256, amplitude_prior=True),
)


class Corpus:
    """All training audio as one array of 16-bit samples on disk, with the bandwidth of each file."""

    def __init__(self, manifest: Path, cache: Path) -> None:
        if not (cache / "index.npy").exists():
            self._build(manifest, cache)
        self.audio = np.memmap(cache / "audio.i16", dtype=np.int16, mode="r")
        self.index = np.load(cache / "index.npy")  # start, samples, bandwidth in Hz
        # Files are drawn by their number of crops, so that every crop is equally likely.
        usable = np.maximum(self.index[:, 1] - CROP, 1).astype(float)
        self.share = usable / usable.sum()

    @staticmethod
    def _build(manifest: Path, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        index, position = [], 0
        with (cache / "audio.i16").open("wb") as out, manifest.open(newline="") as rows:
            for row in csv.DictReader(rows):
                if row["split"] != "train":
                    continue
                audio, rate = soundfile.read(manifest.parent / row["file"], dtype="float32", always_2d=True)
                mono = soxr.resample(audio.mean(axis=1), rate, SAMPLE_RATE)
                peak = np.abs(mono).max()
                # Too short for a crop, or silent: at full scale it would be only noise.
                if len(mono) <= CROP or peak < 1e-3:
                    continue
                # At full scale, so that 16 bits lose little; the level of each crop is random anyway.
                np.round(mono / peak * 32767).astype(np.int16).tofile(out)
                bandwidth = min(float(row["bandwidth_hz"]), rate / 2, SAMPLE_RATE / 2)
                index.append((position, len(mono), int(bandwidth)))
                position += len(mono)
        np.save(cache / "index.npy", np.array(index))

    def batch(self, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draws crops ``(B, N)`` at random levels; returns them with the bandwidth of each in Hz ``(B,)``."""
        crops, bands = [], []
        for row in random.choice(len(self.index), BATCH_SIZE, p=self.share):
            start, length, bandwidth = self.index[row]
            start += random.integers(0, length - CROP)
            crop = self.audio[start : start + CROP].astype(np.float32) / 32767
            crops.append(crop * 10 ** (random.uniform(-20, -1) / 20))
            bands.append(bandwidth)
        return torch.from_numpy(np.stack(crops)), torch.tensor(bands, dtype=torch.float32)


class SpectralLoss(torch.nn.Module):
    """Multi-resolution log-mel distance within a clip's bandwidth, and distance of phase derivatives."""

    def __init__(self) -> None:
        super().__init__()
        self.filterbanks = {
            n_fft: mel_filterbank(
                sample_rate=SAMPLE_RATE, n_fft=n_fft, n_mels=bands, mel_scale="slaney", mel_norm="slaney"
            )
            for n_fft, bands in MEL_RESOLUTIONS
        }

    def forward(self, fake: Tensor, real: Tensor, bandwidth: Tensor) -> tuple[Tensor, Tensor]:
        mels, phases = [], []
        for n_fft, _ in MEL_RESOLUTIONS:
            fake_stft, real_stft = _stft(fake, n_fft), _stft(real, n_fft)
            mels.append(self._mel_distance(fake_stft, real_stft, bandwidth, n_fft))
            if n_fft in PHASE_RESOLUTIONS:
                phases.append(_phase_distance(fake_stft, real_stft))
        return torch.stack(mels).mean(), torch.stack(phases).mean()

    def _mel_distance(self, fake: Tensor, real: Tensor, bandwidth: Tensor, n_fft: int) -> Tensor:
        filterbank = self.filterbanks[n_fft]
        frequency = torch.linspace(0, SAMPLE_RATE / 2, n_fft // 2 + 1)
        top = (filterbank > 0).float().mul(frequency[:, None]).amax(dim=0)
        # A recording says nothing about bands above its bandwidth, so they don't count.
        known = (top <= bandwidth[:, None]).float()[:, None]  # (B, 1, bands)
        logs = [(_magnitude(x).transpose(1, 2) @ filterbank).clamp_min(1e-5).log() for x in (fake, real)]
        return ((logs[0] - logs[1]).abs() * known).sum() / (known.sum() * logs[0].shape[1])


def _stft(audio: Tensor, n_fft: int) -> Tensor:
    return torch.stft(audio, n_fft, n_fft // 4, window=torch.hann_window(n_fft), return_complex=True)


def _magnitude(spectrum: Tensor) -> Tensor:
    # The constant keeps the gradient of the root finite at zero.
    return (spectrum.real.square() + spectrum.imag.square() + 1e-10).sqrt()


def _phase_distance(fake: Tensor, real: Tensor) -> Tensor:
    """Computes the distance of phase steps along time and frequency, weighted by the compressed real magnitude."""
    weight = _magnitude(real) ** 0.5
    turn_fake, turn_real = fake / _magnitude(fake), real / _magnitude(real)
    distance = torch.zeros(())
    for axis in (1, 2):
        last = turn_fake.shape[axis] - 1
        steps = [t.narrow(axis, 1, last) * t.narrow(axis, 0, last).conj() for t in (turn_fake, turn_real)]
        both = (weight.narrow(axis, 1, last) * weight.narrow(axis, 0, last)).sqrt()
        distance = distance + (both * _magnitude(steps[0] - steps[1])).sum() / both.sum()
    return distance


def learning_rate(step: int, steps: int) -> float:
    """Returns the rate at a step: warm-up, plateau, linear decay."""
    decay_from = (1 - DECAY_SHARE) * steps
    factor = min(1.0, (step + 1) / WARMUP_STEPS)
    return LEARNING_RATE * factor * min(1.0, max(0.0, (steps - step) / (steps - decay_from)))


def provenance(step: int) -> dict[str, object]:
    """Returns the description of the training that is stored in the checkpoint."""
    return {
        "steps": step,
        "batch": f"{BATCH_SIZE} crops of {CROP} samples",
        "losses": "multi-resolution log mel, phase derivatives; no discriminators",
        "script": "recipes/plain/train.py",
        "hardware": f"CPU, {torch.get_num_threads()} threads",
    }


def save(out: Path, step: int, model: Vocos, average: Vocos, optimizer: torch.optim.Optimizer) -> None:
    state = {
        "step": step,
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "torch_random": torch.get_rng_state(),
    }
    with atomic_write(out / "state.pt") as temporary:
        torch.save(state, temporary)
    average.provenance = provenance(step)
    average.save_pretrained(out / "model")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=60000)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(args.manifest, args.out / "cache")
    torch.manual_seed(0)
    model = Vocos(CONFIG)
    average = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.8, 0.99), weight_decay=0.01)
    first = 0
    if (args.out / "state.pt").exists():
        state = torch.load(args.out / "state.pt", weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["torch_random"])
        first = state["step"]
    loss_of = SpectralLoss()
    stop = StopRequest()  # the step is finished and saved first
    stop.install()
    means, since = np.zeros(2), time.perf_counter()
    for step in range(first, args.steps):
        # Seeded by the step, so that a resumed run sees the same crops.
        real, bandwidth = corpus.batch(np.random.default_rng((1, step)))
        mel = model.feature_extractor(real)
        fake = model.synthesize(mel)
        mel_loss, phase_loss = loss_of(fake, real[:, : fake.shape[1]], bandwidth)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps)
        optimizer.zero_grad(set_to_none=True)
        check_losses({"mel": mel_loss, "phase": phase_loss}, step + 1)
        (MEL_WEIGHT * mel_loss + PHASE_WEIGHT * phase_loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        check_weights(model, step + 1)
        # Early on, the mean is over a few steps, so that it soon forgets the random weights.
        update_average(average, model, min(EMA_DECAY, (step + 1) / (step + 10)))
        means += (float(mel_loss.detach()), float(phase_loss.detach()))
        if (step + 1) % 100 == 0:
            rate = 100 / (time.perf_counter() - since)
            line = f"{step + 1}\tmel {means[0] / 100:.4f}\tphase {means[1] / 100:.4f}\t{rate:.2f} steps/s"
            with (args.out / "log.tsv").open("a") as log:
                log.write(line + "\n")
            print(line, flush=True)
            means, since = np.zeros(2), time.perf_counter()
        if stop.requested or (step + 1) % SAVE_EVERY == 0 or step + 1 == args.steps:
            save(args.out, step + 1, model, average, optimizer)
        if stop.requested:
            return


if __name__ == "__main__":
    try:
        main()
    except DivergenceError as diverged:
        raise SystemExit(str(diverged)) from diverged  # exit code 1
