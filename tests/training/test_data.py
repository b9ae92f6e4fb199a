"""Clips depend only on seed and number, and have the configured levels, lengths and bands."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from vocos_plugins.config.mapping import ConfigError, read_dataclass
from vocos_plugins.training.data import Clip, CropDataset, Data, StepSampler, ValidationDataset, band_limits
from vocos_plugins.training.decoded_audio import DecodedAudio, decode_recordings
from vocos_plugins.training.sources import Recording

RATE = 16000
CROP = 256


def in_memory(*audio: np.ndarray) -> DecodedAudio:
    """Makes decoded recordings of int16 samples, at their own sample rate."""
    lengths = np.array([len(samples) for samples in audio])
    spans = np.stack([np.cumsum(lengths) - lengths, lengths, np.full(len(audio), RATE)], axis=1).astype(np.int64)
    return DecodedAudio(samples=np.concatenate(audio).astype(np.int16), spans=spans, failures={})


def crops(*audio: np.ndarray, gain_db: tuple[float, float] = (0.0, 0.0), seed: int = 0) -> CropDataset:
    return CropDataset(in_memory(*audio), [8000.0] * len(audio), num_samples=CROP, gain_db=gain_db, seed=seed)


def ramp(length: int) -> np.ndarray:
    """Returns samples whose values are their positions."""
    return np.arange(length)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder of four noisy recordings of unequal length."""
    random = np.random.default_rng(0)
    for number, length in enumerate((4000, 9000, 100, 2000)):
        soundfile.write(tmp_path / f"{number}.wav", random.uniform(-0.5, 0.5, length), RATE)
    return tmp_path


def load(dataset: CropDataset, num_workers: int, steps: int = 4, **options: int) -> list[Clip]:
    sampler = StepSampler(3, last_step=steps, **options)
    context = "spawn" if num_workers else None
    return list(DataLoader(dataset, batch_sampler=sampler, num_workers=num_workers, multiprocessing_context=context))


# On a single core torch advises against two workers.
@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes:UserWarning")
@pytest.mark.parametrize(("cached", "workers"), [(True, 0), (False, 1), (True, 2)])
def test_items_are_the_same_in_every_process(corpus: Path, cached: bool, workers: int) -> None:
    """They are the same with and without workers, from memory and from disk, in a new dataset."""
    config = Data(train=(str(corpus),), num_samples=CROP, cache_dir=str(corpus / "cache") if cached else None)
    expected = load(Data(train=(str(corpus),), num_samples=CROP).train_dataset(RATE), 0)
    for batch, wanted in zip(load(config.train_dataset(RATE), workers), expected, strict=True):
        assert torch.equal(batch["audio"], wanted["audio"])
        assert torch.equal(batch["bandwidth_hz"], wanted["bandwidth_hz"])
    assert expected[0]["audio"].shape == (3, CROP)
    assert expected[0]["audio"].dtype == expected[0]["bandwidth_hz"].dtype == torch.float32
    assert expected[0]["bandwidth_hz"].tolist() == [8000.0] * 3


def test_items_are_pinned() -> None:
    """A resumed run may have another version of Python or NumPy: these numbers must not change."""
    dataset = crops(ramp(5000), ramp(700), seed=3)
    first = [round(float(dataset[i]["audio"][0]) * 32767) for i in (0, 1, 2, 10**12)]
    assert first == [1123, 1932, 3526, 3712]


def test_seeds_and_items_differ() -> None:
    """Another seed or number makes another crop."""
    dataset, other = crops(ramp(30000)), crops(ramp(30000), seed=1)
    starts = {float(dataset[i]["audio"][0]) for i in range(50)} | {float(other[i]["audio"][0]) for i in range(50)}
    assert len(starts) > 95


@given(first=st.integers(0, 10**9), batch=st.integers(1, 7), world=st.integers(1, 5), more=st.integers(1, 4))
def test_all_ranks_together_see_one_large_batch(first: int, batch: int, world: int, more: int) -> None:
    """For any number of processes, a step's items are those of one process with the whole batch, in order."""
    options = {"first_step": first, "last_step": first + more}
    whole = list(StepSampler(batch * world, **options))
    ranks = [list(StepSampler(batch, rank=rank, world_size=world, **options)) for rank in range(world)]
    assert [list(itertools.chain(*parts)) for parts in zip(*ranks, strict=True)] == whole
    assert len(whole) == len(StepSampler(batch, **options)) == more


