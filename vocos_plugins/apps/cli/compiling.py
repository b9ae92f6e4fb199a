"""``vocos compile``: compiles a model for this machine, so that short items take less time."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import CHECKPOINT, DEFAULT_MODEL, fail, load_mel_model


def compile_model(
    model: Annotated[str, typer.Argument(metavar="CHECKPOINT", help=CHECKPOINT)] = DEFAULT_MODEL,
    precision: Annotated[
        str, typer.Option(help="float32, bfloat16, int8, or auto: what this model is decoded in on this machine.")
    ] = "auto",
) -> None:
    """Compile CHECKPOINT for this machine, so that decoding a few seconds at a time is faster.

    The library is kept in the user's cache. On this machine, every process that loads the same weights, also within a
    toolkit, decodes single items of up to four seconds by it from then on, with the same number of threads. Longer
    items, batches and streams are decoded as before. It needs a C++ compiler, and takes about half a minute.

    Nothing is kept if it is not faster. To undo it, delete the folder `compiled` beside the library.
    """
    import torch

    from ...inference.backend import Backend
    from ...inference.fast.compilation import CompilationError, compile_network
    from ...inference.fast.engine import FastEngine

    vocos = load_mel_model(model, "cpu")
    try:
        vocos.backend = Backend(precision)  # type: ignore[arg-type]
    except ValueError as error:
        fail(str(error))
    with torch.no_grad():  # with gradients, modules decode
        engine = vocos.backend.engine(vocos, torch.device("cpu"))
    if not isinstance(engine, FastEngine):
        fail(f"{model} is decoded by PyTorch's own modules on this machine; only oneDNN's operators are compiled")
    typer.echo(f"Compiling {model} in {engine.precision} ...", err=True)
    try:
        library, before, after = compile_network(vocos, engine.precision)
    except CompilationError as error:
        fail(str(error), code=1)
    typer.echo(f"The network takes {after:.1f} ms for one second of audio, in place of {before:.1f} ms")
    typer.echo(f"Wrote {library}")
