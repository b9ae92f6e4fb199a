"""Teaches a model to be silent where a recording ends, and otherwise to sound as before.

    python recipes/lightning/quiet_above_band.py MODEL OUT --data manifest.csv --split train --steps 7500

A mel ends at 8 kHz, and a vocoder invents what lies above. Where the recording was made at 16 kHz nothing lies there,
which the mel's last bands show: they fall off. Training as in the other recipes leaves a model free above a recording's
own band, so it never learned that. Here it learns its own spectra, and silence above the mel's highest frequency where
the recording ends there. A third of the crops are cut off there by a filter, so that nothing but the mel's last bands
says which is which. It needs recordings of both kinds, or at least full-band ones; a manifest's column `bandwidth_hz`
says where they end. On one core, a thousand steps take six minutes. The same command continues an interrupted run.
"""

from __future__ import annotations

import argparse
import copy
import math
from pathlib import Path

import torch
from torch import Tensor

from vocos_plugins import Vocos
from vocos_plugins.network.heads import ISTFTHead
from vocos_plugins.storage.atomic import atomic_write
from vocos_plugins.training.averaging import update_average
from vocos_plugins.training.data import Data, StepSampler

BATCH = 12
FRAMES = 80
EDGE = 14  # frames at a crop's ends that don't count, because neighbours are missing
LEVELS_DB = (-20.0, -1.0)
# Magnitudes below this are silence: that of dither of 16 bits is a few times as much.
SILENCE = 1e-3
# A recording ends at the mel's highest frequency if its bandwidth is at most this many times as large.
NEAR = 1.03
WEIGHTS = {"level": 1.0, "phase": 2.0, "above": 1.0, "phase above": 2.0, "silence": 0.5}
LEARNING_RATE = 2e-4
WARM_UP, AVERAGE_FROM = 100, 200
SAVE_EVERY = 500
FALL = 0.4  # share of the steps in which the rate falls


class Pair:
    """A model that is trained, and what it was before."""

    def __init__(self, vocos: Vocos) -> None:
        if not isinstance(vocos.head, ISTFTHead) or vocos.mel is None or vocos.mel.f_max is None:
            raise SystemExit("expected a model with an ISTFT head and a mel that ends below the Nyquist frequency")
        self.before, self.model = copy.deepcopy(vocos).requires_grad_(False), vocos.requires_grad_(True)
        self.mel = vocos.mel
        # Above this bin the mel says nothing.
        self.cut = math.ceil(self.mel.f_max / vocos.sample_rate * vocos.head.options.n_fft)

    def losses(self, audio: Tensor, ends: Tensor) -> dict[str, Tensor]:
        """Returns the distances to the model before, and to silence above the cut.

        Args:
            audio: ``(B, N)``.
            ends: bool ``(B,)``, True for audio that ends at the cut.
        """
        cut, inner = self.cut, slice(EDGE, -EDGE)
        with torch.no_grad():
            mel = self.before.feature_extractor(audio)
            expected, prior = outputs(self.before, mel), log_prior(self.before, mel)
        (level, phase), (level_before, phase_before) = outputs(self.model, mel), expected
        weight = ((level_before + prior) / 2).exp()
        turn = (1 - (phase - phase_before).cos()) * (weight / weight[:, :cut].mean())
        above, above_before = (level + prior)[:, cut:].exp(), (level_before + prior)[:, cut:].exp()
        return {
            "level": (level - level_before)[:, :cut, inner].abs().mean(),
            "phase": turn[:, :cut, inner].mean(),
            # Its own levels, not the recordings': those can only be guessed, and a guess between two is too quiet.
            "above": mean(distance(above, above_before)[~ends][:, :, inner]),
            "phase above": mean(turn[~ends][:, cut:, inner]),
            "silence": mean(distance(above, torch.zeros_like(above))[ends][:, :, inner]),
        }


def mean(values: Tensor) -> Tensor:
    """Returns the mean; 0 of nothing."""
    return values.sum() / max(1, values.numel())


