"""The postfilter that a bundled vocoder ships with is fitted to several models' mels, and stays with new weights."""

from __future__ import annotations

import dataclasses
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from helpers.paths import ROOT
from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.config import AdaptivePostfilter
from vocos_plugins.mel import align
from vocos_plugins.plugins import mel_conventions

PREDICTED = ROOT / "recipes" / "tts" / "predicted"
BUNDLED = "vocos-mel-22khz-small"
CONVENTIONS = {"speechbrain": "speechbrain-ljspeech", "coqui": "coqui-ljspeech", "nemo": "nemo-fastpitch-22khz"}


@pytest.fixture(scope="module")
def voice(tmp_path_factory) -> Path:
    """The voice's audio of the mels in the repository, as a corpus has it."""
    folder = tmp_path_factory.mktemp("wavs")
    for path in (PREDICTED / "audio").glob("*.flac"):
        soundfile.write(folder / f"{path.stem}.wav", *soundfile.read(path))
    return folder


@pytest.fixture
def fit(recipe_module, voice) -> Callable[..., int]:
    """Runs the script on folders of mels, each with its convention."""
    main = recipe_module("shared_postfilter").main
    return lambda out, *given: main([BUNDLED, str(out), "--data", str(voice), *given])


def test_predicted_mels_become_as_rough_as_the_voice_s(fit, voice, tmp_path, capsys) -> None:
    """On the mels that it was fitted to, steps from band to band come much nearer to those of the voice's own mels."""
    given = [f"{PREDICTED / name}={convention}" for name, convention in CONVENTIONS.items()]
    assert fit(tmp_path / "fitted", *given) == 0
    assert "predicted and" in capsys.readouterr().out
    fitted = Vocos.from_pretrained(tmp_path / "fitted", precision="float32")
    assert fitted.config.postfilter == AdaptivePostfilter()
    assert fitted.provenance["postfilter"].count(" + ") == 2
    front_end = MelSpectrogram(fitted.mel)

    def step(mel: torch.Tensor) -> float:
        return float(mel[0].diff(dim=0).abs().mean())

    steps: dict[str, list[float]] = {"own": [], "before": [], "after": []}
    for name, convention in CONVENTIONS.items():
        alignment = align(mel_conventions()[convention], fitted.mel)
        for path in sorted((PREDICTED / name).glob("*.npy"))[:5]:
            audio, _ = soundfile.read(voice / f"{path.stem}.wav", dtype="float32")
            mel = alignment(torch.from_numpy(np.load(path).astype(np.float32))[None])
            steps["own"].append(step(front_end(torch.from_numpy(audio)[None])))
            steps["before"].append(step(mel))
            steps["after"].append(step(fitted.postfiltered(mel)))
    own, before, after = (sum(steps[name]) for name in ("own", "before", "after"))
    # 0.59 and 0.81 of the voice's own, when this was written.
    assert before < 0.65 * own
    assert 0.72 * own < after < 1.05 * own


def test_refusals(fit, tmp_path, capsys) -> None:
    """An unknown convention, and mels without their recording, are named; nothing is written."""
    assert fit(tmp_path / "a", f"{PREDICTED / 'coqui'}=nonsense") == 2
    assert "unknown convention 'nonsense'" in capsys.readouterr().err
    np.save(tmp_path / "alone.npy", np.zeros((80, 50), np.float32))
    assert fit(tmp_path / "a", f"{tmp_path}=coqui-ljspeech") == 2
    assert "alone.wav" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_new_weights_keep_it() -> None:
    """`bundle.py` gives a model the postfilter of the one that it replaces, if that has one."""
    keep = runpy.run_path(str(ROOT / "recipes" / "plain" / "bundle.py"))["keep_postfilter"]
    before = Vocos.from_pretrained(BUNDLED)
    new = Vocos(dataclasses.replace(before.config, postfilter=None))
    keep(before, new)
    mel = torch.randn(1, 80, 40, generator=torch.Generator().manual_seed(0)) - 4
    assert new.config.postfilter == before.config.postfilter
    assert torch.equal(new.postfiltered(mel), before.postfiltered(mel))
    assert new.provenance["postfilter"] == before.provenance["postfilter"]
    plain = Vocos(new.config)
    plain.set_postfilter(None)
    keep(plain, new)
    assert new.postfilter is not None
