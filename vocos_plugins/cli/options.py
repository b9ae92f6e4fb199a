"""What several subcommands share: their options, loading the model, and the two ways to fail."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from ..mel import MelConvention
    from ..model import Vocos
    from ..plugins import ToolkitAdapter

DEFAULT_MODEL = "vocos-mel-22khz-small"

# Of help texts: what `alignable` takes.
SIDE = "a text-to-speech model's configuration or directory, or a convention's name, as `vocos doctor` takes it"

Model = Annotated[
    str, typer.Option("--model", "-m", help="A bundled name, a checkpoint directory, or a repository of the hub.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto for a GPU where there is one.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def fail(message: str) -> NoReturn:
    """Ends the command as wrong usage: nothing was done."""
    typer.secho(f"error: {message}", fg="red", err=True)
    raise typer.Exit(2)


def load_model(name: str, device: str = "cpu") -> Vocos:
    """Loads a checkpoint onto a device; what is wrong with either ends the command."""
    import torch

    from ..model import Vocos

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return Vocos.from_pretrained(name).to(device)
    except (ValueError, OSError) as error:
        fail(f"can't load {name!r}: {error}")
    except (RuntimeError, AssertionError) as error:  # what torch raises for a device that isn't there
        fail(f"can't use device {device!r}: {error}")


def load_mel_model(name: str, device: str) -> Vocos:
    """As `load_model`, and refuses models that take EnCodec codes."""
    vocos = load_model(name, device)
    if vocos.mel is None:
        fail(f"{name} decodes EnCodec codes; this command needs a model of mel spectrograms")
    return vocos


def alignable(source: str, target: MelConvention | None, *, strict: bool = False) -> MelConvention:
    """The convention that a name or file stands for; ends the command if it can't be aligned to the model's."""
    from ..doctor import resolve_side
    from ..mel import align

    try:
        convention = resolve_side(source).convention
        align(convention, target, strict=strict)
    except ValueError as error:
        fail(str(error))
    if convention is None:
        fail(f"{source} has no mel; EnCodec codes are no mels")
    return convention


def find_adapter(toolkit: str) -> ToolkitAdapter:
    """A toolkit's adapter by its name; ends the command if there is none."""
    from ..plugins import toolkit_adapters

    adapters = toolkit_adapters()
    if toolkit not in adapters:
        close = difflib.get_close_matches(toolkit, adapters, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        fail(f"no plugin knows a toolkit {toolkit!r}{hint}. Known are {', '.join(sorted(adapters))}")
    return adapters[toolkit]
