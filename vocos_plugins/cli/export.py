"""``vocos export``: a model as a toolkit's own kind of checkpoint, or as a file for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import DEFAULT_MODEL, Model, fail, find_adapter, load_model

RUNTIMES = ("onnx", "openvino")


def export(
    toolkit: Annotated[
        str, typer.Argument(metavar="KIND", help="onnx, openvino, speechbrain, nemo, coqui, or a plugin's.")
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="A directory; for NeMo a .nemo file, for ONNX a .onnx file, for OpenVINO either."
        ),
    ],
    model: Model = DEFAULT_MODEL,
    tts: Annotated[
        str | None,
        typer.Option(
            metavar="TTS",
            help="The text-to-speech model that it is for: its configuration or directory, or a convention's name, "
            "as `vocos doctor` takes it. The toolkit's usual English models by default.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a mel that can only be aligned with a loss.")
    ] = False,
    precision: Annotated[
        str, typer.Option(help="For ONNX float32 or int8, for OpenVINO also bfloat16; what it costs is measured.")
    ] = "float32",
    outputs: Annotated[
        str, typer.Option(help="For ONNX and OpenVINO: audio, or spectrum for a runtime with its own inverse STFT.")
    ] = "audio",
) -> None:
    """Write a model so that an unmodified toolkit, or a runtime without torch, loads it."""
    for_toolkits, for_runtimes = tts is not None or strict, (precision, outputs) != ("float32", "audio")
    if toolkit in RUNTIMES:
        if for_toolkits:
            fail("--tts and --strict are about toolkits; an exported file takes the model's own mel")
        _export_file(toolkit, target, model, {"precision": precision, "outputs": outputs})
        return
    if for_runtimes:
        fail("--precision and --outputs are about onnx and openvino")
    _export_checkpoint(toolkit, target, model, tts, strict)


def _export_checkpoint(toolkit: str, target: Path, model: str, tts: str | None, strict: bool) -> None:
    from ..doctor import resolve_side

    adapter = find_adapter(toolkit)
    try:
        side = None if tts is None else resolve_side(tts)
        if side is not None and side.convention is None:
            fail(f"{tts} has no mel; EnCodec codes are no mels")
        wanted = None if side is None else side.path if side.toolkit == toolkit else side.convention
        adapter.export(load_model(model), target, tts=wanted, strict=strict)
    except ImportError as error:
        fail(f"{toolkit} can't be imported: {error}. `vocos doctor` says what to install")
    except (ValueError, OSError) as error:
        fail(str(error))
    typer.echo(f"{model} -> {target}")


def _export_file(kind: str, target: Path, model: str, options: dict[str, Any]) -> None:
    from .. import export as exporters
    from ..export.quality import measure

    vocos = load_model(model)
    try:
        if kind == "onnx":
            if target.suffix != ".onnx":
                fail(f"an ONNX file is called .onnx, got {target}")
            exporters.export_onnx(vocos, target, **options)
        else:
            target = exporters.export_openvino(vocos, target, **options)
        typer.echo(f"{model} -> {target}")
        if options["precision"] != "float32" and options["outputs"] == "audio":
            typer.echo(str(measure(exporters.load_session(target), vocos)))
    except ImportError as error:
        fail(f"{error}. pip install 'vocos-plugins[{kind}]'")
    except (ValueError, OSError) as error:
        fail(str(error))
