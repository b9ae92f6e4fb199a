"""A model's certificate goes with its weights into each toolkit's files, and decides there what `auto` is."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from vocos_plugins import Vocos
from vocos_plugins.inference.certificate import CERTIFICATE, keeps_quality
from vocos_plugins.plugins import toolkit_adapters


def load_speechbrain(path: Path) -> nn.Module:
    from vocos_speechbrain.vocoder import VOCOS

    return VOCOS.from_hparams(source=str(path), savedir=str(path.parent / "saved")).mods


def load_nemo(path: Path) -> nn.Module:
    from vocos_nemo.vocoder import VocosModel

    return VocosModel.restore_from(str(path), map_location="cpu")


def load_coqui(path: Path) -> nn.Module:
    import vocos_coqui  # noqa: F401
    from TTS.config import load_config
    from TTS.vocoder.models import setup_model

    config = load_config(str(path / "config.json"))
    model = setup_model(config)
    model.load_checkpoint(config, str(path / "model.safetensors"), eval=True)
    return model


LOADERS = {"speechbrain": load_speechbrain, "nemo": load_nemo, "coqui": load_coqui}


@pytest.mark.parametrize("toolkit", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in LOADERS])
def test_exported_models_keep_it(toolkit, tmp_path) -> None:
    """The bundled model, from the toolkit's own file: 8 bits are allowed, as for the model itself."""
    bundled = Vocos.from_pretrained("vocos-mel-22khz-small")
    path = tmp_path / ("vocoder.nemo" if toolkit == "nemo" else "vocoder")
    toolkit_adapters()[toolkit].export(bundled, path)
    loaded = next(module for module in LOADERS[toolkit](path).modules() if isinstance(module, Vocos))
    assert loaded.provenance[CERTIFICATE] == bundled.provenance[CERTIFICATE]
    assert keeps_quality(loaded)["int8"]
