"""``vocos conventions``: the known mel conventions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json, fail
from .plugins import report, survey
from .table import table

if TYPE_CHECKING:
    from ...mel import MelConvention

HEADER = (
    "name",
    "plugin",
    "sample_rate",
    "n_fft/win/hop",
    "n_mels",
    "f_min-f_max",
    "scale/norm",
    "log",
    "framing",
    "level or mean, std",
)


def conventions(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show this convention field by field.")] = None,
    as_json: Json = False,
) -> None:
    """List the known mel conventions, or show one field by field.

    The table omits fields that rarely differ: power, window, padding and the constant under the square root.
    """
    from ...plugins import PluginError, convention_plugins, mel_conventions, unknown_name_message

    # Before anything else that loads plugins: here their warnings are caught, and printed once as problems.
    _, problems = survey()
    try:
        known, owners = mel_conventions(), convention_plugins()
    except PluginError as error:
        fail(str(error))
    report(problems)
    if name is not None and name not in known:
        fail(unknown_name_message("mel convention", name, known))
    if name is not None:
        fields = _fields(known[name], owners[name])
        typer.echo(json.dumps(fields, indent=2) if as_json else _lines(fields))
    elif as_json:
        listed = [_fields(mel, owners[key]) for key, mel in known.items()]
        typer.echo(json.dumps({"conventions": listed}, indent=2))
    else:
        typer.echo(table(HEADER, [_row(mel, owners[key]) for key, mel in sorted(known.items())]))


def _fields(mel: MelConvention, plugin: str) -> dict[str, Any]:
    """Returns all fields, the plugin and, for conventions of the core, the source."""
    from ...config import FEATURES
    from ...config.mapping import write_part
    from ...mel.known import KNOWN

    fields = {key: value for key, value in write_part(mel, FEATURES).items() if key != "kind"}
    # By identity: conventions that differ only in their names are equal.
    cited = next((known for known in KNOWN if known.mel is mel), None)
    about = {} if cited is None else {"source": cited.source, "notes": cited.notes}
    return {"name": fields.pop("name"), "plugin": plugin, **about, **fields}


def _lines(fields: dict[str, Any]) -> str:
    width = max(map(len, fields))
    return "\n".join(f"{key:{width}}  {_value(value)}" for key, value in fields.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={_value(each)}" for key, each in value.items())
    return "-" if value is None or value == "" else str(value)


def _row(mel: MelConvention, plugin: str) -> tuple[str, ...]:
    return (
        mel.name,
        plugin,
        str(mel.sample_rate),
        f"{mel.n_fft}/{mel.win_length}/{mel.hop_length}",
        str(mel.n_mels),
        f"{mel.f_min:g}-{mel.sample_rate / 2 if mel.f_max is None else mel.f_max:g}",
        f"{mel.mel_scale}/{mel.mel_norm or '-'}",
        _formula(mel),
        mel.framing,
        _normalization(mel),
    )


def _formula(mel: MelConvention) -> str:
    """Returns the formula for a band's amplitude ``x``."""
    if mel.log is None:
        return "x"
    guarded = f"max(x, {mel.guard_value:g})" if mel.guard == "clamp" else f"x + {mel.guard_value:g}"
    gain = "" if mel.log_gain == 1.0 else f"{mel.log_gain:g} "
    return f"{gain}{'ln' if mel.log == 'natural' else 'log10'}({guarded})"


def _normalization(mel: MelConvention) -> str:
    from ...mel import LevelNormalization, MeanStdNormalization

    match mel.normalization:
        case LevelNormalization() as level:
            low = -level.max_norm if level.symmetric else 0
            bounds = f"{level.ref_level + level.min_level:g}..{level.ref_level:g} to {low:g}..{level.max_norm:g}"
            return f"{bounds}, clipped" if level.clip else bounds
        case MeanStdNormalization(mean=mean, std=std):
            return "mean, std per band" if isinstance(mean, tuple) or isinstance(std, tuple) else f"{mean:g}, {std:g}"
    return ""
