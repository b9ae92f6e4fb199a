"""Writes docs/cli.md: what `vocos --help` and each subcommand's help say.

python scripts/cli_page.py            # writes it
python scripts/cli_page.py --check    # fails if what is written is out of date
"""

from __future__ import annotations

import re
import sys

import typer.main
from generated_page import main
from typer.cli import get_docs_for_click

from vocos_plugins.cli import app

HEAD = """# The command line

Written by `python scripts/cli_page.py` from the commands themselves. Files, folders and patterns are taken alike; a bad
file never ends a batch, but is listed with its reason at the end. Exit codes, where a command says nothing else: 0 all
done, 1 some inputs failed, 2 wrong usage. `VOCOS_PLUGINS_DISABLE=nemo,coqui` leaves plugins out.

"""


def page() -> str:
    """The whole page: the commands by their names, each with its help."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="vocos")
    overview, *commands = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    usage = overview.split("\n\n", 1)[1].split("**Commands**")[0]  # its list cuts sentences short
    names = [re.match(r"## `(.*)`", section)[1] for section in commands]
    lines = [
        f"- [`{name}`](#{name.replace(' ', '-')}): {section.split(chr(10))[2]}"
        for name, section in zip(names, commands, strict=True)
    ]
    return HEAD + usage + "**Commands**:\n\n" + "\n".join(lines) + "\n\n" + "".join(commands).rstrip("\n") + "\n"


if __name__ == "__main__":
    sys.exit(main("cli.md", page, __doc__))
