"""Measures all of the project's speed targets on this machine with one command.

    python benchmarks/speed.py --out docs/performance-tables.md    # up to ten minutes on two quiet cores
    python benchmarks/speed.py --quick                             # less than two

For a 13.5 M model with random weights, the paper's size, and for the bundled small one, it measures decoding next to
the package ``vocos`` 0.1.0 by length, precision and backend; where the time goes; the first call after loading; and
time and memory of long items. It also measures the toolkits' HiFi-GANs in their own pipelines (`toolkits`). Each part
runs in its own process, with as many CPUs as threads. ``?`` marks figures that other work on the machine disturbed. A
package that isn't installed is reported and skipped. The first table lists the targets with the measurements. JSON is
written next to the Markdown.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import side_by_side
import toolkits

from vocos_plugins import Vocos
from vocos_plugins.apps.bench.alone import in_fresh_process
from vocos_plugins.apps.bench.contestants import REFERENCE, Contestant, Source, list_contestants
from vocos_plugins.apps.bench.grid import Case, LongItem, long_item
from vocos_plugins.apps.bench.report import Plan, Report, bench, this_machine
from vocos_plugins.apps.bench.tables import machine_line, model_tables, ratio, table
from vocos_plugins.config import ISTFT, ConvNeXt, VocosConfig
from vocos_plugins.mel.known import VOCOS_24KHZ

BUNDLED = "vocos-mel-22khz-small"
PAPER = VocosConfig(
    features=VOCOS_24KHZ,
    backbone=ConvNeXt(dim=512, intermediate_dim=1536, num_layers=8),
    head=ISTFT(n_fft=1024, hop_length=256),
)
PEER, DEFAULT = Contestant(REFERENCE), Contestant("torch", "auto")
FASTER = {"float32": 1.2, "bfloat16": 1.9, "int8": 3.0}  # relative to the package, at any length
LONGER = {("v1", "vocos, 13.5 M"): 25, ("v1", "vocos small, 3.6 M"): 60, ("v2", "vocos small, 3.6 M"): 8}
MAX_FIRST, MAX_HOUR_MB, MAX_GROWTH = 3, 1000, 1.2

Judged = tuple[str, str, str, str]
Found = list[tuple[float, bool]]  # figures, and whether other work disturbed them


def models() -> dict[str, Source]:
    """Returns the models; the small one also without its refinement passes, which the package doesn't have."""
    small = Vocos.from_pretrained(BUNDLED).config
    found: dict[str, Source] = {"paper": PAPER, "small": BUNDLED}
    if isinstance(small.head, ISTFT) and small.head.refinement_steps:
        found["unrefined"] = dataclasses.replace(small, head=dataclasses.replace(small.head, refinement_steps=0))
    return found


def decoding(name: str, source: Source, args: argparse.Namespace) -> Report:
    in_full = not args.quick and name != "unrefined"
    contestants = [PEER, *list_contestants(["torch", "onnxruntime", "openvino"] if in_full else ["torch"])]
    lengths = (1, 10) if args.quick else (1, 10, 60)
    return bench(
        Plan(
            source=source,
            contestants=contestants,
            cases=[*(Case(1, seconds) for seconds in lengths), Case(8, 1)],
            n_threads=[args.threads],
            first_calls=[DEFAULT] if args.quick else [PEER, DEFAULT] if in_full else [],
        ),
        lambda step: tell(f"{name}: {step}"),
    )


def long_items(source: Source, args: argparse.Namespace) -> list[LongItem]:
    minutes = {DEFAULT: (1, 10) if args.quick else (1, 10, 60), PEER: () if args.quick else (1, 10)}
    found = []
    for contestant, lengths in minutes.items():
        for length in lengths:
            tell(f"{length} min by {contestant.name}")
            try:
                found.append(in_fresh_process(args.threads, long_item, contestant, source, 60 * length, args.threads))
            except (ImportError, ValueError) as error:
                tell(str(error))
    return found


def pipelines(args: argparse.Namespace) -> dict[str, side_by_side.Times]:
    """Returns the times by toolkit, without toolkits that aren't installed."""
    found = {}
    for toolkit, build in toolkits.VOCODERS.items():
        tell(f"HiFi-GAN in {toolkit}")
        names, cases = (*toolkits.RIVALS[toolkit], *toolkits.OURS), [Case(1, seconds) for seconds in (1, 3, 10)]
        try:
            found[toolkit] = in_fresh_process(
                args.threads, side_by_side.time_all, build, names, toolkits.mels, cases, args.threads
            )
        except ImportError as error:
            tell(f"not measured: {toolkit}: {error}")
    return found


