"""Every mel adapter streams: from chunks comes the same audio as from its whole decode."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from helpers.paths import ROOT
from vocos_plugins import MelMismatch, Vocos, adapt
from vocos_plugins.config import EncodecCodes
from vocos_plugins.mel import alignment
from vocos_plugins.plugins import toolkit_adapters

PAGE = (ROOT / "docs" / "streaming.md").read_text()
# Relative to full scale: matrix products of other shapes round differently in float32. In a few samples the bundled
# model's refinement magnifies that; the root of the mean square stays at `EQUAL`.
EQUAL = 1e-5
WORST = 2e-4
# Calls of each toolkit's vocoder for a whole mel.
CALLS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "speechbrain": lambda vocoder, mel: vocoder.decode_batch(mel),
    "nemo": lambda vocoder, mel: vocoder.convert_spectrogram_to_audio(spec=mel),
    "coqui": lambda vocoder, mel: vocoder.inference(mel),
}
ADAPTERS = toolkit_adapters()
each = pytest.mark.parametrize(
    "toolkit",
    [
        pytest.param(name, marks=pytest.mark.xdist_group(name))
        for name, adapter in ADAPTERS.items()
        if not isinstance(adapter.features, EncodecCodes) and name != "vocos"  # which has no streams
    ],
)


def bundled(framing: str) -> Vocos:
    """Returns the bundled model, with its framing changed if need be; it decodes in float32, as it streams."""
    original = Vocos.from_pretrained("vocos-mel-22khz-small")
    features, head = (dataclasses.replace(part, framing=framing) for part in (original.mel, original.config.head))
    moved = Vocos(dataclasses.replace(original.config, features=features, head=head))
    moved.load_state_dict(original.state_dict())
    return moved.eval()


@pytest.fixture(scope="module")
def vocos() -> Vocos:
    """Returns the bundled model."""
    return bundled("center")


@each
@pytest.mark.parametrize("framing", ["center", "same"])
def test_pieces_make_up_the_whole(noise, toolkit, framing) -> None:
    """Pieces have the toolkit's shape and values, for either framing; ``T * 256`` samples, without gradients."""
    vocoder = adapt(bundled(framing), toolkit)
    mel = noise(2, 80, 60) - 5
    pieces = list(vocoder.stream(mel.split([1, 0, 30, 29], dim=2)))
    whole = CALLS[toolkit](vocoder, mel)
    assert whole.shape[-1] == 60 * 256
    assert len(pieces) == 5
    assert not any(piece.requires_grad for piece in pieces)
    difference = torch.cat(pieces, dim=-1) - whole
    assert difference.square().mean().sqrt() <= EQUAL
    assert difference.abs().max() <= WORST


@each
def test_low_latency(vocos, noise, toolkit) -> None:
    """The first sound needs fewer frames; the total length is the same."""
    vocoder, chunks = adapt(vocos, toolkit), (noise(1, 80, 60) - 5).split(10, dim=2)
    exact = [piece.shape[-1] for piece in vocoder.stream(chunks)]
    for options in ({"low_latency": True}, {"look_ahead": 2}):
        early = [piece.shape[-1] for piece in vocoder.stream(chunks, **options)]
        assert exact[1] == 0
        assert early[1] > 0
        assert sum(early) == sum(exact) == 60 * 256


@each
def test_what_needs_the_whole_is_refused(vocos, toolkit) -> None:
    """A lossy conversion is refused when streaming starts."""
    adapt(vocos, toolkit)  # importing a toolkit can change what is done with warnings
    alignment._approximate.cache_clear()  # it warns once in a process, and another toolkit may have been the first
    with pytest.warns(UserWarning, match="lossy mel conversion"):
        vocoder = adapt(vocos, toolkit, source=dataclasses.replace(ADAPTERS[toolkit].features, f_max=7600.0))
    with pytest.raises(MelMismatch, match="it needs the whole mel: f_max"):
        vocoder.stream([])


@pytest.mark.xdist_group("speechbrain")
def test_speechbrain_s_run_options_do_not_stream(vocos, tmp_path) -> None:
    """Streaming refuses run options rather than ignore them."""
    from vocos_speechbrain.export import export
    from vocos_speechbrain.vocoder import VOCOS

    export(vocos, tmp_path)
    vocoder = VOCOS.from_hparams(source=str(tmp_path), savedir=str(tmp_path), run_opts={"eval_precision": "bf16"})
    with pytest.raises(ValueError, match="without the run options"):
        vocoder.stream([])


@each
def test_the_documentation_s_example(vocos, noise, toolkit) -> None:
    """The documentation's example runs with each toolkit that it names."""
    section = PAGE[PAGE.index("## In the toolkits") :]
    example = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)[0]
    assert f'"{toolkit}"' in example
    played: list[Tensor] = []
    chunks = (noise(1, 80, 40) - 5).split(8, dim=2)
    names = {"vocos": vocos, "chunks": chunks, "play": played.append}
    exec(compile(example.replace('"coqui"', repr(toolkit), 1), "streaming.md", "exec"), names)  # noqa: S102
    assert sum(piece.shape[-1] for piece in played) == 40 * 256
