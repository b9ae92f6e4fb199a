"""Tiny Bark and Vocos models with random weights, which run anywhere in a second: they only babble.

They replace the real models where nothing can be downloaded, such as in the test of ``bark.ipynb``.
"""

from __future__ import annotations

import string
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import BarkConfig, BarkModel, BarkProcessor, BertTokenizer, EncodecConfig, GenerationConfig
from transformers.models.bark.configuration_bark import BarkCoarseConfig, BarkFineConfig, BarkSemanticConfig

from vocos_plugins import Vocos
from vocos_plugins.config import ISTFT, ConvNeXt, EncodecCodes, VocosConfig
from vocos_plugins.network.encodec_encoder import read_codebooks

# Token numbers: semantic tokens 0 to 19, text 30 to 89, audio 20 to 2067; and the end and padding tokens of each.
SEMANTIC = {
    "semantic_vocab_size": 20,
    "eos_token_id": 20,
    "pad_token_id": 20,
    "text_encoding_offset": 30,
    "text_pad_token": 90,
    "semantic_infer_token": 91,
    "max_input_semantic_length": 8,
    "min_new_tokens": 4,
    "max_new_tokens": 20,
    "do_sample": True,
}
COARSE = {
    "coarse_semantic_pad_token": 2068,
    "coarse_infer_token": 2069,
    "max_coarse_input_length": 16,
    "max_coarse_history": 30,
    "sliding_window_len": 20,
    "do_sample": True,
}
FINE = {"max_fine_history_length": 32, "max_fine_input_length": 64}
SIZE = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "block_size": 128}


def bark_model(seed: int = 0, model_class: type[BarkModel] = BarkModel) -> BarkModel:
    """Returns a transformers Bark with 200,000 parameters; a batch of texts results in speech of different lengths."""
    torch.manual_seed(seed)
    config = BarkConfig(
        semantic_config=BarkSemanticConfig(**SIZE, input_vocab_size=92, output_vocab_size=92).to_dict(),
        coarse_acoustics_config=BarkCoarseConfig(**SIZE, input_vocab_size=2070, output_vocab_size=2070).to_dict(),
        fine_acoustics_config=BarkFineConfig(**SIZE, input_vocab_size=1056, output_vocab_size=1056).to_dict(),
        codec_config=EncodecConfig(num_filters=2, num_lstm_layers=1).to_dict(),
    )
    model = model_class(config).eval()
    model.generation_config = GenerationConfig(
        semantic_config=SEMANTIC,
        coarse_acoustics_config=COARSE,
        fine_acoustics_config=FINE,
        sample_rate=24000,
        codebook_size=1024,
    )
    fill_codebooks(model.codec_model)
    return model


def fill_codebooks(codec: Any) -> None:
    """Fills the codebooks of an EnCodec built from a configuration with random values; they would be zeros."""
    for layer in codec.quantizer.layers:
        torch.nn.init.normal_(layer.codebook.embed, std=0.3)


def processor() -> BarkProcessor:
    """Returns a processor that turns text into tokens, letter by letter."""
    letters = string.ascii_lowercase
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
        return BarkProcessor(BertTokenizer.from_pretrained(folder))


def vocos_model(codec: torch.nn.Module, seed: int = 0) -> Vocos:
    """Returns a Vocos with 30,000 parameters for the codes of a 24 kHz EnCodec, with that EnCodec's codebooks."""
    torch.manual_seed(seed)
    backbone = ConvNeXt(dim=16, intermediate_dim=32, num_layers=2, adanorm_num_embeddings=4)
    head = ISTFT(n_fft=1280, hop_length=320, framing="same")
    vocos = Vocos(VocosConfig(features=EncodecCodes(), backbone=backbone, head=head)).eval()
    features: Any = vocos.feature_extractor
    features.codebook_weights.data.copy_(read_codebooks(codec)[:16].flatten(0, 1))
    return vocos