def test_two_ranks_see_the_doubled_batch(corpus: Path) -> None:
    """The loaders of two ranks together return the audio of one rank with a doubled batch, in order."""
    dataset = Data(train=(str(corpus),), num_samples=CROP).train_dataset(RATE)
    ranks = [load(dataset, 0, rank=rank, world_size=2) for rank in range(2)]
    whole = DataLoader(dataset, batch_sampler=StepSampler(6, last_step=4))
    for both, batch in zip(zip(*ranks, strict=True), whole, strict=True):
        assert torch.equal(torch.cat([part["audio"] for part in both]), batch["audio"])


@given(st.integers(0, 50), st.integers(1, 8))
def test_a_resumed_sampler_carries_on(first: int, batch: int) -> None:
    """From step n it yields the batches of an uninterrupted run, without repeats and without end."""
    uninterrupted = itertools.islice(StepSampler(batch), first, first + 5)
    assert list(uninterrupted) == list(itertools.islice(StepSampler(batch, first_step=first), 5))


def test_an_endless_sampler_has_no_length() -> None:
    """The error says what to pass."""
    with pytest.raises(TypeError, match="last_step"):
        len(StepSampler(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 1, "first_step": -1}, "first_step"),
        ({"batch_size": 1, "first_step": 3, "last_step": 2}, "last_step"),
        ({"batch_size": 1, "rank": 2, "world_size": 2}, "rank=2"),
    ],
)
def test_the_sampler_checks_its_numbers(options: dict[str, int], message: str) -> None:
    """Each invalid number is refused by name."""
    with pytest.raises(ValueError, match=message):
        StepSampler(**options)


@pytest.mark.parametrize("length", [1, 3000])
def test_recordings_are_weighted_by_duration(length: int) -> None:
    """A recording three times as long is chosen three times as often; an unreadable one never."""
    silent = np.zeros(0)
    dataset = crops(silent, np.full(length, 1), silent, np.full(3 * length, 2), silent)
    chosen = [round(float(dataset[i]["audio"][0]) * 32767) for i in range(4000)]
    assert set(chosen) == {1, 2}
    assert chosen.count(2) / len(chosen) == pytest.approx(0.75, abs=0.03)


def test_crops_reach_both_ends() -> None:
    """Crops start evenly from the first sample to the last possible one, and never reach beyond the end."""
    length = CROP + 9
    dataset = crops(ramp(length), np.full(length, 30000))
    starts = [round(float(clip["audio"][0]) * 32767) for clip in map(dataset.__getitem__, range(1000))]
    inside = [start for start in starts if start < 30000]
    assert set(inside) == set(range(10))
    assert max(inside.count(start) for start in range(10)) < 3 * min(inside.count(start) for start in range(10))


def test_short_recordings_are_repeated() -> None:
    """They start again from their first sample until a crop is full."""
    dataset = crops(ramp(100))
    expected = torch.from_numpy(np.resize(np.arange(100), CROP).astype(np.float32) / 32767)
    assert torch.allclose(dataset[7]["audio"], expected, atol=0, rtol=1e-6)


def test_gains_fill_their_range() -> None:
    """The peak of a full-scale recording is uniform in dB between the bounds."""
    dataset = crops(np.full(1000, 32767), gain_db=(-6.0, -1.0))
    levels = [20 * np.log10(float(dataset[i]["audio"].max())) for i in range(500)]
    assert -6.001 <= min(levels) < -5.8
    assert -1.2 < max(levels) <= -0.999
    assert np.mean(levels) == pytest.approx(-3.5, abs=0.2)


