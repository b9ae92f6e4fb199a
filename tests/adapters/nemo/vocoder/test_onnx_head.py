"""Heads in real arithmetic equal the core's, without NeMo and without an exporter."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from vocos_nemo.onnx_head import RealISTFTHead, real_head

from vocos_plugins import Vocos
from vocos_plugins.config import ISTFT, IMDCTCos, VocosConfig

pytestmark = pytest.mark.xdist_group("nemo")

# Relative to the peak: sums in another order, and exp(x) - 1 for expm1.
SAME = 2e-6
MOST_OPERATIONS = 1.5


@pytest.mark.parametrize("n_frames", [2, 3, 30])
@pytest.mark.parametrize(
    ("head", "framing"),
    [
        *itertools.product(["istft", "prior", "imdct-symexp", "imdct-cos"], ["center", "same"]),
        ("wavenext", "same"),
    ],
)
def test_audio_is_the_same(head, framing, n_frames, make_vocos, make_mel, relative_error):
    """For every head, framing and length."""
    vocos = make_vocos(head, framing=framing)
    mel = make_mel(n_frames=n_frames)
    with torch.no_grad():
        expected = vocos.synthesize(mel)
        with real_head(vocos):
            found = vocos.synthesize(mel)
    assert relative_error(found, expected) <= SAME
    assert torch.equal(vocos.decode(mel), expected)


def test_clipping(make_vocos, make_mel, randomize):
    """Where the configuration asks for it, and the audio is far too loud."""
    loud = make_vocos("imdct-cos")
    clipped = randomize(Vocos(dataclasses.replace(loud.config, head=IMDCTCos(frame_length=512, clip_audio=True))))
    with torch.no_grad(), real_head(loud), real_head(clipped):
        expected = loud.synthesize(make_mel())
        assert expected.abs().max() > 1
        assert torch.equal(clipped.synthesize(make_mel()), expected.clamp(-1, 1))


@pytest.mark.parametrize(("n_fft", "hop_length"), [(400, 150), (512, 128), (300, 75)])
@pytest.mark.parametrize("framing", ["center", "same"])
def test_other_sizes(n_fft, hop_length, framing, make_vocos, make_mel, randomize, relative_error):
    """Hops that don't divide the frame, and frames that are no power of two."""
    features = make_vocos(framing=framing, n_fft=n_fft, win_length=n_fft, hop_length=hop_length).config
    config = VocosConfig(
        features=features.features,
        backbone=features.backbone,
        head=ISTFT(n_fft=n_fft, hop_length=hop_length, framing=framing),
    )
    vocos, mel = randomize(Vocos(config)), make_mel(n_frames=7)
    with torch.no_grad(), real_head(vocos):
        found = vocos.synthesize(mel)
    assert relative_error(found, vocos.decode(mel)) <= SAME


def test_the_head_comes_back(make_vocos, make_mel):
    """Also when what runs with the other one fails; a mask is refused rather than ignored."""
    vocos = make_vocos()
    head = vocos.head
    with real_head(vocos):
        assert isinstance(vocos.head, RealISTFTHead)
    assert vocos.head is head
    with pytest.raises(ValueError, match="takes no mask"), real_head(vocos):
        vocos.synthesize(make_mel(), mask=torch.ones(2, 20, dtype=torch.bool))
    assert vocos.head is head


def test_no_weights_are_added(make_vocos):
    """The tables are no part of the state."""
    vocos = make_vocos()
    before = {key.removeprefix("head.") for key in vocos.state_dict()}
    with real_head(vocos):
        assert {key.removeprefix("head.").removeprefix("head.") for key in vocos.state_dict()} == before


def test_operations(bundled, make_mel):
    """The matrix in place of the FFT adds less than half of what the rest of the bundled model costs."""
    from torch.utils.flop_counter import FlopCounterMode

    def count() -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            bundled.synthesize(make_mel(batch=1, n_frames=100))
        return counter.get_total_flops()

    without = count()  # of the FFT itself, nothing is counted
    with real_head(bundled):
        ratio = count() / without
    assert 1 < ratio <= MOST_OPERATIONS
