"""The promises of every registered adapter, whatever the toolkit."""

from __future__ import annotations

import concurrent.futures
import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
import torch
from torch import Tensor

from vocos_plugins import MelMismatch, MelSpectrogram, Vocos, adapt
from vocos_plugins.config import EncodecCodes
from vocos_plugins.inference.frames import decode_frames
from vocos_plugins.mel import align
from vocos_plugins.mel.speech import CLIPS
from vocos_plugins.plugins import toolkit_adapters
from vocos_plugins.training.warm_start import copy_generator

# Relative to full scale; the adapter and the core compute the same, perhaps in batches of another shape.
EQUAL = 1e-5
PESQ_LOSS = 0.1  # largest loss of an adapter against the core
# Calls of each toolkit's vocoder: mels (B, n_mels, T) to audio (B, N).
CALLS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "speechbrain": lambda vocoder, mel: vocoder.decode_batch(mel)[:, 0],
    "nemo": lambda vocoder, mel: vocoder.convert_spectrogram_to_audio(spec=mel),
    "coqui": lambda vocoder, mel: vocoder.inference(mel)[:, 0],
}
ADAPTERS = toolkit_adapters()
# It takes no toolkit's mel, but the model's own: tests/adapters/reference has its promises.
OWN_MEL = "vocos"
MEL_ADAPTERS = [
    pytest.param(name, marks=pytest.mark.xdist_group(name))
    for name, adapter in ADAPTERS.items()
    if not isinstance(adapter.features, EncodecCodes) and name != OWN_MEL
]
each = pytest.mark.parametrize("toolkit", MEL_ADAPTERS)


@pytest.fixture(scope="module")
def vocos() -> Vocos:
    """Returns the bundled model."""
    return Vocos.from_pretrained("vocos-mel-22khz-small")


@pytest.fixture(scope="module")
def make(vocos) -> Callable[..., Any]:
    """Returns the toolkit's object around the bundled model, made once for each set of options."""
    made: dict[Any, Any] = {}

    def make(toolkit: str, **options: Any) -> Any:
        key = toolkit, tuple(options.items())
        if key not in made:
            made[key] = adapt(vocos, toolkit, **options)
        return made[key]

    return make


