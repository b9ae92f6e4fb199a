"""``vocos export``: a model as a toolkit's own checkpoint, or as a file for another runtime."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..batch.jobs import describe
from .options import DEFAULT_MODEL, Model, Overwrite, fail, find_adapter, load_model

if TYPE_CHECKING:
    from ...mel import MelConvention

RUNTIMES = ("onnx", "openvino")
CONFIGURATIONS = (".json", ".yaml", ".yml")  # such a file stands for its folder


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
    overwrite: Overwrite = False,
) -> None:
    """Write a model as a checkpoint that an unmodified toolkit loads, or as a file that runs without torch."""
    _protect_input(toolkit, target, "--model", model, overwrite)
    if tts is not None and overwrite:
        _protect_input(toolkit, target, "--tts", tts, overwrite)
    for_toolkits, for_runtimes = tts is not None or strict, (precision, outputs) != ("float32", "audio")
    if toolkit in RUNTIMES:
        if for_toolkits:
            fail("--tts and --strict apply to toolkits; an exported file takes the model's own mel")
        _export_file(toolkit, target, model, {"precision": precision, "outputs": outputs, "overwrite": overwrite})
        return
    if for_runtimes:
        fail("--precision and --outputs apply only to onnx and openvino")
    _export_checkpoint(toolkit, target, model, tts, {"strict": strict, "overwrite": overwrite})


def _protect_input(kind: str, target: Path, option: str, name: str, overwrite: bool) -> None:
    """Ends the command if the export would replace what an option names: the exporters don't know all of its paths."""
    from ...storage.find import local_directory
    from ...storage.overwriting import is_same
    from ...storage.safe_files import CONFIG_FILE, LEGACY_WEIGHTS_FILE, WEIGHTS_FILE

    source = local_directory(name)
    folder = source.parent if source.is_file() and source.suffix in CONFIGURATIONS else source
    read = [source, *(folder / file for file in (CONFIG_FILE, WEIGHTS_FILE, LEGACY_WEIGHTS_FILE))]
    written = [target, target.with_suffix(".bin")] if target.suffix == ".xml" else [target]
    # Without --overwrite an exporter keeps a checkpoint's files, and may write its own beside them.
    beside = kind in RUNTIMES or (not overwrite and (folder / CONFIG_FILE).exists())
    lost = any(is_same(file, each) for file in written for each in read if each != source or source.is_file())
    if lost or (is_same(target, folder) and not beside):
        fail(f"{target} belongs to {option} {name} and is never replaced: choose another OUT")


def _export_checkpoint(toolkit: str, target: Path, model: str, tts: str | None, options: dict[str, bool]) -> None:
    from ...mel import ConventionError, ConventionWarning

    adapter = find_adapter(toolkit)
    problem: ValueError | None = None
    try:
        wanted, problem = (None, None) if tts is None else _resolve_tts(toolkit, tts)
        with warnings.catch_warnings():
            if problem is None:
                warnings.simplefilter("ignore", ConventionWarning)  # its text is among the notes
            adapter.export(load_model(model), target, tts=wanted, **options)
    except ImportError as error:
        fail(f"{toolkit} can't be imported: {error}. Run `vocos doctor` to see what to install")
    except ConventionError as error:
        fail(str(problem or error))
    except ValueError as error:
        fail(str(error))
    except OSError as error:
        fail(describe(error))
    typer.echo(f"{model} -> {target}")


def _resolve_tts(toolkit: str, tts: str) -> tuple[Path | MelConvention | None, ValueError | None]:
    """Returns the mels' origin for the exporter, and what is wrong with it if only the exporter may know better."""
    from ..doctor import EndpointError, resolve_endpoint

    try:
        side = resolve_endpoint(tts)
    except EndpointError as error:
        path = Path(os.path.expanduser(tts))
        if not path.exists():
            raise
        # Coqui TTS's needs no statistics, which a whole convention does.
        return path, error
    if side.convention is None:
        fail(f"{tts} uses EnCodec codes and has no mel")
    for note in side.notes:
        typer.secho(note, fg="yellow", err=True)
    # The toolkit's own file is passed as a path: vocos_nemo keeps such a file's preprocessor unchanged.
    return (side.path if side.toolkit == toolkit else side.convention), None


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
    except ValueError as error:
        fail(str(error))
    except OSError as error:
        fail(describe(error))
