"""The code of adapters/vocos_reference/README.md runs as printed, from top to bottom, in an environment of its own."""

from __future__ import annotations

import shlex

from vocos_reference.activation import FILE

from helpers.paths import ROOT

README = ROOT / "adapters" / "vocos_reference" / "README.md"
PROGRAM = "import sys, vocos\nprint(vocos.Vocos.__module__, sys.argv[1:])\n"
OURS = "vocos_reference.pretrained"


def test_readme(markdown, make_environment) -> None:
    """Each way makes programs import this package, and the last command undoes the first."""
    environment = make_environment()
    (environment.home / "my_program.py").write_text(PROGRAM)
    outputs = []
    for block in markdown.blocks(README.read_text()):
        if block.why is not None:
            continue
        if block.language == "python":
            outputs.append(environment.run("-c", block.text, VOCOS_PLUGINS_DISABLE="vocos").stdout)
            continue
        for line in block.text.splitlines():
            program, *arguments = shlex.split(line)
            command = ["-m", "vocos_plugins", *arguments] if program == "vocos" else arguments
            outputs.append(environment.run(*command).stdout)
            if arguments == ["enable", "vocos"]:
                assert OURS in environment.run("my_program.py").stdout
    wrote, ran, installed, removed = outputs
    assert wrote.startswith("wrote")
    assert ran.strip() == f"{OURS} ['--its', 'arguments']"
    assert installed.strip() == OURS
    assert removed.startswith("removed")
    assert not (environment.site_packages / FILE).exists()
