"""Every ordered pair of the catalogue."""

from __future__ import annotations

import importlib.util
import itertools
import re
import warnings

import numpy as np
import pytest
import soundfile
import soxr
import torch

from helpers.paths import ROOT
from vocos_plugins import MelMismatch, MelSpectrogram, align
from vocos_plugins.mel import MelMismatchWarning
from vocos_plugins.mel.compression import expand
from vocos_plugins.mel.estimate import SECONDS, measure_error
from vocos_plugins.mel.speech import CLIPS
from vocos_plugins.plugins import mel_conventions

CATALOGUE = mel_conventions()
# Relative, of linear mels that are loud in both: float32 spectra, symmetric against periodic windows (0.8 % at most
# where a band lies between harmonics), and what is left of log(x + 1) in float32.
EXACT = 0.02
MEAN_EXACT = 2e-3
# In frames: those that reach over the signal's ends, which are mirrored in one convention and zeros in another.
EDGE = 5
# Half a neper below a recording's loudest cells there is nothing that a guard or clip touches.
LOUD = 0.05
FACTOR = 1.5
# Of two digits: another processor rounds the estimate's speech otherwise.
SAME_FIGURE = 0.011
KNOWN_KINDS = {
    ("hifigan-22khz", "speechbrain-ljspeech"): "framing",
    ("nemo-fastpitch-22khz", "speechbrain-ljspeech"): "pointwise",
    ("nemo-fastpitch-22khz", "nemo-hifigan-22khz"): "framing",
    ("nemo-hifigan-22khz", "hifigan-22khz"): "identity",
    ("nemo-fastpitch-dataset-22khz", "nemo-fastpitch-22khz-full-band"): "pointwise",
    ("coqui-ljspeech", "speechbrain-ljspeech"): "pointwise",
    ("coqui-default", "coqui-ljspeech"): "lossy",
    ("coqui-default", "nemo-fastpitch-22khz-full-band"): "pointwise",
    ("matcha-tts-ljspeech", "hifigan-22khz"): "pointwise",
    ("matcha-tts-ljspeech", "matcha-tts-vctk"): "pointwise",
    ("chattts", "vocos-24khz"): "identity",
    ("f5-tts-vocos", "vocos-24khz"): "pointwise",
    ("vocos-24khz", "bigvgan-24khz-100band"): "lossy",
    ("hifigan-22khz", "vocos-24khz"): "lossy",
    ("cosyvoice-1", "hifigan-22khz"): "identity",
    ("speecht5", "hifigan-22khz"): "lossy",
    ("tortoise-univnet", "univnet"): "framing",
}
GRID = ("sample_rate", "n_fft", "win_length", "hop_length", "n_mels", "f_min", "mel_scale", "power", "window")


def expected_kind(source, target) -> str:
    """By the definitions alone, in other words than the code's."""
    tops = {convention.f_max or convention.sample_rate / 2 for convention in (source, target)}
    if len(tops) > 1 or any(getattr(source, name) != getattr(target, name) for name in GRID):
        return "lossy"
    if source.framing != target.framing:
        return "framing"
    values = ("log", "log_gain", "guard", "guard_value", "normalization", "mel_norm")
    return "pointwise" if any(getattr(source, name) != getattr(target, name) for name in values) else "identity"


