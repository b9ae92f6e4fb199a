"""A report as Markdown. ``?`` marks figures that were measured while other programs used the processors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .grid import Case, Measurement
from .report import Report, threads
from .roofline import Limits, Roofline

LOADED = (
    "**Other programs used the processors while the figures marked with ? were measured. "
    "Measure again on an idle machine.**"
)


def markdown(report: Report) -> str:
    """Returns the whole report as Markdown."""
    return f"{machine_line(report.machine)}\n\n{model_tables(report)}\n"


def model_tables(report: Report) -> str:
    """Returns the report without the line about the machine."""
    parts = [f"{report.model}, {report.parameters / 1e6:.1f} M parameters."]
    disturbed = [row.timing.disturbed for row in report.rows]
    disturbed += [roofline.disturbed for roofline in report.rooflines]
    if any(disturbed) or any(call.disturbed for call in report.first_calls):
        parts.append(LOADED)
    if report.choice:
        parts.append(f"The precision `auto` is {report.choice}.")
    parts += [f"Not measured: {name}: {reason}." for name, reason in report.absent.items()]
    parts.append(speed_tables(report.rows))
    parts += ["Where the time goes in one item, and this machine's limits:", limits_line(report.limits)]
    parts.append(stage_table(report.rooflines))
    parts += [operators_line(roofline) for roofline in report.rooflines]
    if report.first_calls:
        parts.append(first_call_table(report))
    return "\n\n".join(parts)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table with the first column aligned left and the others aligned right."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine_line(machine: dict[str, str]) -> str:
    """Returns the processor and versions in one line."""
    versions = ", ".join(f"{name} {machine[name]}" for name in ("python", "torch", "vocos-plugins"))
    return f"{machine['processor']}, {machine['cores']} cores; {versions}."


def speed_tables(rows: Sequence[Measurement]) -> str:
    """Returns a table for each number of threads: real-time factors, and speed relative to the first contestant."""
    parts = []
    for n_threads in dict.fromkeys(row.n_threads for row in rows):
        own = [row for row in rows if row.n_threads == n_threads]
        base = own[0].contestant
        parts.append(f"Real-time factor with {threads(n_threads)}, and times as fast as {base}:")
        parts.append(_speed_table(own, base))
    return "\n\n".join(parts)


def ratio(rows: Iterable[Measurement], contestant: str, base: str, case: Case) -> tuple[float, bool]:
    """Returns how many times as fast a contestant is as the base in a case, and whether either was disturbed."""
    timings = {row.contestant: row.timing for row in rows if row.case == case}
    own, reference = timings[contestant], timings[base]
    return reference.seconds / own.seconds, own.disturbed or reference.disturbed


def stage_table(rooflines: Sequence[Roofline]) -> str:
    """Returns a table of each precision's stages next to the machine's limits."""
    header = ("torch, precision, stage", "ms", "of the time", "MFLOP", "MB", "at the peak, ms", "share of the peak")
    lines = []
    for roofline in rooflines:
        for name, stage in roofline.stages.items():
            if not stage.seconds:
                continue  # the model has no such stage
            share = stage.seconds / roofline.seconds
            lines.append(
                [
                    f"{roofline.precision}, {name}",
                    f"{1e3 * stage.seconds:.2f}",
                    f"{share:.0%}",
                    f"{stage.flops / 1e6:.0f}",
                    f"{stage.bytes / 1e6:.1f}",
                    f"{1e3 * stage.product_seconds:.2f}",
                    f"{stage.product_seconds / stage.seconds:.0%}" if stage.flops else "",
                ]
            )
        flops, moved = (sum(getattr(s, what) for s in roofline.stages.values()) for what in ("flops", "bytes"))
        products = roofline.peak_share * roofline.seconds
        mark = "?" if roofline.disturbed else ""
        lines.append(
            [
                f"**{roofline.precision}, {roofline.audio_seconds:g} s**",
                f"{1e3 * roofline.seconds:.2f}{mark}",
                "100%",
                f"{flops / 1e6:.0f}",
                f"{moved / 1e6:.1f}",
                f"{1e3 * products:.2f}",
                f"{roofline.peak_share:.0%}{mark}",
            ]
        )
    return table(header, lines)


def limits_line(limits: Limits) -> str:
    """Returns the peaks of matrix products and memory in a sentence."""
    peaks = ", ".join(f"{rate / 1e9:.0f} GFLOP/s in {precision}" for precision, rate in limits.peaks.items())
    return f"Matrix products reach {peaks}; copies {limits.bandwidth / 1e9:.0f} GB/s, read and written."


def operators_line(roofline: Roofline) -> str:
    """Returns the result of torch's profiler in a sentence."""
    shares = ", ".join(f"`{name}` {share:.0%}" for name, share in roofline.operators.items() if share >= 0.01)
    return f"torch's profiler, {roofline.precision}: {shares}."


def first_call_table(report: Report) -> str:
    """Returns a table of first calls and later ones in fresh processes."""
    lines = []
    for call in report.first_calls:
        figures = (1e3 * call.first, 1e3 * call.steady, call.first / call.steady)
        cells = [f"{figure:.1f}{'?' if call.disturbed else ''}" for figure in figures]
        lines.append([call.contestant, f"{call.audio_seconds:g} s", *cells])
    return "The first decode after loading:\n\n" + table(("", "audio", "first, ms", "later, ms", "ratio"), lines)


def _speed_table(rows: Sequence[Measurement], base: str) -> str:
    cases = list(dict.fromkeys(row.case for row in rows))
    lines = []
    for name in dict.fromkeys(row.contestant for row in rows):
        cells = []
        for case in cases:
            row = next(row for row in rows if row.contestant == name and row.case == case)
            times, disturbed = ratio(rows, name, base, case)
            cells.append(f"{row.real_time_factor:.4f} ({times:.2f}){'?' if disturbed else ''}")
        lines.append([name, *cells])
    return table(("", *(case.name for case in cases)), lines)
