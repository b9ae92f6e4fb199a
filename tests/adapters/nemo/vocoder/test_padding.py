"""Frames that NeMo fills with ``pad_value`` are silence, not the loud sound that their values would be."""

from __future__ import annotations

import pytest
import torch

pytestmark = pytest.mark.xdist_group("nemo")

# Without its last frame, the end may become this much louder.
LOUDER = 1.5
CLICK = 3.0  # the peak where FastPitch's pad_value is taken for a frame of speech


@pytest.mark.parametrize("n_samples", [30000, 20000], ids=["in a pause", "in a vowel"])
@pytest.mark.parametrize("name", ["nemo-fastpitch-22khz", "nemo-hifigan-22khz"])
def test_no_click_at_the_end(name, n_samples, vocoder, bundled, nemo_mel, make_signal, conventions_by_name):
    """Speech from NeMo's preprocessor, which overwrites the last frame, ends without a click."""
    model = vocoder.wrap(bundled, source=conventions_by_name[name])
    audio = make_signal("arctic-1", 22050)[:, :n_samples]
    masked, reported = nemo_mel(name, audio, n_samples)
    true, _ = nemo_mel(name, audio, n_samples + 256)
    expected = model.convert_spectrogram_to_audio(spec=true)
    found = model.convert_spectrogram_to_audio(spec=masked)
    assert found.shape == expected.shape
    assert found[:, -256:].abs().max() <= expected[:, -256:].abs().max()
    assert found[:, -2048:].abs().max() <= LOUDER * expected[:, -2048:].abs().max()
    n_known = int(reported)
    known = model.convert_spectrogram_to_audio(spec=masked[..., :n_known])
    assert torch.equal(found[:, : n_known * 256], known)
    # The modules with gradients: float32 sums in another order, and the refinement magnifies that.
    torch.testing.assert_close(model(spec=masked)[:, 0].detach(), found, rtol=0, atol=2e-4)
    assert torch.equal(model.convert_spectrogram_to_audio(spec=masked, lengths=reported), found)
    streamed = torch.cat(list(model.stream(masked.split(7, dim=2))), dim=1)
    torch.testing.assert_close(streamed, found, rtol=0, atol=2e-4)
    if name == "nemo-fastpitch-22khz":
        assert model.generator(x=masked).abs().max() > CLICK


@pytest.mark.parametrize("name", ["nemo-fastpitch-22khz", "nemo-hifigan-22khz"])
def test_shorter_items_of_a_batch(name, vocoder, make_vocos, nemo_mel, make_signal, conventions_by_name):
    """Batches from NeMo's preprocessor need no lengths: each item is its single decode, then silence."""
    model = vocoder.wrap(make_vocos(), source=conventions_by_name[name])
    lengths = (30000, 12345, 5000)
    audio = make_signal("arctic-1", 22050)[:, :30000].repeat(3, 1)
    for row, length in enumerate(lengths):
        audio[row, length:] = 0
    mel, reported = nemo_mel(name, audio, *lengths)
    found = model.convert_spectrogram_to_audio(spec=mel)
    assert torch.equal(found, model.convert_spectrogram_to_audio(spec=mel, lengths=reported))
    for row, n_frames in enumerate(reported.tolist()):
        alone, _ = nemo_mel(name, audio[row, None, : lengths[row]], lengths[row])
        expected = model.convert_spectrogram_to_audio(spec=alone)[:, : n_frames * 256]
        assert torch.equal(found[row, None, : n_frames * 256], expected)
        assert (found[row, n_frames * 256 :] == 0).all()
