"""Tiny versions of the three Barks, with random weights; the real ones can't be fetched here."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.paths import ROOT
from vocos_plugins import Vocos

EXAMPLES = ROOT / "docs" / "examples"
SIZE = {"n_layer": 1, "n_head": 2, "n_embd": 8, "block_size": 1024}


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """Returns the module that the documentation uses: models, a processor, codebooks."""
    spec = importlib.util.spec_from_file_location("tiny_bark", EXAMPLES / "tiny_bark.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bark_model(tiny) -> Any:
    """Returns the Bark of transformers."""
    return tiny.bark_model()


@pytest.fixture(scope="session")
def processor(tiny) -> Any:
    """Returns the processor of that Bark."""
    return tiny.processor()


@pytest.fixture
def vocos(tiny, bark_model) -> Vocos:
    """Returns a Vocos for that Bark's codes."""
    return tiny.vocos_model(bark_model.codec_model)


@pytest.fixture(scope="session")
def expected() -> Callable[[Vocos, Any], Tensor]:
    """Returns a function that decodes codes ``(8, T)`` by the core, to audio ``(T * 320,)``."""

    def decode(vocos: Vocos, codes: Any) -> Tensor:
        codes = torch.as_tensor(codes)
        return vocos.decode(vocos.codes_to_features(codes, bandwidth_id=2), bandwidth_id=2)[0]

    return decode


@pytest.fixture
def spy(monkeypatch) -> Callable[[Any, str], list[Any]]:
    """Collects the results of an object's function."""

    def watch(owner: Any, name: str) -> list[Any]:
        results: list[Any] = []
        original = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            results.append(original(*args, **kwargs))
            return results[-1]

        monkeypatch.setattr(owner, name, watched)
        return results

    return watch


@pytest.fixture(scope="session")
def end_soon() -> Callable[[nn.Module], None]:
    """Makes suno's text model finish one time in twenty, which 10,000 random tokens never would."""

    def prepare(model: nn.Module) -> None:
        with torch.no_grad():
            model.transformer.ln_f.bias[0] = 4.0
            model.lm_head.weight[10_000] = 0.0
            model.lm_head.weight[10_000, 0] = 1.1

    return prepare


@pytest.fixture(scope="session")
def suno_parts(tiny, processor, end_soon) -> dict[str, Any]:
    """Returns the entries of ``bark.generation.models``, with the package encodec's 24 kHz model."""
    from bark.model import GPT, GPTConfig
    from bark.model_fine import FineGPT, FineGPTConfig
    from encodec import EncodecModel

    torch.manual_seed(0)
    text = GPT(GPTConfig(**SIZE, input_vocab_size=129_600, output_vocab_size=10_048)).eval()
    coarse = GPT(GPTConfig(**SIZE, input_vocab_size=12_096, output_vocab_size=12_096)).eval()
    fine = FineGPT(FineGPTConfig(**SIZE, input_vocab_size=1056, output_vocab_size=1056)).eval()
    end_soon(text)
    codec = EncodecModel.encodec_model_24khz(pretrained=False)
    codec.set_target_bandwidth(6.0)
    for layer in codec.quantizer.vq.layers:
        nn.init.normal_(layer._codebook.embed, std=0.3)
    return {
        "text": {"model": text, "tokenizer": processor.tokenizer},
        "coarse": coarse,
        "fine": fine,
        "codec": codec,
    }


@pytest.fixture
def suno(suno_parts) -> Iterator[ModuleType]:
    """Yields suno's package ``bark`` with these models; afterwards it has none, as before."""
    import bark

    bark.generation.models.update(suno_parts)
    yield bark
    bark.generation.models.clear()
    bark.generation.models_devices.clear()


@pytest.fixture
def coqui_home(tiny, processor, end_soon, tmp_path, monkeypatch) -> str:
    """Returns the name by which Coqui TTS finds its Bark; folders stand in for the downloads of its parts."""
    from transformers import EncodecConfig, EncodecFeatureExtractor, EncodecModel
    from TTS.tts.configs.bark_config import BarkConfig
    from TTS.tts.layers.bark.model import GPT, GPTConfig
    from TTS.tts.layers.bark.model_fine import FineGPT, FineGPTConfig

    torch.manual_seed(0)
    processor.tokenizer.save_pretrained(tmp_path / "bert-base-multilingual-cased")
    codec = EncodecModel(EncodecConfig(num_filters=2, num_lstm_layers=1))
    tiny.fill_codebooks(codec)
    codec.save_pretrained(tmp_path / "facebook" / "encodec_24khz")
    EncodecFeatureExtractor().save_pretrained(tmp_path / "facebook" / "encodec_24khz")
    folder = tmp_path / "erogol" / "bark"
    folder.mkdir(parents=True)
    configs = {
        "text": GPTConfig(**SIZE, input_vocab_size=129_600, output_vocab_size=10_048),
        "coarse": GPTConfig(**SIZE, input_vocab_size=12_096, output_vocab_size=12_096),
        "fine": FineGPTConfig(**SIZE, input_vocab_size=1056, output_vocab_size=1056),
    }
    for part, config in configs.items():
        model = (FineGPT if part == "fine" else GPT)(config)
        if part == "text":
            end_soon(model)
        checkpoint = {"model_args": config.to_dict(), "model": model.state_dict(), "best_val_loss": torch.tensor(0.0)}
        torch.save(checkpoint, folder / f"{part}_2.pt")
    # Files of the large models are compared with the published ones, and removed if they differ.
    small = BarkConfig(USE_SMALLER_MODELS=True)
    small.semantic_config, small.coarse_config, small.fine_config = configs.values()
    small.save_json(folder / "config.json")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **_: str(tmp_path / name))
    monkeypatch.setenv("TTS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return "tts_models/multilingual/multi-dataset/bark"


@pytest.fixture
def coqui_tts(coqui_home) -> Any:
    """Returns Coqui TTS's interface with its Bark."""
    from TTS.api import TTS

    return TTS(coqui_home, progress_bar=False)


@pytest.fixture
def coqui(coqui_tts) -> Any:
    """Returns Coqui TTS's Bark."""
    return coqui_tts.synthesizer.tts_model
