"""suno's package ``bark``, whose API binds the decoding function by name when it is imported."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
import vocos_bark


@pytest.fixture
def vocos(tiny, suno_parts):
    """Returns a Vocos for the codes of the package encodec's model."""
    return tiny.vocos_model(suno_parts["codec"])


def test_generate_audio(suno, vocos, expected) -> None:
    """A name imported before attaching works: the core's audio of Bark's codes, and afterwards EnCodec's."""
    from bark import SAMPLE_RATE, generate_audio

    torch.manual_seed(0)
    prompt, stock = generate_audio("hello there", silent=True, output_full=True)
    with vocos_bark.using(suno, vocos):
        torch.manual_seed(0)
        same, audio = generate_audio("hello there", silent=True, output_full=True)
    codes = same["fine_prompt"]
    assert np.array_equal(codes, prompt["fine_prompt"])
    assert codes.shape[0] == 8
    assert not codes.flags["C_CONTIGUOUS"]
    assert np.array_equal(audio, expected(vocos, codes).numpy())
    assert audio.shape == stock.shape == (320 * codes.shape[1],)
    assert audio.dtype == np.float32
    assert vocos.sample_rate == SAMPLE_RATE
    assert np.array_equal(suno.generation.codec_decode(codes), suno.api.codec_decode(codes))
    assert not np.array_equal(suno.api.codec_decode(codes), audio)


def test_a_prompt_of_the_package(suno, vocos, expected) -> None:
    """All shipped prompts decode, also the one stored as uint16, which EnCodec can't take."""
    folder = Path(suno.__file__).parent / "assets" / "prompts"
    announcer = np.load(folder / "announcer.npz")["fine_prompt"]
    assert announcer.dtype == np.uint16
    with pytest.raises(RuntimeError, match="UInt16"):
        suno.generation.codec_decode(announcer)
    speaker = np.load(folder / "v2" / "en_speaker_6.npz")["fine_prompt"]
    with vocos_bark.using(suno, vocos):
        for codes in (announcer, speaker):
            audio = suno.generation.codec_decode(codes[:, :100])
            assert np.array_equal(audio, expected(vocos, codes[:, :100].astype(np.int64)).numpy())


@pytest.mark.parametrize("module", ["bark", "bark.generation", "bark.api"])
def test_any_of_its_modules_will_do(module, suno, vocos) -> None:
    """The package and its module `generation` are accepted; `bark.api` keeps no models and is refused."""
    codec = suno.generation.models["codec"]
    if module == "bark.api":
        with pytest.raises(TypeError, match=r"got the module bark\.api"):
            vocos_bark.attach(importlib.import_module(module), vocos)
        return
    with vocos_bark.using(importlib.import_module(module), vocos) as attached:
        assert suno.generation.models["codec"] is attached
    assert suno.generation.models["codec"] is codec


def test_before_the_models_are_loaded(suno, suno_parts, vocos, expected, monkeypatch) -> None:
    """Before models are loaded, EnCodec is neither downloaded nor loaded, and its place is empty again afterwards."""
    suno.generation.models.clear()
    loaded = []

    def load(*_, model_type, **__):
        loaded.append(model_type)
        return suno_parts[model_type]

    # Stands in for downloads.
    monkeypatch.setattr(suno.generation, "_load_model", load)
    monkeypatch.setattr(suno.generation, "_load_codec_model", lambda _: pytest.fail("EnCodec was loaded"))
    with vocos_bark.using(suno, vocos) as attached:
        suno.preload_models()
        assert suno.generation.models["codec"] is attached
        codes = torch.randint(1024, (8, 20)).numpy()
        assert np.array_equal(suno.generation.codec_decode(codes), expected(vocos, codes).numpy())
    assert loaded == ["text", "coarse", "fine"]
    assert set(suno.generation.models) == {"text", "coarse", "fine"}
    vocos_bark.attach(suno, vocos)
    vocos_bark.detach(suno)
    assert "codec" not in suno.generation.models


def test_offloading(suno, vocos, monkeypatch) -> None:
    """The Vocos follows ``SUNO_OFFLOAD_CPU``, which moves models back and forth with ``.to``."""
    monkeypatch.setattr(suno.generation, "OFFLOAD_CPU", True)
    with vocos_bark.using(suno, vocos):
        suno.generation.load_codec_model(use_gpu=False)
        assert suno.generation.codec_decode(torch.randint(1024, (8, 20)).numpy()).shape == (6400,)


def test_encoding_stays_encodec_s(suno, vocos, noise) -> None:
    """Voices are cloned with the package encodec's own ``encode``."""
    audio = 0.3 * noise(1, 1, 9600)
    codec = suno.generation.models["codec"]
    before = codec.encode(audio)[0][0]
    with vocos_bark.using(suno, vocos):
        assert torch.equal(suno.generation.models["codec"].encode(audio)[0][0], before)
        assert suno.generation.models["codec"].sample_rate == 24000


# From Bark+Vocos.ipynb of gemelo-ai/vocos (MIT): its cells without installing, listening and resampling.
NOTEBOOK = """
from bark import preload_models
preload_models()

from vocos import Vocos
import torch
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
vocos = Vocos.from_pretrained("charactr/vocos-encodec-24khz").to(device)

from typing import Optional, Union, Dict
import numpy as np
from bark.generation import generate_coarse, generate_fine

def semantic_to_audio_tokens(
    semantic_tokens: np.ndarray,
    history_prompt: Optional[Union[Dict, str]] = None,
    temp: float = 0.7,
    silent: bool = False,
    output_full: bool = False,
):
    coarse_tokens = generate_coarse(
        semantic_tokens, history_prompt=history_prompt, temp=temp, silent=silent, use_kv_caching=True
    )
    fine_tokens = generate_fine(coarse_tokens, history_prompt=history_prompt, temp=0.5)
    if output_full:
        full_generation = {
            "semantic_prompt": semantic_tokens,
            "coarse_prompt": coarse_tokens,
            "fine_prompt": fine_tokens,
        }
        return full_generation
    return fine_tokens

from bark import text_to_semantic
history_prompt = None
text_prompt = "So, you've heard about neural vocoding? [laughs]"
semantic_tokens = text_to_semantic(text_prompt, history_prompt=history_prompt, temp=0.7, silent=False,)
audio_tokens = semantic_to_audio_tokens(
    semantic_tokens, history_prompt=history_prompt, temp=0.7, silent=False, output_full=False,
)

from bark.generation import codec_decode
encodec_output = codec_decode(audio_tokens)

audio_tokens_torch = torch.from_numpy(audio_tokens).to(device)
features = vocos.codes_to_features(audio_tokens_torch)
vocos_output = vocos.decode(features, bandwidth_id=torch.tensor([2], device=device))  # 6 kbps
"""


def test_the_reference_s_notebook(suno, vocos, tmp_path, monkeypatch, make_reference, relative_error) -> None:
    """With only the package's name changed, the notebook's result equals that of the package ``vocos`` 0.1.0."""
    vocos.save_pretrained(tmp_path / "charactr" / "vocos-encodec-24khz")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(NOTEBOOK.replace("from vocos import", "from vocos_plugins import"), names)  # noqa: S102
    reference = make_reference(vocos.config)
    reference.load_state_dict({**reference.state_dict(), **vocos.state_dict()})
    features = reference.codes_to_features(names["audio_tokens_torch"])
    wanted = reference.decode(features, bandwidth_id=torch.tensor([2]))
    assert relative_error(names["vocos_output"], wanted) < 1e-5  # float32 sums in another order
    assert names["vocos_output"].shape == (1, *names["encodec_output"].shape)
