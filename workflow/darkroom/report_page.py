"""The pages people look at: what a night came to, and how its figures compare with those of other nights.

A page is one file that asks no host for anything: pictures are data URIs, Vega (from vl-convert) and DataTables (from
itables) lie in it, and its Content-Security-Policy lets nothing else run or load: scripts by their digests alone, and
Vega with its interpreter in place of ``eval``. What headers and file names hold is escaped by Jinja2, and in JSON.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from darkroom.chart_theme import write_chart_css
from darkroom.chart_words import shorten
from darkroom.charts import draw_histogram, list_charts, share_datasets
from darkroom.page_libraries import enclose_script, read_tables, read_tables_style, read_vega, write_policy
from darkroom.page_parts import (
    list_columns,
    list_filters,
    list_lights,
    list_masters,
    list_pairs,
    name_anchors,
    place_lights,
)
from darkroom.page_pictures import link_file
from darkroom.page_stacks import list_stacks, list_star_problems
from darkroom.page_verdict import judge_night
from darkroom.page_words import VERDICTS, count, is_number, write_number
from darkroom.plan_graph import describe_plan_in_words
from darkroom.plan_picture import draw_plan
from darkroom.report_model import Night
from darkroom.texts import make_printable
from darkroom.trend_rows import Table
from darkroom.trends import Trends

FOLDER = Path(__file__).resolve().parents[1] / "report"  # templates, style and script
SHORT = 90  # letters of a name
LONGEST = 2000  # letters of a text that a page shows; headers can hold books


def render_night(
    night: Night, recipe_digest: str = "", recipe: dict[str, Any] | None = None, kept: Path | None = None
) -> str:
    """Return the page of a night, as HTML.

    Parameters
    ----------
    night : Night
        What it shows.
    recipe_digest : str
        The stamp, which the page holds as ``<meta name="darkroom-recipe">`` near its beginning.
    recipe : dict, optional
        What the digest is of; it lies at the end of the page, as JSON.
    kept : Path, optional
        A folder for what all pages carry, so that the next one is made sooner.
    """
    night = replace(night, problems=[*night.problems, *list_star_problems(night)])
    anchors = name_anchors(night)
    groups = describe_plan_in_words(night)
    columns = list_columns(night)
    shown = {f"chart-{chart.id}": chart for chart in list_charts(night)}
    picture = draw_plan(night)
    masters = list_masters(night)
    histograms = {}
    for card in masters:
        if card["master"].histogram and (chart := draw_histogram(card["master"])):
            histograms[f"histogram-{card['anchor']}"] = chart
            card["histogram"] = {"key": f"histogram-{card['anchor']}", "chart": chart}
    drawn = shown | ({"plan-picture": picture} if picture else {}) | histograms
    return _render_page(
        "night.html",
        drawn,
        {"anchors": anchors},
        recipe_digest,
        recipe,
        kept,
        night=night,
        verdict=judge_night(night),
        charts=_group_charts(shown),
        picture=picture,
        columns=columns,
        filters=list_filters(night),
        rows=list_lights(night, columns, anchors, place_lights(night, groups)),
        groups=groups,
        anchors=anchors,
        verdicts=VERDICTS,
        stacks=list_stacks(night, anchors),
        masters=masters,
        pairs=list_pairs(night),
        settings=_write_settings(night.settings),
        left_out=[(anchors["raws"][raw.name], raw) for raw in night.raws if raw.problem],
    )


def render_trends(
    trends: Trends,
    title: str,
    recipe_digest: str = "",
    recipe: dict[str, Any] | None = None,
    kept: Path | None = None,
) -> str:
    """Return the page of all nights, as HTML; ``title`` heads it, the rest is as for `render_night`."""
    shown = {f"chart-{chart.id}": chart for chart in trends.charts}
    return _render_page(
        "trends.html",
        shown,
        {"anchors": {}},
        recipe_digest,
        recipe,
        kept,
        title=title,
        remarks=trends.remarks,
        charts=_group_charts(shown),
        tables=[_show_table(table, f"table-{number}") for number, table in enumerate(trends.tables, 1)],
    )


def _show_table(table: Table, anchor: str) -> dict[str, Any]:
    """Return a table of trends with what each cell shows, and what it is sorted by; a night leads to its page."""
    numbers = {name for name in table.columns if any(is_number(row[name]) for row in table.rows)}
    columns = [
        {"key": name, "title": name.replace("_", " ").capitalize(), "number": name in numbers} for name in table.columns
    ]
    rows = []
    for at, row in enumerate(table.rows, 1):
        cells = []
        for name in table.columns:
            value, link = row[name], link_file(row["page"]) if name == "night" else ""
            text = write_number(value) if name in numbers else str(value or "")
            order = repr(float(value)) if is_number(value) else "" if name in numbers else text
            cells.append({"text": text, "order": order, "link": link, "number": name in numbers})
        rows.append({"anchor": f"{anchor}-row-{at}", "cells": cells})
    return {"title": table.title, "anchor": anchor, "columns": columns, "rows": rows}


def _group_charts(shown: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return charts by the heading that they stand under, and their keys."""
    groups: dict[str, dict[str, Any]] = {}
    for key, chart in shown.items():
        groups.setdefault(chart.group, {})[key] = chart
    return groups


