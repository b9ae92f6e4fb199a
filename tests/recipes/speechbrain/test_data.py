"""Recordings and crops of a training, which are the same in every process and at any time."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
import torch
from vocos_speechbrain.mel import LJSPEECH

from vocos_plugins import MelSpectrogram

pytestmark = pytest.mark.xdist_group("speechbrain")

RATE = 22050
SEGMENT = 4096


class Epoch:
    """Stand-in for SpeechBrain's epoch counter."""

    current = 1


@pytest.fixture
def recordings(tmp_path):
    """Four files of noise: as long as a crop, shorter, longer, and longer at another rate in a subfolder."""
    folder = tmp_path / "recordings"
    (folder / "deep").mkdir(parents=True)
    random = np.random.default_rng(0)
    for name, n_samples, rate in (("equal", SEGMENT, RATE), ("short", 1000, RATE), ("long", 30000, RATE)):
        soundfile.write(folder / f"{name}.wav", 0.1 * random.standard_normal(n_samples), rate)
    soundfile.write(folder / "deep" / "low.flac", 0.1 * random.standard_normal(16000), 16000)
    return folder


@pytest.fixture
def prepared(recipe_module, recordings, tmp_path):
    """Prepares the data; returns the JSON files' content by split."""

    def run(folder="save", **changes):
        options = {"splits": ["train", "valid", "test"], "split_ratio": [98, 1, 1], "seed": 1, "mels_folder": None}
        options |= {"data_folder": str(recordings), "save_folder": str(tmp_path / folder), "mel": LJSPEECH}
        recipe_module("prepare").prepare(**{**options, "segment_size": SEGMENT, **changes})
        return {file.stem: json.loads(file.read_text()) for file in (tmp_path / folder).glob("[tv]*.json")}

    return run


@pytest.fixture
def dataset(recipe_module, prepared, recordings, tmp_path):
    """Makes a data set of all recordings, as training crops or whole."""

    def make(mels_folder=None, **changes):
        prepared("all", splits=["train"], split_ratio=[1], mels_folder=mels_folder and str(mels_folder))
        hparams = {"sample_rate": RATE, "hop_length": 256, "segment_size": SEGMENT, "gain_db": (-6, -1), "seed": 1}
        hparams |= {"epoch_counter": Epoch(), "data_folder": recordings, "mels_folder": mels_folder}
        hparams |= {"splits": ["train"], "train_json": tmp_path / "all" / "train.json", **changes}
        return recipe_module("dataio").prepare_datasets(hparams)["train"]

    return make


def test_every_split_gets_recordings(prepared):
    """Each split has at least one, no recording is in two, and the seed determines the split."""
    found = prepared()
    assert sorted(map(len, found.values())) == [1, 1, 2]
    assert set().union(*found.values()) == {"equal", "short", "long", "deep/low"}
    assert prepared("again") == found
    entries = {key: entry for split in found.values() for key, entry in split.items()}
    assert entries["deep/low"]["bandwidth_hz"] == 8000
    assert entries["deep/low"]["wav"] == "{data_root}/deep/low.flac"
    assert entries["deep/low"]["duration"] == 1.0
    assert all(entry["segment"] == (split == "train") for split in found for entry in found[split].values())


def test_preparation_is_repeated_only_for_other_settings(prepared, tmp_path):
    """Files from the same settings are kept, those from other settings are written again."""
    prepared()
    (tmp_path / "save" / "valid.json").write_text("{}")
    assert not prepared()["valid"]
    assert prepared(seed=2)["valid"]


def test_too_few_recordings_are_refused(prepared):
    """A split without any would fail later."""
    with pytest.raises(ValueError, match="4 recordings cannot be split into a, b, c, d, e"):
        prepared(splits=["a", "b", "c", "d", "e"], split_ratio=[1] * 5)


def test_crops_are_a_function_of_epoch_and_recording(dataset):
    """Crops are reproducible for recordings of any length, also below a crop's; the level is the recording's peak."""
    first, second = dataset(), dataset()
    for item, again in zip(first, second, strict=True):
        assert item["sig"].shape == (SEGMENT,)
        assert torch.equal(item["sig"], again["sig"])
        assert item["sig"].abs().max() <= 10 ** (-1 / 20) + 1e-6
    other = Epoch()
    other.current = 2
    later = dataset(epoch_counter=other)
    assert not any(torch.equal(a["sig"], b["sig"]) for a, b in zip(first, later, strict=True))


def test_predicted_mels_are_cropped_with_their_audio(dataset, recordings, tmp_path):
    """A crop of the mel is the mel of the same samples, except for frames that reach beyond its ends."""
    spectrogram = MelSpectrogram(LJSPEECH)
    samples, _ = soundfile.read(recordings / "long.wav", dtype="float32")
    (tmp_path / "mels").mkdir()
    np.save(tmp_path / "mels" / "long.npy", spectrogram(torch.from_numpy(samples)[None])[0].numpy())
    items = list(dataset(tmp_path / "mels"))
    assert [item["id"] for item in items] == ["long"]  # the others have no mel and are skipped
    mel, audio = items[0]["mel"], items[0]["sig"]
    assert mel.shape == (80, SEGMENT // 256 + 1)
    torch.testing.assert_close(spectrogram(audio[None])[0, :, 2:-2], mel[:, 2:-2])


def test_a_segment_of_broken_frames_is_refused(dataset):
    """Otherwise crops of mels and audio would not match."""
    with pytest.raises(ValueError, match="segment_size must be a multiple of hop_length=256, got 4000"):
        dataset(segment_size=4000)
