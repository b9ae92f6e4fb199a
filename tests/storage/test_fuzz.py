"""Mutated headers of every format that is read: one family of errors, and the rest of a batch is written."""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import soundfile
import torch

from helpers.mutations import attack, mutations
from vocos_plugins.apps.batch.codes import read_codes
from vocos_plugins.storage.audio import read_blocks
from vocos_plugins.storage.mel_files import read_mel

SEED = 20
SECONDS = 6.0  # for each kind; each mutation takes about a millisecond
NOISE = 0.1 * np.random.default_rng(0).standard_normal(3000)
MEL = np.random.default_rng(0).standard_normal((12, 20)).astype(np.float32) - 4


def audio_files() -> dict[str, bytes]:
    """A file of each container, and of the codecs that have headers of their own."""
    kinds = [
        (name, soundfile.default_subtype(name)) for name in soundfile.available_formats() if name not in ("RAW", "SD2")
    ]
    kinds += [("OGG", "OPUS"), ("WAV", "GSM610"), ("WAV", "MS_ADPCM"), ("WAV", "FLOAT"), ("CAF", "ALAC_16")]
    files = {}
    for container, subtype in kinds:
        file = io.BytesIO()
        rate = {"WVE": 8000, "XI": 44100}.get(container, 24000)
        soundfile.write(file, NOISE, rate, format=container, subtype=subtype)
        files[f"{container}-{subtype}.wav"] = file.getvalue()
    return files


def mel_files() -> dict[str, bytes]:
    """A file of each format of mels."""
    buffers = {name: io.BytesIO() for name in ("a.npy", "a.npz", "b.npz", "a.pt", "b.pt", "a.pth")}
    np.save(buffers["a.npy"], MEL)
    np.savez(buffers["a.npz"], mel=MEL)
    np.savez_compressed(buffers["b.npz"], mel=MEL)
    torch.save(torch.from_numpy(MEL), buffers["a.pt"])
    torch.save({"mel": torch.from_numpy(MEL)}, buffers["b.pt"])
    torch.save(torch.from_numpy(MEL), buffers["a.pth"], _use_new_zipfile_serialization=False)
    files = {name: buffer.getvalue() for name, buffer in buffers.items()}
    return files | {"a.safetensors": safetensors.torch.save({"mel": torch.from_numpy(MEL)})}


def code_files() -> dict[str, bytes]:
    """A file of each format of codes."""
    codes = np.random.default_rng(0).integers(0, 1024, (4, 30)).astype(np.int16)
    npy, npz = io.BytesIO(), io.BytesIO()
    np.save(npy, codes)
    np.savez_compressed(npz, codes=codes, n_samples=30 * 320, sample_rate=24000)
    header = json.dumps({"m": "encodec_24khz", "al": 9600, "nc": 4, "lm": False}).encode()
    ecdc = b"ECDC\0" + len(header).to_bytes(4, "big") + header + bytes(150)
    return {"a.npy": npy.getvalue(), "a.npz": npz.getvalue(), "a.ecdc": ecdc}


KINDS: dict[str, tuple[Callable[[], dict[str, bytes]], Callable[[Path], object]]] = {
    "audio": (audio_files, lambda path: sum(block.shape[1] for block in read_blocks(path, 24000))),
    "mels": (mel_files, read_mel),
    "codes": (code_files, read_codes),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_readers_raise_one_family_of_errors(kind: str, tmp_path: Path) -> None:
    """An OSError or a ValueError in words; every file as it was written is read."""
    make, read = KINDS[kind]
    files = make()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert attack([tmp_path / name for name in files], read, SECONDS, longest=700) > 0


@pytest.mark.filterwarnings("ignore")
def test_the_rest_of_a_batch_is_written(make_model, tmp_path: Path) -> None:
    """Mutated files among good ones, by the pipeline of `vocos resynth` and `vocos decode`."""
    from vocos_plugins.apps.batch.jobs import Job
    from vocos_plugins.apps.batch.pipeline import run
    from vocos_plugins.apps.batch.work import Decoding, Resynthesis

    vocos, chance = make_model("mel", "convnext", "istft", "center"), random.Random(SEED)  # noqa: S311 - repeatable
    for files, task, good in (
        (audio_files(), Resynthesis(vocos), "WAV-PCM_16.wav"),
        (mel_files(), Decoding(vocos), "a.npy"),
    ):
        folder = tmp_path / good
        folder.mkdir()
        jobs = []
        for name, content in files.items():
            for number, variant in zip(range(4), mutations(content, chance), strict=False):
                bad, fine = folder / f"{number}-bad-{name}", folder / f"{number}-good-{name}{os.path.splitext(good)[1]}"
                bad.write_bytes(variant)
                fine.write_bytes(files[good])
                jobs += [Job(source=path, target=folder / "out" / f"{path.name}.wav") for path in (bad, fine)]
        outcomes = list(run(jobs, task))
        assert [outcome.job for outcome in outcomes] == jobs
        for outcome in outcomes:
            assert (outcome.error is None) == outcome.job.target.exists()
            if "-good-" in outcome.job.source.name:
                assert outcome.error is None
            assert "defect" not in (outcome.error or ""), outcome.error
        assert any(outcome.error is not None for outcome in outcomes)
