"""Charts of a night: what its frames were like, over time, and the histograms of its masters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import Any

import altair as alt

from darkroom.chart_rows import (
    FLATS,
    LIGHTS,
    TEMPERATURE,
    Figure,
    Row,
    choose_timed,
    describe_light,
    describe_raw,
    find_products,
)
from darkroom.chart_series import Chart, Series, draw_series, make_number_axis, make_time_axis
from darkroom.chart_theme import theme_by_css
from darkroom.chart_words import choose_range, name_series, name_unit, read_number, say_figure, shorten
from darkroom.report_model import MasterShown, Night

NAMED = 5  # odd frames in the words
MOST_SERIES = 6  # with a median of their own in the words


def list_charts(night: Night) -> list[Chart]:
    """Return the charts of a night, those of each setup under its name; what has no data is left out.

    Each point has the names ``raw`` of its frame, and ``path`` of the light that was made of it, or of the master that
    it went into (below results; empty if there is none). The data of a setup's lights are one dataset, which their
    charts share: see `share_datasets`.
    """
    flats = [raw for raw in night.raws if raw.kind == "flat"]
    filters = name_series([*(one.filter for one in night.lights), *(one.filter for one in flats)], "no filter")
    kinds = name_series((one.kind for one in night.raws), "unknown kind")
    setups = sorted({one.setup for one in night.lights if one.path} | {one.setup for one in night.raws if one.setup})
    names = name_series(setups)
    paths = find_products(night)
    odd = {light.raw: light.odd for light in night.lights}
    labels = list(filters.values())
    charts: list[Chart] = []
    for number, setup in enumerate(setups, 1):
        suffix = f"-{number}" if len(setups) > 1 else ""
        lights = [light for light in night.lights if light.setup == setup and light.path]
        units = sorted({light.unit for light in lights})
        found: list[Chart | None] = []
        for part, unit in enumerate(units, 1):
            own = suffix if len(units) == 1 else f"{suffix}-{part}"
            rows = [describe_light(light, filters) for light in lights if light.unit == unit]
            for figure in LIGHTS:
                of = name_unit(unit) if figure.name == "sky" else ""
                found.append(_draw(figure, rows, f"lights{own}", own, "filter", labels, of))
        raws = [raw for raw in night.raws if raw.setup == setup]
        rows = [describe_raw(raw, filters, kinds, paths, odd.get(raw.name, {})) for raw in raws]
        found.append(_draw(TEMPERATURE, rows, f"raws{suffix}", suffix, "kind", list(kinds.values())))
        rows = [row for raw, row in zip(raws, rows, strict=True) if raw.kind == "flat"]
        found.append(_draw(FLATS, rows, f"flats{suffix}", suffix, "filter", labels))
        for chart in filter(None, found):
            chart.group = names[setup] if len(setups) > 1 else ""
            charts.append(chart)
    return charts


def share_datasets(charts: Iterable[Chart]) -> tuple[dict[str, list[Row]], list[dict[str, Any]]]:
    """Return all datasets of some charts by name, and their specs without them.

    ``spec["data"]["name"]`` says which dataset a chart draws; give the view ``{"datasets": {name: rows}}`` of it.
    Vega writes into what it is given, so that each view needs a copy of its own (``structuredClone``).
    """
    datasets: dict[str, list[Row]] = {}
    specs = []
    for chart in charts:
        datasets |= chart.spec["datasets"]
        specs.append({key: value for key, value in chart.spec.items() if key != "datasets"})
    return datasets, specs


def draw_histogram(master: MasterShown) -> Chart | None:
    """Return the histogram of a master's pixels, small, its counts on a logarithmic scale; None without one."""
    edges, counts = master.histogram.get("edges", []), master.histogram.get("counts", [])
    ends = [read_number(edge) for edge in edges]
    bars: list[Row] = [
        {"low": low, "high": high, "count": int(count)}
        for low, high, count in zip(ends, ends[1:], (read_number(count) for count in counts), strict=False)
        if low is not None and high is not None and count and count > 0
    ]
    if not bars:
        return None
    unit = name_unit(master.unit)
    middle, most = read_number(master.statistics.get("median")), max(bars, key=lambda bar: bar["count"])
    low, high, pixels = bars[0]["low"], bars[-1]["high"], sum(bar["count"] for bar in bars)
    words = (
        f"Histogram of {pixels:,} pixels of {shorten(master.path.rsplit('/', 1)[-1])}, from {say_figure(low, '')} to "
        f"{say_figure(high, unit)}, most of them from {say_figure(most['low'], '')} to {say_figure(most['high'], unit)}"
        + (f"; median {say_figure(middle, unit)}" if middle is not None else "")
    )
    ends_of_counts = alt.Scale(type="log", domain=[0.5, 2.0 * most["count"]], nice=False)
    ticks = [10**power for power in range(0, 12, 1 if most["count"] < 10_000 else 2) if 10**power <= most["count"]]
    x = alt.X("low:Q", title=unit or "pixel value",
              axis=alt.Axis(format=",.5~g", tickCount=4, labelOverlap="greedy", labelSeparation=8),
              scale=alt.Scale(domain=[low, high] if low < high else alt.Undefined, nice=False))  # fmt: skip
    y = alt.Y("count:Q", title="pixels", scale=ends_of_counts, axis=alt.Axis(values=ticks, format="~s"))
    tips = [alt.Tooltip("low:Q", title="from", format=",.5~g"), alt.Tooltip("high:Q", title="to", format=",.5~g"),
            alt.Tooltip("count:Q", title="pixels", format=",")]  # fmt: skip
    chart: alt.LayerChart | alt.Chart = (
        alt.Chart(alt.NamedData("histogram"))
        .mark_bar(style="histogram", aria=False, binSpacing=0)
        .encode(x=x, x2="high:Q", y=y, y2=alt.Y2Datum(0.5), tooltip=tips)
    )
    if middle is not None and low <= middle <= high:
        chart += alt.Chart(alt.NamedData("histogram")).mark_rule(style="reference", aria=False).encode(
            x=alt.datum(middle)
        )  # fmt: skip
    spec = chart.properties(width="container", height=90, description=words).to_dict(validate=False)
    return Chart("histogram", "Histogram", "The counts are on a logarithmic scale.", words,
                 spec | {"datasets": {"histogram": bars}, "config": theme_by_css()})  # fmt: skip


