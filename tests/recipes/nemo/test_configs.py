"""Tests that every configuration of NeMo's recipe builds a model for the mel in its name, and its training."""

from __future__ import annotations

import dataclasses
import re

import pytest
from vocos_nemo.mel import CONVENTIONS, FASTPITCH, from_nemo

from helpers.paths import ROOT
from vocos_plugins import Vocos

pytestmark = pytest.mark.xdist_group("nemo")

FOLDER = ROOT / "recipes" / "nemo" / "conf"
# The base of the others, and groups of values.
PARTS = {"base", "recorded", "predicted"}
CONFIGS = sorted(path for path in FOLDER.rglob("*.yaml") if path.stem not in PARTS)
# FastPitch's mel at other usual sample rates, for which there is no released model.
OWN = {f"fastpitch_{rate}": dataclasses.replace(FASTPITCH, sample_rate=rate, f_max=None) for rate in (16000, 24000)}


@pytest.fixture(scope="module")
def compose():
    """Composes a configuration by hydra from a file and a command line."""
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(FOLDER), version_base=None):
        yield lambda path, *changes: compose(
            path.stem, ["train_dataset=a.json", "validation_datasets=b.json", *changes]
        )


@pytest.fixture
def build():
    """Builds a model and its training from a configuration."""
    from vocos_nemo.vocoder import VocosModel

    def make(cfg):
        cfg.model.train_ds = cfg.model.validation_ds = None
        model = VocosModel(cfg=cfg.model)
        model.prepare_training()
        return model

    return make


def test_every_convention_has_a_configuration(compose) -> None:
    """There is one file for each of NeMo's released mels, two small ones, and two for other sample rates."""
    found = {path.stem: from_nemo(compose(path).model.preprocessor) for path in CONFIGS}
    assert {name: found[name] for name in OWN} == OWN
    small = {name for name in found if name.endswith("_small")}
    assert all(found[name] == found[name.removesuffix("_small")] for name in small)
    released = [mel for name, mel in found.items() if name not in {*OWN, *small}]
    assert sorted(mel.name for mel in released) == sorted(mel.name for mel in CONVENTIONS)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configuration_builds_its_model(path, compose, build) -> None:
    """The model takes the preprocessor's mel unconverted, and crops are whole hops."""
    cfg = compose(path)
    kind, rate = re.match(r"(\w+?)_(\d{5})", path.stem).groups()
    samples = cfg.n_samples, cfg.validation_n_samples
    model = build(cfg)
    source = model.generator.source
    assert source.sample_rate == int(rate)
    assert path.stem.removesuffix("_small") in OWN or source.name.startswith(
        f"nemo-{kind.replace('_', '-')}-{int(rate) // 1000}khz"
    )
    assert model.generator.alignment.kind == "identity"
    assert source == model.vocos.mel
    assert not any(each % source.hop_length for each in samples)
    assert model.objective.resolution_weight == (1.0 if rate == "44100" else 0.1)
    millions = sum(each.numel() for each in model.vocos.parameters()) / 1e6
    assert millions == pytest.approx(3.6 if path.stem.endswith("small") else 13.5, abs=0.6)


def test_small_one_fine_tunes_the_bundled_model(compose, build) -> None:
    """All layers and discriminators fit; the notes are about another mel, and the postfilter of the bundled one."""
    model = build(compose(FOLDER / "fastpitch_22050_small.yaml"))
    with pytest.warns(UserWarning, match="another mel convention") as notes:
        model.maybe_init_from_pretrained_checkpoint({"init_from_vocos": "vocos-mel-22khz-small"})
    assert len(notes) == 2
    assert "the postfilter of vocos-mel-22khz-small is left out" in str(notes[1].message)
    bundled = Vocos.from_pretrained("vocos-mel-22khz-small")
    assert (model.vocos.config.backbone, model.vocos.config.head) == (bundled.config.backbone, bundled.config.head)
    for each in (model.vocos, model.average.vocos):
        assert (each.backbone.embed.weight == bundled.backbone.embed.weight).all()


def test_groups_choose_the_mels(compose) -> None:
    """Recordings' own mels are the default; ``data=predicted`` takes the manifest's, at the recordings' level."""
    path = FOLDER / "fastpitch_22050.yaml"
    recorded, predicted = compose(path).model.train_ds, compose(path, "data=predicted").model.train_ds
    assert (recorded.dataset.load_precomputed_mel, list(recorded.dataset.gain_db)) == (False, [-6, -1])
    assert (predicted.dataset.load_precomputed_mel, predicted.dataset.gain_db) == (True, None)