def aims(
    reports: dict[str, Report], long: dict[str, list[LongItem]], times: dict[str, side_by_side.Times]
) -> list[Judged]:
    """Returns the rows of the table of targets: the required value, the measurements, and whether it is met."""
    lines = []
    for precision, asked in FASTER.items():
        rows = reports["paper"].rows
        own, present = f"torch {precision}", {row.contestant for row in rows}
        cases = [case for case in dict.fromkeys(row.case for row in rows) if case.batch == 1]
        found = [ratio(rows, own, PEER.name, case) for case in cases if {own, PEER.name} <= present]
        lines.append(at_least(f"{precision}, 13.5 M, batch 1: times as fast as {PEER.name}", asked, found))
    for (version, own), asked in LONGER.items():
        rivals = [(each, rival) for each in times for rival in toolkits.RIVALS[each] if rival.endswith(version)]
        for toolkit, rival in rivals:
            found = [quotient(timings, rival, own) for timings in times[toolkit].values()]
            lines.append(at_least(f"{own}: times as fast as {rival}", asked, found))
    for name, report in reports.items():
        calls = [call for call in report.first_calls if call.contestant == DEFAULT.name]
        if calls:
            first = [(call.first / call.steady, call.disturbed) for call in calls]
            lines.append(at_most(f"{name}: first call relative to later ones", MAX_FIRST, first))
    for name, items in long.items():
        ours = [item for item in items if item.contestant == DEFAULT.name]
        longest, shortest = ours[-1], ours[0]
        what = f"{name}: {longest.audio_seconds / 60:g} minutes"
        lines.append(at_most(f"{what}, memory of the process, MB", MAX_HOUR_MB, [(longest.peak / 1e6, False)]))
        growth = longest.seconds / longest.audio_seconds / (shortest.seconds / shortest.audio_seconds)
        lines.append(
            at_most(
                f"{what}, time per second relative to 1 minute",
                MAX_GROWTH,
                [(growth, longest.disturbed or shortest.disturbed)],
            )
        )
    return lines


def quotient(timings: dict[str, side_by_side.Timing], rival: str, own: str) -> tuple[float, bool]:
    return timings[rival].seconds / timings[own].seconds, timings[rival].disturbed or timings[own].disturbed


def at_least(what: str, asked: float, found: Found) -> Judged:
    return what, f"at least {asked:g}", shown(found), "yes" if found and min(found)[0] >= asked else "no"


def at_most(what: str, asked: float, found: Found) -> Judged:
    return what, f"at most {asked:g}", shown(found), "yes" if max(found)[0] <= asked else "no"


def shown(found: Found) -> str:
    return " / ".join(f"{value:.4g}{'?' if disturbed else ''}" for value, disturbed in found) or "not measured"


def long_table(items: Iterable[LongItem]) -> str:
    header = ("", "minutes", "s", "real-time factor", "memory before, MB", "at its peak, MB")
    lines = []
    for item in items:
        mark, factor = "?" if item.disturbed else "", item.seconds / item.audio_seconds
        figures = (f"{item.audio_seconds / 60:g}", f"{item.seconds:.1f}{mark}", f"{factor:.4f}{mark}")
        lines.append((item.contestant, *figures, f"{item.before / 1e6:.0f}", f"{item.peak / 1e6:.0f}"))
    return table(header, lines)


def pipeline_table(times: dict[str, side_by_side.Times]) -> str:
    lines = []
    for toolkit, found in times.items():
        for rival in toolkits.RIVALS[toolkit]:
            lines += [[f"{rival} / {own}", *side_by_side.ratios(found, rival, own)] for own in toolkits.OURS]
    cases = next(iter(times.values()), {})
    return table(("", *(case.name for case in cases)), lines)


def tell(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)


def write(path: Path, parts: Sequence[str], data: dict[str, object]) -> None:
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="skip items of 1 minute or more, other runtimes, and toolkits"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="also write the tables to a file, and JSON next to it")
    args = parser.parse_args()
    sources = models()
    reports: dict[str, Report] = {}
    long: dict[str, list[LongItem]] = {}
    parts: list[str] = []

    def show(*more: str) -> None:
        parts.extend(more)
        print("\n\n".join(more), end="\n\n", flush=True)

    for name, source in sources.items():
        reports[name] = decoding(name, source, args)
        show(f"## {name}", model_tables(reports[name]))
        if name != "unrefined":
            long[name] = long_items(source, args)
            show("Long items, each in its own process:", long_table(long[name]))
    times = {} if args.quick else pipelines(args)
    if times:
        show("## In the toolkits' pipelines", "HiFi-GAN's time divided by that of Vocos:", pipeline_table(times))
    judged = aims(reports, long, times)
    head = (
        f"{machine_line(this_machine())} `python benchmarks/speed.py{' --quick' * args.quick}`",
        table(("target", "required", "measured, by length", "met"), judged),
    )
    show(*head)
    parts = [*head, *parts[: -len(head)]]
    if args.out:
        data = {name: dataclasses.asdict(report) for name, report in reports.items()}
        data |= {"aims": judged, "long": {name: [dataclasses.asdict(i) for i in items] for name, items in long.items()}}
        data["toolkits"] = {
            toolkit: {
                case.name: {name: dataclasses.asdict(timing) for name, timing in timings.items()}
                for case, timings in found.items()
            }
            for toolkit, found in times.items()
        }
        write(args.out, parts, data)


if __name__ == "__main__":
    main()
