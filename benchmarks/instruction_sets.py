"""Measures decoding with less and less of this processor: how fast the default is on others.

    python benchmarks/instruction_sets.py        # ten minutes on two quiet cores
    python benchmarks/instruction_sets.py --quick

oneDNN and torch are limited to the instructions that older processors have, each in a fresh process: the choices and
the code paths are those of such a processor, the speed of its cores and memory is not. Figures are times as fast as the
package ``vocos`` 0.1.0 of the same size, which takes turns with ours; the package has no refinement passes, the small
model has. The last column is the time of 8 items of 1 s in one batch over that of one item of 8 s.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from speed import BUNDLED, PAPER

from vocos_plugins import Vocos
from vocos_plugins.apps.bench.alone import in_fresh_process
from vocos_plugins.apps.bench.contestants import REFERENCE, Contestant, Source, auto_choice, build, make_features
from vocos_plugins.apps.bench.grid import Case
from vocos_plugins.apps.bench.report import this_machine
from vocos_plugins.apps.bench.tables import machine_line, table
from vocos_plugins.apps.bench.timing import Timing, measure

LIMITS: Mapping[str, Mapping[str, str]] = {
    "all": {},
    "AVX-512, bfloat16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"},
    "AVX-512, VNNI": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"},
    "AVX-512": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
}
CASES = (Case(1, 1), Case(1, 10), Case(1, 60), Case(8, 1))
LONG_ITEM = Case(1, 8)  # as much audio as the last of the cases
PACKAGE = "package"
CONTESTANTS = {"default": Contestant("torch", "auto"), "float32": Contestant("torch", "float32")}


def compare(source: Source, cases: tuple[Case, ...]) -> dict[Case, dict[str, Timing]]:
    """Measures every case in this process."""
    vocos = Vocos.from_pretrained(source) if isinstance(source, str) else Vocos(source)
    plain = vocos.config
    if getattr(plain.head, "refinement_steps", 0):
        plain = dataclasses.replace(plain, head=dataclasses.replace(plain.head, refinement_steps=0))
    calls = {PACKAGE: build(Contestant(REFERENCE), dataclasses.replace(plain, postfilter=None))}
    calls |= {name: build(contestant, source) for name, contestant in CONTESTANTS.items()}
    times = {}
    for case in (*cases, LONG_ITEM):
        features = make_features(vocos, case.batch, case.seconds)
        times[case] = measure({name: functools.partial(call, features) for name, call in calls.items()})
    return times


@contextmanager
def limited(limits: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables for processes that start within."""
    os.environ.update(limits)
    try:
        yield
    finally:
        for name in limits:
            del os.environ[name]


def row(model: str, limit: str, source: Source, cases: tuple[Case, ...], n_threads: int) -> list[str]:
    """Measures a model under a limit: a row of the table."""
    with limited(LIMITS[limit]):
        chosen = in_fresh_process(n_threads, auto_choice, source).split(";")[0]
        times = in_fresh_process(n_threads, compare, source, cases)
    cells = [model, limit, chosen]
    for case in cases:
        package = times[case][PACKAGE]
        ratios = (shown(package, times[case][name]) for name in CONTESTANTS)
        cells.append(" / ".join(ratios))
    return [*cells, shown(times[cases[-1]]["default"], times[LONG_ITEM]["default"])]


def shown(longer: Timing, shorter: Timing) -> str:
    """Returns a ratio of times, marked if other work disturbed one of them."""
    return f"{longer.seconds / shorter.seconds:.2f}{'?' if longer.disturbed or shorter.disturbed else ''}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="skip items of one minute")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    cases = tuple(case for case in CASES if not args.quick or case.seconds < 60)
    print(machine_line(this_machine()), end="\n\n")
    header = [
        "model",
        "instructions",
        "default",
        *(case.name for case in cases),
        f"{cases[-1].name} : {LONG_ITEM.name}",
    ]
    models: dict[str, Source] = {"13.5 M": PAPER, "small": BUNDLED}
    rows = [row(name, limit, source, cases, args.threads) for name, source in models.items() for limit in LIMITS]
    print(table(header, rows))


if __name__ == "__main__":
    main()