def test_validation_is_the_first_segment_at_one_level(corpus: Path) -> None:
    """Clips are fixed, with a peak of -3 dBFS over the recording; short ones are repeated."""
    dataset = Data(train=("-",), validation=(str(corpus),), validation_num_samples=3000).validation_dataset(RATE)
    assert isinstance(dataset, ValidationDataset)
    assert len(dataset) == 4
    for number in range(4):
        audio, _ = soundfile.read(corpus / f"{number}.wav", dtype="float32")
        expected = np.resize(audio / np.abs(audio).max() * 10 ** (-3 / 20), 3000)
        if len(audio) > 3000:
            expected = (audio / np.abs(audio).max() * 10 ** (-3 / 20))[:3000]
        assert np.abs(dataset[number]["audio"].numpy() - expected).max() < 1 / 32767
    assert len(list(dataset)) == 4


def test_validation_leaves_out_what_cannot_be_read(corpus: Path) -> None:
    """Clips keep their order around a gap."""
    (corpus / "1.wav").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"1\.wav: the file is empty"):
        dataset = Data(train=("-",), validation=(str(corpus),)).validation_dataset(RATE)
    assert dataset is not None
    assert dataset.readable == [0, 2, 3]
    with pytest.raises(IndexError):
        dataset[3]


@pytest.mark.parametrize(
    ("stated", "source_rate", "model_rate", "expected"),
    [(None, 16000, 24000, 8000), (None, 48000, 24000, 12000), (3000.0, 16000, 24000, 3000), (2e4, 16000, 24000, 8000)],
)
def test_bands_are_limited_by_statement_source_and_model(
    tmp_path: Path, stated: float | None, source_rate: int, model_rate: int, expected: float
) -> None:
    """The bandwidth is the lowest of the three limits."""
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(np.arange(2000)), source_rate)
    recordings = [Recording(path=tmp_path / "a.wav", bandwidth_hz=stated)]
    decoded = decode_recordings(recordings, model_rate, None)
    assert band_limits(recordings, decoded, model_rate) == [expected]


def test_sources_are_read_in_order_and_by_split(corpus: Path) -> None:
    """Several sources make one corpus; the split applies to each."""
    for name, split in (("m.csv", "train"), ("n.csv", "train"), ("o.csv", "eval")):
        (corpus / name).write_text(f"file,split\n0.wav,{split}\n1.wav,other\n")
    data = Data(
        train=(str(corpus / "m.csv"), str(corpus / "n.csv")),
        train_split="train",
        validation=(str(corpus / "o.csv"),),
        validation_split="other",
    )
    assert [recording.path.name for recording in data.train_recordings()] == ["0.wav", "0.wav"]
    assert [recording.path.name for recording in data.validation_recordings()] == ["1.wav"]
    assert Data(train=("-",)).validation_dataset(RATE) is None


def test_training_on_the_validation_set_is_noticed(corpus: Path) -> None:
    """It warns, for example if a manifest's split was forgotten."""
    with pytest.warns(UserWarning, match=r"4 recordings, such as .*0\.wav, are in both"):
        Data(train=(str(corpus),), validation=(str(corpus),)).train_dataset(RATE)


def test_the_configuration_comes_from_plain_values() -> None:
    """Lists and integers, as in YAML, are accepted."""
    data = read_dataclass(Data, {"train": ["a", "b"], "gain_db": [-20, -1], "batch_size": 8}, "data")
    assert data.train == ("a", "b")
    assert data.gain_db == (-20.0, -1.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train": []}, "train must name"),
        ({"num_samples": 0}, "num_samples must be at least 1, got 0"),
        ({"validation_num_samples": -1}, "validation_num_samples"),
        ({"batch_size": 0}, "batch_size"),
        ({"num_workers": -1}, "num_workers"),
        ({"seed": -1}, "seed"),
        ({"gain_db": [-1, -6]}, r"gain_db must be \[lowest, highest\]"),
        ({"gain_db": [-3]}, "gain_db"),
        ({"gain_db": [-6, 1]}, "at most 0"),
        ({"gain_db": [float("-inf"), -1]}, "gain_db"),
        ({"validation_gain_db": float("nan")}, "validation_gain_db"),
        ({"trane": ["a"]}, "did you mean 'train'"),
    ],
)
def test_bad_values_are_refused_by_name(values: dict[str, object], message: str) -> None:
    """They are refused before any file is read."""
    with pytest.raises(ConfigError, match=message):
        read_dataclass(Data, {"train": ["a"], **values}, "data")
