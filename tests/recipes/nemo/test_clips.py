"""Clips of NeMo's manifests: crops of audio and mel stay aligned, and NeMo's own failures don't occur."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import soundfile
import torch
from vocos_nemo.clips import ClipDataset
from vocos_nemo.mel import FASTPITCH, HIFIGAN

from vocos_plugins.mel import MelSpectrogram

pytestmark = pytest.mark.xdist_group("nemo")

HOP, CROP = 256, 4096
FLOOR = float(np.log(1e-5))
# 16-bit samples.
ROUNDING = 2**-15


@pytest.fixture
def write_clip(tmp_path, write_manifest):
    """Writes a manifest of one recording with its mel in a convention, cut to some frames."""

    def write(n_samples, mel, n_frames, **more):
        audio = np.random.default_rng(0).uniform(-0.5, 0.5, n_samples)
        soundfile.write(tmp_path / "a.wav", audio, mel.sample_rate, subtype="PCM_16")
        features = MelSpectrogram(mel)(torch.from_numpy(audio).float()[None])[0, :, :n_frames]
        np.save(tmp_path / "a.npy", features.numpy())
        entry = {"audio_filepath": "a.wav", "mel_filepath": "a.npy", **more}
        return str(write_manifest(tmp_path / "m.json", entry))

    return write


@pytest.mark.parametrize("mel", [FASTPITCH, HIFIGAN], ids=lambda mel: mel.name)
def test_mel_and_audio_are_of_the_same_time(write_clip, mel) -> None:
    """The mel of a random crop is, away from its ends, the mel of the crop's own audio."""
    manifest = write_clip(20 * CROP, mel, 20 * CROP // HOP)
    dataset = ClipDataset(manifest, mel, n_samples=CROP, load_precomputed_mel=True)
    front_end, starts = MelSpectrogram(mel), set()
    for _ in range(8):
        item = dataset[0]
        assert item["mel"].shape == (80, CROP // HOP)
        assert item["audio"].shape == (CROP,)
        own = front_end(item["audio"][None])[0]
        assert (own[:, 3:-4] - item["mel"][:, 3 : own.shape[-1] - 4]).abs().max() < 0.05
        starts.add(float(item["audio"][0]))
    assert len(starts) > 1


@pytest.mark.parametrize("n_samples", [CROP - HOP, CROP - 1, CROP, CROP + 1, CROP + HOP - 1, CROP + HOP])
@pytest.mark.parametrize("extra", [0, 1])
def test_every_length_near_a_crop(write_clip, n_samples, extra) -> None:
    """Recordings of these lengths work; NeMo's data set fails on them, or returns crops of unequal length."""
    manifest = write_clip(n_samples, FASTPITCH, n_samples // HOP + extra)
    item = ClipDataset(manifest, FASTPITCH, n_samples=CROP, load_precomputed_mel=True)[0]
    assert item["mel"].shape == (80, CROP // HOP)
    assert item["audio"].shape == (CROP,)


def test_short_mels_end_in_silence(write_clip) -> None:
    """Audio is padded with zeros, and the mel with the convention's value of silence: 0 would be louder than speech."""
    manifest = write_clip(5 * HOP, FASTPITCH, 5)
    item = ClipDataset(manifest, FASTPITCH, n_samples=CROP, load_precomputed_mel=True)[0]
    assert item["mel"][:, 5:].numpy() == pytest.approx(FLOOR)
    assert (item["audio"][5 * HOP :] == 0).all()
    assert (item["audio"][: 5 * HOP] != 0).any()


def test_short_recordings_are_repeated(write_clip) -> None:
    """Without mels, they are repeated as in the reference, and the peak's level is set."""
    manifest = write_clip(1000, FASTPITCH, 4)
    audio = ClipDataset(manifest, FASTPITCH, n_samples=CROP, gain_db=[-6.0, -6.0])[0]["audio"]
    assert torch.equal(audio[:1000], audio[1000:2000])
    assert float(audio.abs().max()) == pytest.approx(10 ** (-6 / 20), abs=ROUNDING)


def test_bandwidth(write_clip) -> None:
    """The bandwidth is the manifest's, or half the file's sample rate."""
    assert ClipDataset(write_clip(9999, FASTPITCH, 39), FASTPITCH, n_samples=CROP)[0]["bandwidth_hz"] == 11025
    manifest = write_clip(9999, FASTPITCH, 39, bandwidth_hz=4000)
    assert ClipDataset(manifest, FASTPITCH, n_samples=CROP)[0]["bandwidth_hz"] == 4000
    slow = dataclasses.replace(FASTPITCH, name="", sample_rate=16000)
    assert ClipDataset(write_clip(9999, slow, 39), FASTPITCH, n_samples=CROP)[0]["bandwidth_hz"] == 8000


@pytest.mark.parametrize(
    ("n_frames", "options", "expected"),
    [
        (37, {}, "expected a mel of 80 bands and 39 or 40 frames for a recording of 9999 samples"),
        (39, {"n_samples": 1000}, "a multiple of the hop, 256 samples, got 1000"),
        (39, {"gain_db": [-6, -1]}, "predicted mels have the recording's level"),
        (39, {"min_duration": 2.0}, "no recording is left to train on"),
    ],
)
def test_refusals(write_clip, n_frames, options, expected) -> None:
    """The message names what doesn't fit, such as a mel that is not as long as its recording."""
    manifest = write_clip(9999, FASTPITCH, n_frames, duration=0.45)
    with pytest.raises(ValueError, match=expected):
        ClipDataset(manifest, FASTPITCH, **{"n_samples": CROP, "load_precomputed_mel": True, **options})[0]


def test_missing_files_are_named_with_their_line(tmp_path, write_manifest) -> None:
    """They are named before the training begins."""
    manifest = write_manifest(tmp_path / "m.json", {"audio_filepath": "gone.wav"})
    with pytest.raises(ValueError, match=r"m\.json, line 1: .*gone\.wav"):
        ClipDataset(str(manifest), FASTPITCH, n_samples=CROP)