def outputs(vocos: Vocos, mel: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the head's log magnitude, without its prior, and phase: each ``(B, n_fft // 2 + 1, T)``."""
    level, phase = vocos.head.out(vocos.backbone(mel)).transpose(1, 2).chunk(2, dim=1)
    return level, phase


def log_prior(vocos: Vocos, mel: Tensor) -> Tensor:
    """Returns the logarithm of the head's amplitude prior; 0 without one."""
    return mel.new_zeros(()) if vocos.head.prior is None else vocos.head.prior(mel).log()


def distance(found: Tensor, expected: Tensor) -> Tensor:
    """Returns the distance of levels in nepers, where silence is as good as any other silence."""
    return ((found + SILENCE) / (expected + SILENCE)).log().abs()


def cut_off(audio: Tensor, sample_rate: int, f_max: float, generator: torch.Generator) -> Tensor:
    """Removes what lies above a slope that ends at the mel's highest frequency, or somewhat below: ``(B, N)``."""
    end, width = torch.rand(2, len(audio), 1, generator=generator)
    width = 0.0125 + 0.07 * width  # as resamplers fall off
    # Low enough that the mel's last band falls by 0.6 nepers or more. Full-band recordings fall by up to 0.5 there: a
    # cut that doesn't show would teach the model to be quiet whenever it isn't sure.
    end = 0.9375 + (0.0235 + 0.5 * width) * end
    end, width = f_max * end, f_max * width
    frequency = torch.fft.rfftfreq(audio.shape[1], 1 / sample_rate)
    gain = ((end - frequency) / width).clamp(0, 1)
    return torch.fft.irfft(torch.fft.rfft(audio) * (gain * math.pi / 2).sin().square(), n=audio.shape[1])


def rate(step: int, steps: int) -> float:
    """Returns the learning rate: constant after the warm-up, falling in the last part."""
    return LEARNING_RATE * min(1.0, (step + 1) / WARM_UP, max(0.02, (steps - step) / (FALL * steps)))


def train(pair: Pair, data: Data, steps: int, state: Path) -> Vocos:
    """Trains, and returns the mean over the last steps."""
    mean, first = copy.deepcopy(pair.model), 0
    optimizer = torch.optim.AdamW(pair.model.parameters(), betas=(0.8, 0.95))
    parts = {"model": pair.model, "mean": mean, "optimizer": optimizer}
    if state.exists():
        saved = torch.load(state, weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        first = saved["step"]
    crops = data.train_dataset(pair.before.sample_rate)
    for step, items in enumerate(StepSampler(BATCH, first_step=first, last_step=steps), first):
        clips = [crops[item] for item in items]
        audio = torch.stack([clip["audio"] for clip in clips])
        generator = torch.Generator().manual_seed(step)
        ends = torch.stack([clip["bandwidth_hz"] for clip in clips]) <= NEAR * pair.mel.f_max
        cut = torch.arange(len(audio)) % 3 == 0
        audio[cut] = cut_off(audio[cut], pair.before.sample_rate, pair.mel.f_max, generator)
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        losses = pair.losses(audio, ends | cut)
        optimizer.zero_grad()
        sum(WEIGHTS[name] * loss for name, loss in losses.items()).backward()
        torch.nn.utils.clip_grad_norm_(pair.model.parameters(), 1.0)
        optimizer.step()
        update_average(mean, pair.model, 0.995 if step >= AVERAGE_FROM else 0.95)
        if (step + 1) % 100 == 0:
            print(step + 1, *(f"{name} {float(loss.detach()):.3f}" for name, loss in losses.items()), flush=True)
        if (step + 1) % SAVE_EVERY == 0:
            save(state, {"step": step + 1} | {name: part.state_dict() for name, part in parts.items()})
    return mean


def save(path: Path, state: object) -> None:
    """Writes a state in place of the one before."""
    with atomic_write(path) as temporary:
        torch.save(state, temporary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name or directory of the model")
    parser.add_argument("out", type=Path, help="directory for the trained one")
    parser.add_argument("--data", action="append", required=True, help="folder, list or manifest of recordings")
    parser.add_argument("--split", help="rows of a manifest to use")
    parser.add_argument("--steps", type=int, default=7500)
    parser.add_argument("--cache", help="folder for decoded audio")
    arguments = parser.parse_args()
    vocos = Vocos.from_pretrained(arguments.model, precision="float32").eval()
    pair = Pair(vocos)
    data = Data(
        train=tuple(arguments.data),
        train_split=arguments.split,
        num_samples=FRAMES * vocos.hop_length,
        batch_size=BATCH,
        gain_db=LEVELS_DB,
        cache_dir=arguments.cache,
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    trained = train(pair, data, arguments.steps, arguments.out / "last.pt")
    trained.provenance = {key: value for key, value in vocos.provenance.items() if key != "certificate"}
    trained.save_pretrained(arguments.out)
    print(f"wrote {arguments.out}; `vocos certify` measures its 8 bits again")


if __name__ == "__main__":
    main()
