"""Makes torchaudio importable with a CPU-only torch.

On import, the published torchaudio loads an extension built for CUDA, which fails if torch has no CUDA libraries.
Without the extension's file, torchaudio runs as pure Python, by its own design. So this script removes the file from
the development environment. Nothing that ships imports torchaudio.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch


def main() -> int:
    spec = importlib.util.find_spec("torchaudio")
    if spec is None or spec.origin is None or torch.version.cuda is not None:
        return 0
    if Path(sys.prefix) not in Path(spec.origin).parents:
        sys.stderr.write(f"torchaudio is outside this environment, in {spec.origin}; left unchanged\n")
        return 1
    for extension in (Path(spec.origin).parent / "lib").glob("_torchaudio*.so"):
        extension.unlink()
        sys.stdout.write(f"torch {torch.__version__} has no CUDA: removed {extension.name} from torchaudio\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
