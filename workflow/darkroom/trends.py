"""Trends over nights: what detectors were measured to be, what masters were like, and what changed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import altair as alt

from darkroom.chart_series import Chart, Row, Series, draw_series, make_number_axis
from darkroom.chart_words import choose_range, name_series, name_unit, say_figure, shorten
from darkroom.trend_remarks import Step, find_change
from darkroom.trend_rows import MASTERS, MEASURED, Table, Trend, describe_master, describe_measurement, list_tables

DAY = 86_400_000  # in ms
TICKS = 8  # nights named on an axis, at most


@dataclass
class Trends:
    """What the page of all nights shows: charts (``group`` is their setup), tables, and what is worth a word."""

    charts: list[Chart] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def make_trends(certification: list[dict[str, Any]], detectors: list[dict[str, Any]]) -> Trends:
    """Return the trends over all nights, from rows as those of certification.csv and of detectors.csv.

    Numbers may be texts, as the csv module reads them. Each point has its ``night``, and the ``page`` of that night,
    relative to the results.
    """
    masters = [describe_master(row) for row in certification]
    measured = [describe_measurement(row) for row in detectors]
    names = name_series(row["setup"] for row in [*masters, *measured])
    trends = Trends(tables=list_tables(masters, measured))
    for number, (setup, shown) in enumerate(names.items(), 1):
        suffix = f"-{number}" if len(names) > 1 else ""
        own = [row for row in measured if row["setup"] == setup]
        for trend in MEASURED:
            rows = [row for row in own if row["quantity"] == trend.name]
            for part, unit in enumerate(sorted({row["unit"] for row in rows}), 1):
                of_unit = [row for row in rows if row["unit"] == unit]
                more = f"{suffix}-{unit}" if part > 1 else suffix
                _add(trends, trend, of_unit, f"{trend.name}{more}", more, shown, name_unit(unit))
        own = [row for row in masters if row["setup"] == setup]
        for trend in MASTERS:
            rows = [row for row in own if row["kind"] in trend.kinds]
            dataset = f"{'-'.join(trend.kinds)}{suffix}"
            _add(trends, trend, rows, dataset, suffix, shown, trend.unit)
    for chart in trends.charts:
        chart.group = chart.group if len(names) > 1 else ""
    nights = {row["night"] for row in [*masters, *measured]}
    if len(nights) == 1:
        trends.remarks.append(f"There is one night only, {shorten(nights.pop())}: trends need more of them.")
    elif not nights:
        trends.remarks.append("No night has been certified or measured yet.")
    return trends


def _add(trends: Trends, trend: Trend, rows: list[Row], dataset: str, suffix: str, setup: str, unit: str) -> None:
    """Add the chart of a figure, and what changed of it, if any row has it."""
    shown = [row for row in rows if trend.name in row and "time" in row and trend.against in ("", *row)]
    if not shown:
        return
    nights = sorted({row["time"] for row in shown})
    x = _make_axis(trend, shown, nights)
    axis = trend.axis + (f" ({unit})" if unit not in ("", "%") else "")
    labels = list(name_series(row[trend.series] for row in rows).values())
    used = [label for label in labels if any(row[trend.series] == label for row in shown)]
    tooltip = {"night": "night", "label": "of", trend.name: axis}
    tooltip |= {trend.error: "standard error"} if trend.error else {}
    tooltip |= {"temperature": "temperature (°C)"} if trend.against else {}
    told = {row["told"] for row in shown if "told" in row}
    reference = min(told) if len(told) == 1 else trend.reference
    floor = 0.0 if unit == "%" and reference is None else None
    found = choose_range(_list_ends(trend, shown), floor, reference)
    series = Series(
        dataset, trend.name, axis, found, trend.series, labels, used, tooltip,
        ".3~%" if unit == "%" else ",.5~g", trend.error, reference, trend.legend if len(labels) > 1 else "",
    )  # fmt: skip
    words = _describe(trend, shown, unit, setup)
    odd = any(f"{trend.name}_odd" in row for row in shown)
    caption = [trend.caption, "A cross in a ring: the master failed." if odd else "",
               "The dashed line is what headers or settings say." if len(told) == 1 else "", found.remark,
               "One night only: trends need more." if len(nights) == 1 else ""]  # fmt: skip
    spec = draw_series(series, x, words)
    spec["datasets"] = {dataset: rows}
    title = trend.title
    trends.charts.append(Chart(f"{trend.name}{suffix}", title, " ".join(filter(None, caption)), words, spec, setup))
    if trend.least is not None:
        trends.remarks += _list_changes(trend, shown, unit, setup)


def _list_changes(trend: Trend, rows: list[Row], unit: str, setup: str) -> list[str]:
    """Return a sentence for each series that changed for certain; masters that failed do not count."""
    series: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["time"]):
        if f"{trend.name}_odd" not in row:
            series[row["label"]].append(row)
    remarks = []
    for label, own in series.items():
        errors = [row.get(trend.error, 0.0) for row in own]
        change = find_change([row["night"] for row in own], [row[trend.name] for row in own], errors, trend.least or 0)
        what = f"{trend.title} of setup {setup}" + (f" ({label})" if len(series) > 1 else "")
        if isinstance(change, Step):
            remarks.append(
                f"{what} {_say_change(change.before, change.after)} since {change.night}: "
                f"{say_figure(change.before, '')} {unit} before (median of {change.nights_before} nights), "
                f"{say_figure(change.after, unit)} since ({change.nights_after} nights)."
            )
        elif change:
            remarks.append(
                f"{what} {_say_change(change.start, change.end)} little by little from {change.first} to "
                f"{change.last}: from {say_figure(change.start, '')} to {say_figure(change.end, unit)}."
            )
    return remarks


def _say_change(before: float, after: float) -> str:
    """Return "rose by 20 %"."""
    verb = "rose" if after > before else "fell"
    return f"{verb} by {say_figure(abs(after - before) / abs(before), '%', 2)}" if before else verb


def _make_axis(trend: Trend, rows: list[Row], nights: list[int]) -> alt.X:
    if trend.against:
        return make_number_axis(trend.against, "Temperature (°C)", [row[trend.against] for row in rows])
    margin = max(DAY // 2, (nights[-1] - nights[0]) // 40)
    step = -(-len(nights) // TICKS)
    return alt.X(
        "time:T",
        title="Night",
        scale=alt.Scale(type="utc", domain=alt.ExprRef(f"[{nights[0] - margin}, {nights[-1] + margin}]")),
        # as an expression, since Vega's interpreter, which a page needs, takes datetime(...) of a number for a year
        axis=alt.Axis(
            values=alt.ExprRef(str(nights[::step])),
            labelExpr="utcFormat(datum.value, '%Y-%m-%d')",
            labelOverlap="greedy",
        ),
    )


def _list_ends(trend: Trend, rows: list[Row]) -> list[float]:
    """Return the values, and the ends of their bars where these are no longer than the values themselves."""
    values = [float(row[trend.name]) for row in rows]
    spread = max(values) - min(values)
    for row in rows:
        error = row.get(trend.error, 0.0)
        if error < max(spread, 0.2 * abs(row[trend.name])):
            values += [row[trend.name] - error, row[trend.name] + error]
    return values


def _describe(trend: Trend, rows: list[Row], unit: str, setup: str) -> str:
    """Return the figures of a chart in words."""
    nights = sorted({row["night"] for row in rows})
    when = f"in {len(nights)} nights from {nights[0]} to {nights[-1]}" if len(nights) > 1 else f"on {nights[0]}"
    values = [row[trend.name] for row in rows]
    low, high = (say_figure(end, unit if unit == "%" else "") for end in (min(values), max(values)))
    text = f"{trend.title} of setup {setup} {when}: median {say_figure(median(values), unit)}, from {low} to {high}"
    if trend.against:
        ends = [row[trend.against] for row in rows]
        text += f", at temperatures from {say_figure(min(ends), '')} to {say_figure(max(ends), '°C')}"
    last = max(rows, key=lambda row: row["time"])
    odd = [f"{row['label']} of {row['night']}" for row in rows if f"{trend.name}_odd" in row]
    text += f"; last {say_figure(last[trend.name], unit)}" if len(nights) > 1 and not trend.against else ""
    return text + (f"; failed: {', '.join(odd[:5])}{' and more' if len(odd) > 5 else ''}" if odd else "")