@pytest.fixture(scope="module")
def speech() -> Tensor:
    """Returns three seconds of shipped speech at 22.05 kHz, a whole number of frames, ``(1, N)``."""
    audio, rate = soundfile.read(CLIPS[0].path, dtype="float64")
    resampled = soxr.resample(audio, rate, 22050).astype(np.float32)
    return torch.from_numpy(resampled)[None, : len(resampled) // 256 * 256]


def test_every_adapter_is_here() -> None:
    """These tests cover every adapter of the package."""
    assert set(CALLS) == {param.values[0] for param in MEL_ADAPTERS}


@each
@pytest.mark.parametrize("shape", [(1, 80, 1), (1, 80, 2), (3, 80, 40)], ids=str)
def test_frames_become_hops(make, noise, toolkit, shape) -> None:
    """``T`` frames become ``T * hop_length`` samples in float32, without gradients."""
    audio = CALLS[toolkit](make(toolkit), noise(*shape) - 5)
    assert audio.shape == (shape[0], shape[2] * 256)
    assert audio.dtype == torch.float32
    assert not audio.requires_grad
    assert torch.isfinite(audio).all()


@each
def test_equals_the_core(make, vocos, speech, toolkit) -> None:
    """Adapter and core decode the toolkit's own mel of speech alike."""
    source = ADAPTERS[toolkit].features
    mel = MelSpectrogram(source)(speech)
    expected = decode_frames(vocos, mel, source=source)
    torch.testing.assert_close(CALLS[toolkit](make(toolkit), mel), expected, rtol=0, atol=EQUAL)


@each
def test_a_postfilter_is_applied(vocos, noise, toolkit) -> None:
    """Toolkits' mels are predicted: the adapter filters them as the core does."""
    filtered, mel = copy.deepcopy(vocos), noise(1, 80, 40) - 5
    filtered.set_postfilter(1.5 * torch.eye(80), torch.full((80,), 2.0))
    source = ADAPTERS[toolkit].features
    found = CALLS[toolkit](adapt(filtered, toolkit), mel)
    torch.testing.assert_close(found, decode_frames(filtered, mel, source=source), rtol=0, atol=EQUAL)
    assert float((found - decode_frames(vocos, mel, source=source)).abs().max()) > 0.01


@each
def test_a_head_of_a_higher_rate_keeps_the_pipeline_s(make, vocos, speech, toolkit) -> None:
    """Audio at twice the mel's rate comes back at the mel's own, which the toolkit expects."""
    head = dataclasses.replace(vocos.config.head, n_fft=2048, hop_length=512, upsample=2)
    wide = Vocos(dataclasses.replace(vocos.config, head=head)).eval()
    copy_generator(vocos.state_dict(), wide, "the bundled model", vocos.mel)
    mel = MelSpectrogram(ADAPTERS[toolkit].features)(speech)
    expected, found = CALLS[toolkit](make(toolkit), mel), CALLS[toolkit](adapt(wide, toolkit), mel)
    assert found.shape == expected.shape
    # Nothing was trained: the sound is the same, but for the slope of the resampler below its Nyquist frequency.
    level = (found - expected).square().sum() / expected.square().sum()
    assert level < 10**-3


@each
def test_frames_keep_their_place(make, speech, toolkit) -> None:
    """A pause of ten frames in the mel is a pause in the audio, to within the length of a window."""
    source = dataclasses.replace(ADAPTERS[toolkit].features, framing="center")
    mel = MelSpectrogram(source)(speech)
    mel[..., 60:80] = MelSpectrogram(source)(torch.zeros(1, 4096))[..., :1]
    audio = CALLS[toolkit](make(toolkit, source=source), mel)[0]
    assert float(audio[64 * 256 : 75 * 256].abs().max()) < 0.01
    for lively in (audio[52 * 256 : 59 * 256], audio[81 * 256 : 88 * 256]):
        assert float(lively.abs().max()) > 0.02


@each
def test_batches_equal_single_decodes(make, noise, toolkit) -> None:
    """A row isn't affected by its neighbours."""
    vocoder, mel = make(toolkit), noise(3, 80, 30) - 5
    batch = CALLS[toolkit](vocoder, mel)
    for row in range(3):
        torch.testing.assert_close(CALLS[toolkit](vocoder, mel[row, None])[0], batch[row], rtol=0, atol=EQUAL)


@each
def test_other_layouts_of_memory(make, noise, toolkit) -> None:
    """Transposed views and float64 decode, as text-to-speech models and NumPy return them."""
    vocoder, mel = make(toolkit), noise(2, 80, 20) - 5
    expected = CALLS[toolkit](vocoder, mel)
    transposed = mel.transpose(1, 2).contiguous().transpose(1, 2)
    assert not transposed.is_contiguous()
    torch.testing.assert_close(CALLS[toolkit](vocoder, transposed), expected, rtol=0, atol=EQUAL)
    torch.testing.assert_close(CALLS[toolkit](vocoder, mel.double()).float(), expected, rtol=0, atol=EQUAL)


@each
def test_moves_with_the_model(toolkit, vocos, noise) -> None:
    """The vocoder follows its model to float64 and back, as it would to a device, with the same result."""
    own = Vocos(vocos.config)
    own.load_state_dict(vocos.state_dict())
    vocoder, mel = adapt(own.eval(), toolkit), noise(1, 80, 20) - 5
    before = CALLS[toolkit](vocoder, mel)
    vocoder.to(torch.float64)
    assert next(own.parameters()).dtype == torch.float64
    after = CALLS[toolkit](vocoder, mel)
    torch.testing.assert_close(after.float(), before, rtol=0, atol=1e-4)  # float32's rounding through eight blocks


@each
def test_threads_do_not_disturb_each_other(make, noise, toolkit) -> None:
    """Eight decodes on four threads equal eight in sequence."""
    vocoder = make(toolkit)
    mels = [noise(1, 80, 10 + 5 * number, seed=number) - 5 for number in range(8)]
    expected = [CALLS[toolkit](vocoder, mel) for mel in mels]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda mel: CALLS[toolkit](vocoder, mel), mels))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=EQUAL)


@each
def test_quality_is_the_core_s(make, vocos, speech, toolkit) -> None:
    """The adapter's PESQ, on the toolkit's own mel, is that of the core's copy-synthesis."""
    from pesq import pesq

    def quality(audio: Tensor) -> float:
        pair = (soxr.resample(signal[0].numpy(), 22050, 16000) for signal in (speech, audio))
        return float(pesq(16000, *pair, "wb"))

    mel = MelSpectrogram(ADAPTERS[toolkit].features)(speech)
    found = quality(CALLS[toolkit](make(toolkit), mel)[:, : speech.shape[1]])
    assert found > quality(vocos(speech)) - PESQ_LOSS


@each
def test_another_mel_is_aligned_or_refused(make, vocos, toolkit) -> None:
    """Half a hop is exact; other bands are lossy, which strict refuses."""
    source = dataclasses.replace(ADAPTERS[toolkit].features, f_max=7600.0)
    assert align(source, vocos.mel).kind == "lossy"
    with pytest.raises(MelMismatch, match="f_max"):
        make(toolkit, source=source, strict=True)


@each
def test_an_encodec_model_is_refused(make_model, toolkit) -> None:
    """An EnCodec model is refused: it takes no mel."""
    with pytest.raises(MelMismatch, match="no mel"):
        adapt(make_model("encodec", "adanorm"), toolkit)
