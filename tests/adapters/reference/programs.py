"""Loads a vocoder and decodes a mel as a program does, by the program's own source where it is at hand.

    python programs.py PROGRAM SOURCE FOLDER OUT.npy

``import vocos`` finds whatever the process finds: the test runs each twice. Nothing of ``vocos`` is replaced. Of the
programs' other parts only those are, that make the mel: a model of text would need its weights.

Args:
    PROGRAM: a key of `PROGRAMS`.
    SOURCE: folder of the unpacked distribution.
    FOLDER: has config.yaml, pytorch_model.bin, model.safetensors and mel.npy, ``(B, T, 100)``.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import hf_hub_download


def functions(file: Path, *names: str, **given: Any) -> dict[str, Any]:
    """Runs the definitions of functions of a file, with ``from vocos import ...`` at its top, and no other import."""
    tree = ast.parse(file.read_text())
    wanted = [
        node
        for node in tree.body
        if (isinstance(node, ast.FunctionDef) and node.name in names)
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vocos")
    ]
    assert len(wanted) > len(names), f"{file} has changed: it no longer has {names}"
    namespace = {"torch": torch, "np": np, "hf_hub_download": hf_hub_download, **given}
    exec(compile(ast.Module(wanted, []), str(file), "exec"), namespace)  # noqa: S102
    return namespace


def f5_tts(source: Path, folder: Path, mel: torch.Tensor) -> np.ndarray:
    """Runs ``load_vocoder`` and ``infer_batch_process``, which decodes in threads."""

    class Acoustic:
        """Stands for F5-TTS's model, which has no part in decoding: it says the mel, after that of the prompt."""

        def sample(self, cond: torch.Tensor, **_: Any) -> tuple[torch.Tensor, None]:
            prompt = torch.zeros(1, cond.shape[-1] // 256, 100)
            return torch.cat([prompt, mel[:1]], dim=1), None

    module = functions(
        source / "f5_tts" / "infer" / "utils_infer.py",
        "load_vocoder",
        "infer_batch_process",
        device="cpu",
        tqdm=None,
        ThreadPoolExecutor=ThreadPoolExecutor,
        convert_char_to_pinyin=lambda texts: texts,
        target_sample_rate=24000,
        hop_length=256,
    )
    vocoder = module["load_vocoder"]("vocos", is_local=True, local_path=str(folder), device="cpu")
    prompt = torch.full((1, 4800), 0.2), 24000
    batches = module["infer_batch_process"](
        prompt, "A prompt.", ["One sentence.", "Another one."], Acoustic(), vocoder, progress=None, device="cpu"
    )
    (wave, rate, _), *_ = batches
    assert rate == 24000
    return wave


def chattts(source: Path, folder: Path, mel: torch.Tensor) -> np.ndarray:
    """Builds the model of ChatTTS's configuration as its ``core.py`` does, and decodes as ``_vocos_decode`` does."""
    from safetensors.torch import load_file
    from vocos import Vocos
    from vocos.pretrained import instantiate_class

    spec = importlib.util.spec_from_file_location("chattts_config", source / "ChatTTS" / "config" / "config.py")
    module = sys.modules["chattts_config"] = importlib.util.module_from_spec(spec)
    # Its defaults are unhashable dataclasses, for which Python 3.11 and newer refuse to make another: they get a hash.
    code = (source / "ChatTTS" / "config" / "config.py").read_text().replace("eq=False", "eq=False, unsafe_hash=True")
    exec(compile(code, spec.origin, "exec"), module.__dict__)  # noqa: S102
    config = module.Config().vocos
    parts = {
        name: instantiate_class(args=(), init=dataclasses.asdict(getattr(config, name)))
        for name in ("feature_extractor", "backbone", "head")
    }
    vocos = Vocos(**parts).to("cpu").eval()
    vocos.load_state_dict(load_file(folder / "model.safetensors"))
    with torch.inference_mode():
        return vocos.decode(mel.transpose(1, 2)).cpu().numpy()


def zipvoice(_: Path, folder: Path, mel: torch.Tensor) -> np.ndarray:
    """Makes the calls of ``zipvoice/bin/infer_zipvoice.py``; the wheel on PyPI holds none of it."""
    from vocos import Vocos

    vocoder = Vocos.from_hparams(f"{folder}/config.yaml")
    vocoder.load_state_dict(torch.load(f"{folder}/pytorch_model.bin", weights_only=True, map_location="cpu"))
    vocoder = vocoder.to(torch.device("cpu")).eval()
    with torch.inference_mode():
        predicted = (0.1 * mel).permute(0, 2, 1) / 0.1
        rows = [vocoder.decode(row[None, :, :20]).squeeze(1).clamp(-1, 1) for row in predicted]
        whole = vocoder.decode(predicted).squeeze(1).clamp(-1, 1)
    return np.concatenate([*(row.numpy().ravel() for row in rows), whole.numpy().ravel()])


PROGRAMS = {"f5-tts": f5_tts, "chattts": chattts, "zipvoice": zipvoice}


if __name__ == "__main__":
    name, source, folder, out = sys.argv[1:]
    torch.set_num_threads(1)
    mel = torch.from_numpy(np.load(Path(folder, "mel.npy")))
    np.save(out, PROGRAMS[name](Path(source), Path(folder), mel))
