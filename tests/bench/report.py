"""The outcome: a table on the screen, the same as CSV, each run as CSV, and a plot."""

import csv
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from tests.bench.competitors import DARKROOM, FLOOR
from tests.bench.timed import Measurement

# By how a competitor's name begins: Darkroom's in the light of its safelamp.
COLOURS = {f"{DARKROOM} ": "#e39a84", DARKROOM: "#c0392b", FLOOR: "#d5dbe0", "": "#8fa8bd"}
Runs = Mapping[str, Sequence[Measurement]]


@dataclass(frozen=True)
class Row:
    """One competitor: its wall times in s, and Darkroom's median over its own (below one, Darkroom is faster).

    ``ratios`` has one for Darkroom as it is, and one for each overlay of its settings.
    """

    competitor: str
    runs: int
    min_s: float
    median_s: float
    max_s: float
    processor_s: float  # median, all cores together
    largest_process_mb: float
    ratios: dict[str, float]


def summarise_runs(runs: Runs) -> list[Row]:
    """Return a row for each competitor, Darkroom first, in the order in which they ran."""
    ours = {name: median(run.seconds for run in runs[name]) for name in runs if name.split()[0] == DARKROOM}
    rows = []
    for name, measured in runs.items():
        seconds = [run.seconds for run in measured]
        processor, memory = median(run.processor for run in measured), max(run.memory for run in measured)
        middle = median(seconds)
        ratios = {own: taken / middle for own, taken in ours.items()}
        rows.append(Row(name, len(seconds), min(seconds), middle, max(seconds), processor, memory, ratios))
    return rows


def format_table(rows: Sequence[Row]) -> str:
    """Return the table for a screen."""
    ours = [name.removeprefix(f"{DARKROOM} ") for name in rows[0].ratios]
    titles, over = ("".join(f" {text:>9}" for text in texts) for texts in (ours, ["/ it"] * len(ours)))
    lines = [f"{'':24} {'min':>8} {'median':>8} {'max':>8} {'processor':>10} {'largest':>10}{titles}"]
    lines += [f"{'':24} {'s':>8} {'s':>8} {'s':>8} {'s':>10} {'process MB':>10}{over}"]
    for row in rows:
        line = f"{row.competitor:24} {row.min_s:8.2f} {row.median_s:8.2f} {row.max_s:8.2f} {row.processor_s:10.2f}"
        ratios = "".join(f" {ratio:9.2f}" for ratio in row.ratios.values())
        lines.append(f"{line} {row.largest_process_mb:10.0f}{ratios}")
    return "\n".join(lines)


def describe_machine() -> str:
    """Return one line on the machine and the libraries that were compared."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "astropy", "ccdproc", "snakemake"))
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"Darkroom {version('darkroom')} on {machine}; python {platform.python_version()}, {libraries}"


def write_tables(folder: Path, stem: str, rows: Sequence[Row], runs: Runs) -> list[Path]:
    """Write ``<stem>.csv``, a row for each competitor, and ``<stem>-runs.csv``, a row for each run."""
    folder.mkdir(parents=True, exist_ok=True)
    single = [
        {"competitor": name, "round": number, **asdict(run)}
        for name, measured in runs.items()
        for number, run in enumerate(measured, 1)
    ]
    summary = [
        {**asdict(row), **{f"{name}_ratio": ratio for name, ratio in row.ratios.items()}, "ratios": None}
        for row in rows
    ]
    for record in summary:
        del record["ratios"]
    paths = [folder / f"{stem}.csv", folder / f"{stem}-runs.csv"]
    for path, records in zip(paths, (summary, single), strict=True):
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, records[0])
            writer.writeheader()
            for record in records:
                writer.writerow({key: f"{x:.4g}" if isinstance(x, float) else x for key, x in record.items()})
    return paths


def draw_plot(path: Path, title: str, rows: Sequence[Row]) -> None:
    """Draw the medians as bars, with the range from the fastest to the slowest run, and their ratios in words."""
    from matplotlib.figure import Figure  # half a second, which the other parts need not wait for

    figure = Figure(figsize=(8, 1.1 + 0.42 * len(rows)), layout="constrained")
    axes = figure.subplots()
    longest = max(row.max_s for row in rows)
    for place, row in enumerate(rows):
        colour = next(colour for start, colour in COLOURS.items() if row.competitor.startswith(start))
        axes.barh(place, row.median_s, height=0.62, color=colour)
        axes.plot([row.min_s, row.max_s], [place, place], color="0.2", linewidth=1, marker="|", markersize=6)
        own = row.competitor.split()[0] == DARKROOM
        ratios = ", ".join(f"{name} {ratio:.2f} ×" for name, ratio in row.ratios.items())
        ratio = "" if own else f"   ({ratios})"
        text = f"{row.median_s:.1f} s{ratio}"
        weight = "bold" if own else "normal"
        plain = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # no grid behind the words
        axes.text(row.max_s + 0.015 * longest, place, text, va="center", color="0.2", fontweight=weight, bbox=plain)
    axes.set_yticks(range(len(rows)), [row.competitor for row in rows])
    axes.set_xlim(0, 1.4 * longest)
    axes.invert_yaxis()
    axes.set_xlabel("wall time from a cold start (s): median, fastest and slowest run", color="0.3")
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors="0.3")
    axes.spines[:].set_visible(False)
    figure.savefig(path, dpi=150)
