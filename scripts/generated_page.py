"""The command line of the scripts that write a page of docs/, or check that it is up to date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def main(name: str, make: Callable[[], str], description: str | None) -> int:
    """Runs the command line of such a script.

    Args:
        name: file name of the page in docs/.
        make: returns the page's text.
        description: text for ``--help``.

    Returns:
        the exit code: 1 if ``--check`` finds another text.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args().check
    page, text = DOCS / name, make()
    if not check:
        page.write_text(text, encoding="utf-8")
    elif not page.exists() or page.read_text(encoding="utf-8") != text:
        sys.stderr.write(f"docs/{name} is out of date: make pages\n")
        return 1
    return 0
