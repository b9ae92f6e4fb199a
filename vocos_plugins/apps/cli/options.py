"""Options that several subcommands share, loading models, and ending a command with an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from ...mel import MelConvention
    from ...model import Vocos
    from ...plugins import ToolkitAdapter

DEFAULT_MODEL = "vocos-mel-22khz-small"

# For help texts: what `resolve_source` accepts.
SIDE = "a text-to-speech model's configuration or directory, or a convention's name, as in `vocos doctor`"
CHECKPOINT = (
    "A bundled name, a checkpoint directory, a toolkit's vocoder that `vocos export` wrote, or a repository on the "
    "Hugging Face hub."
)

Model = Annotated[str, typer.Option("--model", "-m", help=CHECKPOINT)]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto: a GPU if there is one.")]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace what is at OUT even if it is not an earlier result of this command. Never an input.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


class Failure(typer.Exit):
    """The end of a command by `fail`, with its message."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(code)
        self.message = message


def fail(message: str, code: int = 2) -> NoReturn:
    """Prints an error and ends the command; exit code 2 means wrong usage, and that nothing was done."""
    typer.secho(f"error: {message}", fg="red", err=True)
    raise Failure(message, code)


def load_model(name: str, device: str = "cpu") -> Vocos:
    """Loads a checkpoint onto a device; a problem with either ends the command."""
    import torch

    from ...model import Vocos

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return Vocos.from_pretrained(name).to(device)
    except (ValueError, OSError) as error:
        fail(f"can't load {name!r}: {error}")
    except (RuntimeError, AssertionError) as error:  # what torch raises for a missing device
        fail(f"can't use device {device!r}: {error}")


def load_mel_model(name: str, device: str) -> Vocos:
    """Loads a mel model like `load_model`; a model of EnCodec codes ends the command."""
    vocos = load_model(name, device)
    if vocos.mel is None:
        fail(f"{name} decodes EnCodec codes; this command needs a mel model, such as {DEFAULT_MODEL}")
    return vocos


def resolve_source(source: str, target: MelConvention | None, *, strict: bool = False) -> MelConvention:
    """Returns the convention of a name or file; ends the command if it cannot be aligned with the model's."""
    from ...mel import align
    from ..doctor import resolve_endpoint

    try:
        endpoint = resolve_endpoint(source)
        convention = endpoint.convention
        align(convention, target, strict=strict)
    except ValueError as error:
        fail(str(error))
    for note in endpoint.notes:
        typer.secho(note, fg="yellow", err=True)
    if convention is None:
        fail(f"{source} uses EnCodec codes and has no mel")
    return convention


def find_adapter(toolkit: str) -> ToolkitAdapter:
    """Returns a toolkit's adapter; an unknown name ends the command."""
    from ...plugins import toolkit_adapters, unknown_name_message

    adapters = toolkit_adapters()
    if toolkit not in adapters:
        fail(unknown_name_message("toolkit", toolkit, adapters))
    return adapters[toolkit]
