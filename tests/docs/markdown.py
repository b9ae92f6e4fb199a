"""Code in Markdown pages, and how tests run it. In tests it is the fixture `markdown`.

A page is one session in one folder. Its blocks run from top to bottom: ``python`` in one namespace, ``sh`` by bash,
``console`` by bash, command by command, whose output must be what stands below each. ``text`` right after ``python`` is
what that prints. A line ``...`` stands for any lines, ``...`` in a line for any characters. ``<!-- not run: why -->``
above a block exempts it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from helpers.paths import ROOT
from vocos_plugins.apps.cli import app
from vocos_plugins.mel import MelMismatchWarning

BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]+) -->\n)?```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
INDENTED = re.compile(r"^ {4}(\S.*)$", re.MULTILINE)
RUN = ("python", "sh", "console")
PATIENCE_S = 300


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text and line, and why it is not run, if it isn't."""

    language: str
    text: str
    line: int
    why: str | None


def pages() -> dict[str, Path]:
    """Every page that users read, by its path in the repository."""
    patterns = ("*.md", "docs/**/*.md", "adapters/*/README.md", "recipes/*/README.md")
    found = (path for pattern in patterns for path in ROOT.glob(pattern))
    return {path.relative_to(ROOT).as_posix(): path for path in sorted(found)}


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [
        Block(
            language=match["language"],
            text=match["text"],
            line=text[: match.start("text")].count("\n"),
            why=match["why"],
        )
        for match in BLOCK.finditer(text)
    ]


def command_lines(text: str) -> list[str]:
    """Shell commands in blocks and in indented lines, one a line, without comments."""
    fenced = [block for block in blocks(text) if block.language in ("sh", "console")]
    lines = INDENTED.findall(re.sub(r" *\\\n *", " ", BLOCK.sub("", text)))
    for block in fenced:
        joined = block.text.replace("\\\n", " ").splitlines()
        lines += [line.removeprefix("$ ") for line in joined if block.language == "sh" or line.startswith("$ ")]
    return [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]


def run(page: Path, folder: Path, names: dict[str, object] | None = None, **variables: str) -> dict[str, object]:
    """Runs a page's blocks.

    Args:
        page: its file.
        folder: the working directory, also of this process.
        names: what Python's namespace holds at first.
        variables: of the environment of shell commands, beside this process's.

    Returns:
        Python's namespace.
    """
    names = {"__name__": "__main__"} if names is None else names
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MelMismatchWarning)  # pages speak of losses, and take them
        run_blocks(page, folder, names, variables)
    return names


def run_blocks(page: Path, folder: Path, names: dict[str, object], variables: Mapping[str, str]) -> None:
    """What `run` does, in the namespace that is given."""
    printed = ""
    for block in blocks(page.read_text(encoding="utf-8")):
        where = f"{page.name}, line {block.line}"
        if block.why is not None:
            printed = ""
        elif block.language == "python":
            printed = run_python(block, str(page), names)
        elif block.language == "text" and printed:
            check_output(printed, block.text, where)
            printed = ""
        elif block.language == "sh":
            status, output = run_shell(block.text, folder, variables)
            assert status == 0, f"{where}: {output}"
        elif block.language == "console":
            for command, expected in commands(block.text):
                check_output(run_shell(command, folder, variables)[1], expected, f"{where}: {command}")


def run_python(block: Block, page: str, names: dict[str, object]) -> str:
    """Runs one block; gives what it prints. A traceback has the page's own lines."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile("\n" * block.line + block.text, page, "exec"), names)  # noqa: S102
    return output.getvalue()


def run_shell(text: str, folder: Path, variables: Mapping[str, str], patience_s: float = PATIENCE_S) -> tuple[int, str]:
    """Runs lines by bash, with this environment's commands first, offline; gives the exit status and the output.

    A line of ``vocos`` alone runs in this process: importing torch anew takes longer than most of them do.
    """
    if re.fullmatch(r"vocos [^|&;<>$\n]+\n?", text) and not variables:
        result = CliRunner().invoke(app, shlex.split(text)[1:], env={"COLUMNS": "80"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "80",
        **variables,
    }
    done = subprocess.run(
        [shutil.which("bash") or "sh", "-eo", "pipefail", "-c", text],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=patience_s,
        check=False,
    )
    return done.returncode, done.stdout


def commands(text: str) -> Iterable[tuple[str, str]]:
    """The commands of a ``console`` block, each with the output below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def check_output(found: str, expected: str, where: str) -> None:
    """Line by line; widths of columns don't count, nor do empty lines around all."""
    lines, shown = _lines(expected), "\n".join(_lines(found))
    any_text = [r"(?:.*\n)*?.*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") for line in lines]
    pattern = "\n".join(any_text)
    assert re.fullmatch(pattern, shown), f"{where} gives\n{found}\nnot\n{expected}"


def _lines(text: str) -> list[str]:
    return [re.sub(" {2,}", "  ", line.rstrip()) for line in text.strip().splitlines()]
