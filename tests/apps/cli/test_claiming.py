"""Two runs in one folder of outputs: the second is refused in words, whatever both of them do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from vocos_plugins.apps.batch.record import Record
from vocos_plugins.storage.claims import claim

DEAD = ".x.wav.99999999000000.part"  # no process has a number of eight nines


@pytest.fixture
def commands(model, speech, tmp_path) -> dict[str, list[object]]:
    """Every command that writes a folder ``out``, by name, without that folder."""
    np.save(tmp_path / "a.npy", np.full((12, 40), -5, np.float32))
    stored = yaml.safe_load(Path(model, "config.yaml").read_text())
    parts = {key: stored[key] for key in ("features", "backbone", "head")}
    config = {"data": {"train": [str(speech)]}, "model": parts}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(config))
    staged = config | {"stages": {"first": {}, "second": {}}}
    (tmp_path / "staged.yaml").write_text(yaml.safe_dump(staged))
    return {
        "decode": ["decode", tmp_path / "a.npy", "-m", model],
        "resynth": ["resynth", speech, "-m", model],
        "resume": ["resynth", speech, "-m", model, "--resume"],
        "eval": ["eval", model, "--data", speech, "--measure", "pesq", "-o"],
        "demo": ["demo", "-m", model],
        "train": ["train", tmp_path / "train.yaml", "-o"],
        "stages": ["train", tmp_path / "staged.yaml", "-o"],
    }


@pytest.mark.parametrize("name", ["decode", "resynth", "resume", "eval", "demo", "train", "stages"])
def test_the_second_run_is_refused(run, commands, tmp_path, name) -> None:
    """By one line, and nothing is written; a record's run refuses as any other does."""
    out = tmp_path / "out"
    holders = [claim(out), Record(out, {})] if name in ("resynth", "resume", "train") else [claim(out)]
    for holder in holders:
        with holder:
            before = sorted(out.rglob("*"))
            result = run(*commands[name], out, code=2)
            assert f"another run is writing to {out}" in " ".join(result.output.split())
            assert sorted(out.rglob("*")) == before


@pytest.mark.parametrize("name", ["decode", "resynth", "resume"])
def test_leftovers_are_swept(run, commands, tmp_path, name) -> None:
    """The next run removes what a killed one left."""
    out = tmp_path / "out"
    (out / "deep").mkdir(parents=True)
    for folder in (out, out / "deep"):
        (folder / DEAD).touch()
    run(*commands[name], out)
    assert not list(out.rglob("*.part"))


def test_a_single_file_is_swept_too(run, commands, tmp_path) -> None:
    """What a killed run left of this file goes, and another file's stays."""
    for name in (DEAD, DEAD.replace("x", "y", 1)):
        (tmp_path / name).touch()
    run(*commands["decode"], tmp_path / "x.wav")
    assert [path.name for path in tmp_path.glob(".*.part")] == [DEAD.replace("x", "y", 1)]
