"""Draw a series of values, over time or against another figure, as a Vega-Lite spec by altair."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import altair as alt

from darkroom.chart_theme import CROSS, theme_by_css
from darkroom.chart_words import Range

HEIGHT = 220
MINUTE = 60_000  # in the milliseconds of Vega's times
# at midnight, the day as well
HOURS = "utcFormat(datum.value, '%H:%M') == '00:00' ? ['00:00', utcFormat(datum.value, '%d %b')] : "
HOURS += "utcFormat(datum.value, '%H:%M')"

Row = dict[str, Any]


@dataclass
class Chart:
    """A chart: its heading, what is to be known when reading it, its figures in words, and its spec, Vega-Lite.

    The spec has its data in ``datasets``, and neither colours nor config: see `chart_theme`. ``group`` is the heading
    that it stands under, with others; nothing where there are no others.
    """

    id: str
    title: str
    caption: str
    alt: str
    spec: dict[str, Any]
    group: str = ""


@dataclass
class Series:
    """What to draw of the rows of a dataset: the field ``value``, and ``error`` and why it is odd, where it has them.

    A row is odd if it has a text in the field ``<value>_odd``. ``series`` is the field that tells colour and symbol,
    ``labels`` all its values in order, so that they look the same in each chart of a night, and ``used`` those of this
    one; ``legend`` is the heading of these, and without one there is no legend. ``tooltip`` are fields and their
    titles; ``reference`` is where to draw a rule.
    """

    dataset: str
    value: str
    title: str
    range: Range
    series: str
    labels: list[str]
    used: list[str]
    tooltip: dict[str, str]
    format: str = ",.5~g"
    error: str = ""
    reference: float | None = None
    legend: str = ""


def draw_series(series: Series, x: alt.X, words: str) -> dict[str, Any]:
    """Return the spec of a series without its data: points, rings and crosses for what is odd, bars for errors."""
    value = series.value
    scale = _make_scale(series.range)
    axis = alt.Axis(format=series.format, **_list_ticks(series.range))
    y = alt.Y(f"{value}:Q", title=series.title, scale=scale, axis=axis)
    kinds = alt.Scale(domain=series.labels)
    room = 30 + 7 * max(map(len, series.used), default=0)  # for the longest of the names beside each other
    columns = alt.ExprRef(f"max(1, min({len(series.used)}, floor(width / {room})))")
    legend = alt.Legend(title=series.legend, columns=columns, values=series.used) if series.legend else None
    color = alt.Color(f"{series.series}:N", scale=kinds, legend=legend)
    shape = alt.Shape(f"{series.series}:N", scale=kinds, legend=legend)
    tips = [_make_tip(series, name, title) for name, title in series.tooltip.items()]
    why = [*tips, alt.Tooltip(f"{value}_odd:N", title="stands out")]
    plain = alt.Chart().transform_filter(f"isValid(datum.{value}) && !isValid(datum.{value}_odd)")
    odd = alt.Chart().transform_filter(f"isValid(datum.{value}) && isValid(datum.{value}_odd)")
    layers: list[Any] = []
    if series.reference is not None:
        layers.append(alt.Chart().mark_rule(style="reference", aria=False).encode(y=alt.datum(series.reference)))
    if series.error:
        layers.append(_draw_errors(series, x, alt.Y("low:Q", title=series.title, scale=scale, axis=axis), color))
    layers += [
        plain.mark_point(style="series", filled=True, aria=False).encode(x, y, color, shape, tooltip=tips),
        odd.mark_point(style="odd-cross", filled=False, shape=CROSS, aria=False).encode(x, y, color, tooltip=why),
        odd.mark_point(style="odd-ring", filled=False, shape="circle", aria=False).encode(x, y, tooltip=why),
    ]
    chart = alt.layer(*layers, data=alt.NamedData(series.dataset), width="container", height=HEIGHT, description=words)
    return chart.to_dict(validate=False) | {"config": theme_by_css()}


def make_time_axis(times: list[int]) -> alt.X:
    """Return the axis of times in milliseconds since 1970, in UTC, which names the days that it covers."""
    first, last = min(times), max(times)
    margin = max(5 * MINUTE, (last - first) // 50)
    days = list(dict.fromkeys(f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d}" for time in (first, last)))
    return alt.X(
        "time:T",
        title=f"Time (UTC), {' to '.join(days)}",
        scale=alt.Scale(type="utc", domain=alt.ExprRef(f"[{first - margin}, {last + margin}]")),
        axis=alt.Axis(labelExpr=HOURS, labelFlush=False, tickCount=alt.ExprRef("max(3, floor(width / 70))")),
    )


def make_number_axis(name: str, title: str, values: list[float]) -> alt.X:
    """Return the axis of a plain number."""
    low, high = min(values), max(values)
    margin = 0.04 * (high - low) or 1.0
    axis = alt.Axis(format=",.5~g", tickMinStep=1, tickCount=alt.ExprRef("max(3, floor(width / 70))"))
    return alt.X(f"{name}:Q", title=title, scale=alt.Scale(domain=[low - margin, high + margin]), axis=axis)


def _draw_errors(series: Series, x: alt.X, low: alt.Y, color: alt.Color) -> alt.Chart:
    """Return bars of one standard error up and down."""
    value, error = series.value, series.error
    chart = alt.Chart().transform_filter(f"isValid(datum.{value}) && isValid(datum.{error})")
    chart = chart.transform_calculate(low=f"datum.{value} - datum.{error}", high=f"datum.{value} + datum.{error}")
    if series.range.type == "log":  # of which there is nothing below zero
        chart = chart.transform_filter("datum.low > 0")
    return chart.mark_rule(style="error", aria=False, clip=True).encode(x, low, color, y2="high:Q")


def _make_tip(series: Series, name: str, title: str) -> alt.Tooltip:
    if name == series.value or name == series.error:
        return alt.Tooltip(f"{name}:Q", title=title, format=series.format)
    return alt.Tooltip(f"{name}:N", title=title)


def _make_scale(found: Range) -> alt.Scale:
    more: dict[str, Any] = {"constant": found.constant} if found.type == "symlog" else {}
    if found.type != "log":  # which has no zero, as Vega says aloud
        more["zero"] = False
    nice = found.type == "linear"
    return alt.Scale(type=found.type, domain=list(found.domain), nice=nice, **more)


def _list_ticks(found: Range) -> dict[str, Any]:
    return {} if found.ticks is None else {"values": found.ticks}
