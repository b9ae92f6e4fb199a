"""``vocos postfilter``: from folders or a manifest to a model, and what can't be used."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from vocos_plugins import MelSpectrogram, Vocos
from vocos_plugins.evaluation.systems import build_systems
from vocos_plugins.mel.speech import CLIPS, read_clip

# Of a fit to float32 files.
CLOSE = 1e-3


@pytest.fixture(scope="module")
def own(model):
    """Mels of the shipped clips in the small model's convention, ``(12, T)``."""
    front_end = MelSpectrogram(Vocos.from_pretrained(model).mel)
    return [front_end(read_clip(clip, 16000)[None])[0].numpy() for clip in CLIPS]


@pytest.fixture
def predicted(own, tmp_path):
    """A folder of flatter and quieter mels, named after the clips."""
    folder = tmp_path / "mels"
    folder.mkdir()
    for clip, mel in zip(CLIPS, own, strict=True):
        np.save(folder / f"{clip.path.stem}.npy", 0.5 * mel - 3)
    return folder


RECORDINGS = CLIPS[0].path.parent


def test_pairs_of_a_folder(run, model, predicted, own, tmp_path) -> None:
    """The postfilter undoes what was done to the mels; the model knows what it was fitted on."""
    output = run("postfilter", model, tmp_path / "out", "--predicted", predicted, "--data", RECORDINGS).output
    n_frames = sum(mel.shape[1] for mel in own)
    assert f"Fitted on {n_frames} predicted and {n_frames} recorded frames, of the same sentences." in output
    fitted = Vocos.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(fitted.postfilter.weight, 2 * torch.eye(12), rtol=0, atol=CLOSE * 5)
    torch.testing.assert_close(fitted.postfilter.bias, torch.full((12,), 6.0), rtol=0, atol=CLOSE * 50)
    assert fitted.provenance["postfilter"] == f"fitted on {n_frames} predicted and {n_frames} recorded frames"


def test_evaluation_filters_predicted_mels_only(run, model, predicted, own, tmp_path) -> None:
    """The column of the recordings' own mels is that of the model without a postfilter."""
    run("postfilter", model, tmp_path / "out", "--predicted", predicted, "--data", RECORDINGS)
    fitted, plain = Vocos.from_pretrained(tmp_path / "out"), Vocos.from_pretrained(model)
    system = build_systems({"fitted": fitted})[-1]
    mel = torch.from_numpy(own[0])[None, :, :50]
    torch.testing.assert_close(system.vocode(mel), plain.decode(mel)[0], rtol=0, atol=CLOSE)
    flat = 0.5 * mel - 3
    torch.testing.assert_close(system.vocode_predicted(flat), fitted.decode(flat)[0], rtol=0, atol=CLOSE)
    assert build_systems({"plain": plain})[-1].vocode_predicted is None


def test_manifest_and_a_bad_line(run, model, predicted, tmp_path) -> None:
    """Lines name both sides. A missing recording is named, the rest is used, and the exit code is 1."""
    lines = [
        {"mel_filepath": str(predicted / f"{clip.path.stem}.npy"), "audio_filepath": str(clip.path)} for clip in CLIPS
    ]
    lines.insert(1, {**lines[0], "audio_filepath": "absent.wav"})
    manifest = tmp_path / "list.json"
    manifest.write_text("\n".join(map(json.dumps, lines)))
    result = run("postfilter", model, tmp_path / "out", "--predicted", manifest, code=1)
    assert "failed: list.json, line 2: " in result.stderr
    assert "absent.wav" in result.stderr
    assert Vocos.from_pretrained(tmp_path / "out").postfilter is not None


def test_other_sentences(run, model, predicted, tmp_path) -> None:
    """Mels without recordings of their names are fitted to all recordings."""
    for number, path in enumerate(sorted(predicted.iterdir())):
        path.rename(predicted / f"other-{number}.npy")
    output = run("postfilter", model, tmp_path / "out", "--predicted", predicted, "--data", RECORDINGS).output
    assert "not the same sentences" in output
    fitted = Vocos.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(fitted.postfilter.weight, 2 * torch.eye(12), rtol=0, atol=CLOSE * 5)


def test_without_recordings(run, model, predicted, own, tmp_path) -> None:
    """The shipped speech gives its covariance; here it is what was flattened, and the mean stays."""
    output = run("postfilter", model, tmp_path / "out", "--predicted", predicted).output
    n_frames = sum(mel.shape[1] for mel in own)
    assert f"{n_frames} recorded frames of other voices: the speech that ships with vocos-plugins." in output
    fitted = Vocos.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(fitted.postfilter.weight, 2 * torch.eye(12), rtol=0, atol=CLOSE * 5)
    mean = torch.from_numpy(np.concatenate([0.5 * mel - 3 for mel in own], axis=1)).mean(dim=1)
    torch.testing.assert_close(fitted.postfilter(mean[None, :, None])[0, :, 0], mean, rtol=0, atol=CLOSE * 10)
    assert fitted.provenance["postfilter"].endswith("recorded frames of other voices")


def test_a_mel_beyond_the_shipped_speech_needs_recordings(run, make_config, predicted, tmp_path) -> None:
    """The clips end at 8 kHz."""
    config = make_config()
    wide = dataclasses.replace(config, features=dataclasses.replace(config.features, sample_rate=24000))
    Vocos(wide).save_pretrained(tmp_path / "model")
    arguments = ("postfilter", tmp_path / "model", tmp_path / "out", "--predicted", predicted)
    output = " ".join(run(*arguments, code=2).output.split())
    assert "the mel goes up to 12000 Hz, and the speech that ships with the package to 8000" in output
    assert not (tmp_path / "out").exists()


def test_refusals(run, model, predicted, tmp_path) -> None:
    """Nothing is written with too little speech, or for mels of other bands."""
    short = tmp_path / "short"
    short.mkdir()
    np.save(short / "a.npy", np.zeros((12, 50), np.float32))
    wide = tmp_path / "wide"
    wide.mkdir()
    np.save(wide / "a.npy", np.zeros((80, 500), np.float32))
    for arguments, words in (
        (("--predicted", tmp_path / "absent", "--data", RECORDINGS), "no such file or folder"),
        (("--predicted", short, "--data", RECORDINGS), "the predicted mels have 50 frames, expected at least 120"),
        (("--predicted", wide, "--data", RECORDINGS), "a.npy: the mel has 80 bands, expected 12"),
    ):
        assert words in " ".join(run("postfilter", model, tmp_path / "out", *arguments, code=2).output.split())
        assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("default", "error:::vocos_")  # toolkits warn when they are imported
@pytest.mark.parametrize("target", ["speechbrain", "nemo", "coqui"])
def test_exports_keep_it(run, tmp_path, target) -> None:
    """What is written for a toolkit holds the postfilter, and is loaded with it."""
    vocos = Vocos.from_pretrained("vocos-mel-22khz-small")
    vocos.set_postfilter(1.5 * torch.eye(80), torch.full((80,), 2.0))
    vocos.save_pretrained(tmp_path / "fitted")
    out = tmp_path / ("exported.nemo" if target == "nemo" else "exported")
    run("export", target, out, "--model", tmp_path / "fitted")
    loaded = Vocos.from_pretrained(out)
    assert loaded.config == vocos.config
    assert torch.equal(loaded.postfilter.weight, vocos.postfilter.weight)
    assert torch.equal(loaded.postfilter.bias, vocos.postfilter.bias)