def _render_page(
    template: str,
    drawn: dict[str, Any],
    data: dict[str, Any],
    recipe_digest: str,
    recipe: dict[str, Any] | None,
    kept: Path | None,
    **values: Any,
) -> str:
    """Return a page of a template with its libraries, its charts and data as JSON, and its policy."""
    scripts = [read_tables(), *([read_vega(kept)] if drawn else []), _read_script("page.js")]
    datasets, specs = _share_data(drawn)
    early = _read_script("early.js")
    html = (
        _make_environment()
        .get_template(template)
        .render(
            scripts=[Markup(script) for script in scripts],
            styles=[Markup(style) for style in (read_tables_style(), write_chart_css(), _read("style.css"))],
            early=Markup(early),
            policy=write_policy([early, *scripts]),
            data=write_json({**data, "charts": specs, "datasets": datasets}),
            recipe_digest=recipe_digest,
            recipe=write_json(recipe or {}),
            **values,
        )
    )
    return html.rstrip("\n") + "\n"


def _share_data(drawn: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the datasets that several charts share, each once, and the specs of all charts."""
    series = {key: chart for key, chart in drawn.items() if key.startswith("chart-")}
    datasets, specs = share_datasets(series.values())
    alone = {key: chart.spec for key, chart in drawn.items() if key not in series}
    return datasets, dict(zip(series, specs, strict=True)) | alone


def write_json(value: Any) -> Markup:
    """Return JSON that may stand inside a script element, whatever its strings hold; what is no number becomes null."""
    text = json.dumps(_tidy(value), ensure_ascii=True, allow_nan=False, default=str, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)


def _tidy(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _tidy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tidy(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_settings(settings: dict[str, Any]) -> str:
    """Return the settings as YAML, as in config.yaml."""
    plain = json.loads(json.dumps(_tidy(settings), default=str))
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)) if plain else ""


def _read(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


def _read_script(name: str) -> str:
    return enclose_script(_read(name))


@cache
def _make_environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_show,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"short": _shorten, "number": write_number, "exact": Exact}
    environment.globals |= {"count": count, "is_number": is_number}
    return environment


class Exact(str):
    """Text of a page that keeps its lines."""


def _show(value: Any) -> Any:
    """Return text as a page shows it: printable, and not without end."""
    if isinstance(value, Exact):
        return "\n".join(make_printable(line) for line in value.split("\n"))
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return make_printable(value if len(value) <= LONGEST else f"{value[:LONGEST]}…")


def _shorten(value: Any, most: int = SHORT) -> str:
    return shorten(str(value), most)