def _draw(
    figure: Figure, rows: list[Row], dataset: str, suffix: str, series: str, labels: list[str], unit: str = ""
) -> Chart | None:
    """Return the chart of a figure over time, or over the frames' order if none has a time; None without a value."""
    shown = [row for row in rows if figure.name in row]
    if not shown:
        return None
    drawn = choose_timed(shown)
    x = make_time_axis([row["time"] for row in drawn]) if drawn else _number_frames(rows)
    drawn = drawn or shown
    unit = figure.unit or unit
    axis = figure.axis + (f" ({unit})" if unit not in ("", "%") else "")
    values = [float(row[figure.name]) for row in drawn]
    found = choose_range(values, figure.floor, figure.reference)
    used = [label for label in labels if any(row[series] == label for row in drawn)]
    tooltip = {"name": "frame", "start": "start (UTC)", series: series, "exposure": "exposure (s)", figure.name: axis}
    words = _describe(figure, drawn, series, used, unit)
    form = ".3~%" if unit == "%" else ",.5~g"
    spec = draw_series(
        Series(
            dataset,
            figure.name,
            axis,
            found,
            series,
            labels,
            used,
            tooltip,
            form,
            "",
            figure.reference,
            series.capitalize(),
        ),
        x,
        words,
    )
    odd, lost = any(f"{figure.name}_odd" in row for row in drawn), len(shown) - len(drawn)
    caption = [figure.caption, figure.ring if odd else "", found.remark,
               f"{lost} more cannot be placed in time." if lost else ""]  # fmt: skip
    spec["datasets"] = {dataset: rows}
    return Chart(f"{figure.name}{suffix}", figure.title, " ".join(filter(None, caption)), words, spec)


def _number_frames(rows: list[Row]) -> alt.X:
    """Return the axis of frames without a time, in their order."""
    for number, row in enumerate(rows, 1):
        row["number"] = number
    return make_number_axis("number", "Frame (none has a time)", [1.0, float(len(rows))])


def _describe(figure: Figure, rows: list[Row], series: str, labels: list[str], unit: str) -> str:
    """Return the figures of a chart in words."""
    times = sorted(row["start"] for row in rows if "start" in row)
    when = f" from {times[0][11:16]} to {times[-1][11:16]} UTC" if times else ""
    values: list[float] = [row[figure.name] for row in rows]
    low, high = (say_figure(end, unit if unit == "%" else "") for end in (min(values), max(values)))
    words = f"{figure.axis} of {len(rows)} {figure.frames}{when}: median {say_figure(median(values), unit)}"
    parts: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        parts[row[series]].append(row[figure.name])
    if 1 < len(labels) <= MOST_SERIES:
        each = (f"{say_figure(median(parts[label]), unit)} of {label}" for label in labels)
        words += f" ({', '.join(each)})"
    words += f", from {low} to {high}"
    odd = [row["name"] for row in rows if f"{figure.name}_odd" in row]
    more = f" and {len(odd) - NAMED} more" if len(odd) > NAMED else ""
    return words + (f"; odd: {', '.join(odd[:NAMED])}{more}" if odd else "")
