"""``vocos export``: a model as a toolkit's own checkpoint, or as a file for another runtime."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import DEFAULT_MODEL, Model, fail, find_adapter, load_model

RUNTIMES = ("onnx", "openvino")


def export(
    toolkit: Annotated[
        str,
        typer.Argument(metavar="KIND", help="onnx, openvino, speechbrain, nemo, coqui, or another plugin's toolkit."),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="A directory; for NeMo a .nemo file, for ONNX a .onnx file, for OpenVINO a directory or a .xml file.",
        ),
    ],
    model: Model = DEFAULT_MODEL,
    tts: Annotated[
        str | None,
        typer.Option(
            metavar="TTS",
            help="The text-to-speech model that the vocoder is for: its configuration or directory, or a convention's "
            "name, as in `vocos doctor`. By default the toolkit's usual English models.",
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a lossy conversion of the mel.")] = False,
    precision: Annotated[
        str, typer.Option(help="For ONNX float32 or int8, for OpenVINO also bfloat16. The loss in quality is measured.")
    ] = "float32",
    outputs: Annotated[
        str, typer.Option(help="For ONNX and OpenVINO: audio; or spectrum, for a runtime with its own inverse STFT.")
    ] = "audio",
) -> None:
    """Write a model as a checkpoint that an unmodified toolkit loads, or as a file that runs without torch."""
    for_toolkits, for_runtimes = tts is not None or strict, (precision, outputs) != ("float32", "audio")
    if toolkit in RUNTIMES:
        if for_toolkits:
            fail("--tts and --strict apply to toolkits; an exported file takes the model's own mel")
        _export_file(toolkit, target, model, {"precision": precision, "outputs": outputs})
        return
    if for_runtimes:
        fail("--precision and --outputs apply only to onnx and openvino")
    _export_checkpoint(toolkit, target, model, tts, strict)


def _export_checkpoint(toolkit: str, target: Path, model: str, tts: str | None, strict: bool) -> None:
    from ...mel import ConventionWarning
    from ..doctor import resolve_endpoint

    adapter = find_adapter(toolkit)
    try:
        side = None if tts is None else resolve_endpoint(tts)
        if side is not None and side.convention is None:
            fail(f"{tts} uses EnCodec codes and has no mel")
        # The toolkit's own file is passed as a path: vocos_nemo keeps such a file's preprocessor unchanged.
        wanted = None if side is None else side.path if side.toolkit == toolkit else side.convention
        for note in () if side is None else side.notes:
            typer.secho(note, fg="yellow", err=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConventionWarning)  # its text is among the notes
            adapter.export(load_model(model), target, tts=wanted, strict=strict)
    except ImportError as error:
        fail(f"{toolkit} can't be imported: {error}. Run `vocos doctor` to see what to install")
    except (ValueError, OSError) as error:
        fail(str(error))
    typer.echo(f"{model} -> {target}")


def _export_file(kind: str, target: Path, model: str, options: dict[str, Any]) -> None:
    from ... import export as exporters
    from ...export.quality import measure

    vocos = load_model(model)
    try:
        if kind == "onnx":
            if target.suffix != ".onnx":
                fail(f"an ONNX file must end in .onnx, got {target}")
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
