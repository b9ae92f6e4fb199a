"""Teaches a model to be silent where a recording ends, and otherwise to sound as before.

    python recipes/lightning/quiet_above_band.py MODEL OUT --data manifest.csv --split train --steps 7500

A mel ends at 8 kHz, and a vocoder invents what lies above. Where the recording was made at 16 kHz nothing lies there,
which the mel's last bands show: they fall off. Training as in the other recipes leaves a model free above a recording's
own band, so it never learned that. Here it learns its own spectra below the mel's highest frequency, and above it the
recordings' levels. A third of the crops are cut off there by a filter, so that nothing but the mel's last bands says
which is which. It needs recordings of both kinds, or at least full-band ones. On one core, a thousand steps take six
minutes. The same command continues an interrupted run.
"""

from __future__ import annotations

import argparse
import copy
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from vocos_plugins import Vocos
from vocos_plugins.network.heads import ISTFTHead
from vocos_plugins.spectral import stft
from vocos_plugins.storage.atomic import atomic_write
from vocos_plugins.training.averaging import update_average
from vocos_plugins.training.data import Data, StepSampler

BATCH = 12
FRAMES = 80
EDGE = 14  # frames at a crop's ends that don't count, because neighbours are missing
LEVELS_DB = (-20.0, -1.0)
# Magnitudes below this are silence: that of dither of 16 bits is a few times as much.
SILENCE = 1e-3
# Root of the mean power of noise, divided by the median of its magnitudes, which an absolute error aims at.
POWER_TO_MEDIAN = 1 / math.sqrt(math.log(2))
# Bins and frames whose power is summed: a mel implies that much, and no single bin.
POOL = (16, 8)
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
        self.options, self.mel = vocos.head.options, vocos.mel
        # Above this bin the mel says nothing.
        self.cut = math.ceil(self.mel.f_max / vocos.sample_rate * self.options.n_fft)

    def losses(self, audio: Tensor) -> dict[str, Tensor]:
        """Returns the distances to the model before, and above the cut to the audio ``(B, N)``."""
        o, cut = self.options, self.cut
        inner = slice(EDGE, -EDGE)
        with torch.no_grad():
            mel = self.before.feature_extractor(audio)
            expected, prior = outputs(self.before, mel), log_prior(self.before, mel)
            real = stft(
                audio, self.before.head.istft.window, n_fft=o.n_fft, hop_length=o.hop_length, framing=o.framing
            ).abs()
        found = outputs(self.model, mel)
        (level, phase), (level_before, phase_before) = found, expected
        weight = ((level_before + prior)[:, :cut] / 2).exp()
        turn = (1 - (phase - phase_before)[:, :cut].cos()) * (weight / weight.mean())
        above, wanted = (level + prior)[:, cut:].exp(), real[:, cut:]
        return {
            "level": (level - level_before)[:, :cut, inner].abs().mean(),
            "phase": turn[:, :, inner].mean(),
            "above": distance(above, aim(wanted))[:, :, inner].mean(),
            "pooled": distance(pooled(above[..., inner]), pooled(wanted[..., inner])).mean(),
        }


def outputs(vocos: Vocos, mel: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the head's log magnitude, without its prior, and phase: each ``(B, n_fft // 2 + 1, T)``."""
    level, phase = vocos.head.out(vocos.backbone(mel)).transpose(1, 2).chunk(2, dim=1)
    return level, phase


def log_prior(vocos: Vocos, mel: Tensor) -> Tensor:
    """Returns the logarithm of the head's amplitude prior; 0 without one."""
    return mel.new_zeros(()) if vocos.head.prior is None else vocos.head.prior(mel).log()


def aim(magnitude: Tensor) -> Tensor:
    """Returns what to compare with, so that the least distance to magnitudes of noise is at the root of its power."""
    return magnitude * POWER_TO_MEDIAN


def pooled(magnitude: Tensor) -> Tensor:
    """Returns the root mean square of neighbouring bins and frames."""
    return F.avg_pool2d(magnitude.square(), POOL).sqrt()


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
        narrow = torch.arange(len(audio)) % 3 == 0
        audio[narrow] = cut_off(audio[narrow], pair.before.sample_rate, pair.mel.f_max, generator)
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        losses = pair.losses(audio)
        optimizer.zero_grad()
        (losses["level"] + 2 * losses["phase"] + 0.5 * losses["above"] + losses["pooled"]).backward()
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