def quiet_align(source, target):
    """Without the warning, and None where it is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MelMismatchWarning)
        try:
            return align(source, target)
        except MelMismatch:
            return None


@pytest.fixture(scope="module")
def speech():
    """What the error estimate has not heard of the shipped clips, at a rate: ``(1, N)`` each."""
    cache = {}

    def load(sample_rate):
        if sample_rate not in cache:
            cache[sample_rate] = []
            for clip in CLIPS:
                audio, rate = soundfile.read(clip.path, dtype="float64")
                rest = soxr.resample(audio[int(SECONDS * rate) :], rate, sample_rate)
                cache[sample_rate].append(torch.from_numpy(rest.astype(np.float32))[None])
        return cache[sample_rate]

    return load


EXACT_PAIRS = [
    pytest.param(source, target, id=f"{source.name}-{target.name}")
    for source, target in itertools.permutations(CATALOGUE.values(), 2)
    if expected_kind(source, target) != "lossy"
]
LOSSY_PAIRS = [
    (source, target)
    for source, target in itertools.permutations(dict.fromkeys(CATALOGUE.values()), 2)
    if expected_kind(source, target) == "lossy"
]


@pytest.mark.parametrize(("names", "kind"), KNOWN_KINDS.items(), ids="-".join)
def test_kinds_that_users_will_ask_for(names, kind) -> None:
    """Said by hand."""
    assert quiet_align(*(CATALOGUE[name] for name in names)).kind == kind


@pytest.mark.parametrize(("source", "target"), EXACT_PAIRS)
def test_exact_pairs_give_the_target_s_own_mel(source, target, speech) -> None:
    """The kind is as defined, and loud cells come out as the target's own, of the same samples, in the same place."""
    alignment = align(source, target, strict=True)
    assert alignment.kind == expected_kind(source, target)
    audio = speech(source.sample_rate)[0]
    audio = audio[:, : audio.shape[1] // source.hop_length * source.hop_length]
    aligned = alignment(MelSpectrogram(source)(audio))
    own = MelSpectrogram(target)(torch.nn.functional.pad(audio, (alignment.first_sample, 0)))
    n_frames = min(aligned.shape[-1], own.shape[-1])
    found, expected = (expand(mel[0, :, EDGE : n_frames - EDGE].double(), target) for mel in (aligned, own))
    loud = expected > LOUD * expected.max()
    error = ((found - expected).abs() / expected)[loud]
    assert float(error.max()) < EXACT
    assert float(error.mean()) < MEAN_EXACT


@pytest.mark.parametrize(("source", "target"), LOSSY_PAIRS[::23], ids=lambda side: side.name)
def test_lossy_pairs_are_off_by_what_they_say(source, target, speech) -> None:
    """Every 23rd of them; `benchmarks/alignment_estimates.py` goes through all."""
    alignment = quiet_align(source, target)
    assert alignment.kind == "lossy"
    measured = measure_error(source, target, speech(source.sample_rate), speech(target.sample_rate)).mean
    assert measured / FACTOR < alignment.error.mean < measured * FACTOR


def test_nothing_becomes_nan(speech) -> None:
    """Speech, silence, floors and absurd values through one pair in twenty-nine."""
    for source, target in list(itertools.permutations(CATALOGUE.values(), 2))[::29]:
        alignment = quiet_align(source, target)
        if alignment is None:
            continue
        mel = MelSpectrogram(source)(torch.zeros(1, 4 * source.n_fft))
        for extreme in (mel, mel - 100, mel + 100):
            assert torch.isfinite(alignment(extreme)).all(), f"{source.name} to {target.name}"


def test_the_matrix_in_the_docs_is_up_to_date() -> None:
    """The groups, their order, what becomes of each pair, and the error of every fortieth that is lossy."""
    path = ROOT / "scripts" / "pair_matrix.py"
    spec = importlib.util.spec_from_file_location("pair_matrix", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text, groups = module.PAGE.read_text(encoding="utf-8"), module.groups()
    for number, group in enumerate(groups, start=1):
        assert f"\n{number}. {', '.join(member.name for member in group)}\n" in text
    rows = [line.strip("| ").split(" | ")[1:] for line in text.splitlines() if line.startswith("| **")]
    pairs = list(itertools.product(groups, repeat=2))
    cells = [cell for row in rows for cell in row]
    lossy = 0
    for (source, target), cell in zip(pairs, cells, strict=True):
        number = re.fullmatch(r"(\d\.\d\d)(\*?)", cell)
        lossy += number is not None
        if number is None or lossy % 40 == 0:
            found = quiet_cell(module, source[0], target[0])
            if number is None:
                assert found == cell, f"{source[0].name} to {target[0].name}"
            else:
                assert found.endswith("*") == bool(number[2])
                assert float(found.rstrip("*")) == pytest.approx(float(number[1]), abs=SAME_FIGURE)
    assert lossy > 500


def quiet_cell(module, source, target) -> str:
    """Without the warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MelMismatchWarning)
        return module.cell(source, target)
