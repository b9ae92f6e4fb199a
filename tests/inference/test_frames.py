"""As many samples as a text-to-speech model's frames last."""

import dataclasses

import pytest
import torch

from vocos_plugins import MelMismatch, Vocos
from vocos_plugins.inference.frames import decode_frames

# Of full scale: pieces of other shapes round differently.
ROUNDING = 1e-5
framings = pytest.mark.parametrize("framing", ["center", "same"])


@pytest.fixture(scope="module")
def vocos():
    """The bundled model."""
    return Vocos.from_pretrained("vocos-mel-22khz-small")


@pytest.fixture(scope="module")
def mel(noise):
    """Something like speech's levels, ``(2, 80, 40)``."""
    return noise(2, 80, 40) - 5


@framings
def test_length_is_frames_times_hop(vocos, mel, framing):
    """Whatever the source's framing."""
    source = dataclasses.replace(vocos.mel, framing=framing)
    assert decode_frames(vocos, mel, source=source).shape == (2, 40 * 256)


def test_begins_with_what_decode_gives(vocos, mel):
    """Only the last hop is added, with the last frame held: the frames before are the same, and so is their time."""
    held = torch.cat([mel, mel[..., -1:]], dim=-1)
    torch.testing.assert_close(decode_frames(vocos, mel), vocos.decode(held), rtol=0, atol=0)


@framings
def test_ragged_rows_equal_their_own(vocos, mel, framing):
    """Each row holds its own last frame, and is silent past its end."""
    source = dataclasses.replace(vocos.mel, framing=framing)
    batch = torch.cat([mel, mel[:1]])
    batch[1, :, 25:] = float("nan")
    found = decode_frames(vocos, batch, lengths=torch.tensor([40, 25, 0]), source=source)
    for row, count in enumerate((40, 25)):
        alone = decode_frames(vocos, batch[row : row + 1, :, :count], source=source)[0]
        assert len(alone) == count * 256
        torch.testing.assert_close(found[row, : count * 256], alone, rtol=0, atol=ROUNDING)
        assert not found[row, count * 256 :].any()
    assert not found[2].any()


def test_the_callers_mel_is_left_alone(vocos, mel):
    """Nothing is written into it."""
    before = mel.clone()
    decode_frames(vocos, mel, lengths=torch.tensor([10, 40]))
    assert torch.equal(mel, before)


@pytest.mark.filterwarnings("ignore::vocos_plugins.mel.MelMismatchWarning")
def test_another_rate_lasts_as_long(vocos):
    """24 kHz frames become as many seconds at 22.05 kHz; strict refuses them."""
    source = dataclasses.replace(vocos.mel, sample_rate=24000)
    assert decode_frames(vocos, torch.zeros(1, 80, 100), source=source).shape[1] == round(25600 * 22050 / 24000)
    with pytest.raises(MelMismatch):
        decode_frames(vocos, torch.zeros(1, 80, 100), source=source, strict=True)
