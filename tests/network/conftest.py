"""The model that postfilters are tried on."""

from __future__ import annotations

import pytest

from vocos_plugins import Vocos


@pytest.fixture(scope="module")
def plain() -> Vocos:
    """The bundled model without its postfilter, and without the passes that would blow rounding up."""
    vocos = Vocos.from_pretrained("vocos-mel-22khz-small", precision="float32", refinement_steps=0)
    vocos.set_postfilter(None)
    return vocos
