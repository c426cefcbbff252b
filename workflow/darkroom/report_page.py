"""The pages people look at: what a night came to, and how its figures compare with those of other nights.

A page is one file that asks no host for anything: pictures are data URIs, Vega (from vl-convert) and DataTables (from
itables) lie in it, and its Content-Security-Policy lets nothing else run or load: scripts by their digests alone, and
Vega with its interpreter in place of ``eval``. What headers and file names hold is escaped by Jinja2, and in JSON.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
import yaml
from markupsafe import Markup

from darkroom.chart_theme import write_chart_css
from darkroom.chart_words import shorten
from darkroom.charts import draw_histogram, list_charts, share_datasets
from darkroom.page_parts import (
    judge_night,
    list_columns,
    list_filters,
    list_lights,
    list_masters,
    name_anchors,
    place_lights,
)
from darkroom.page_pictures import embed_picture
from darkroom.page_words import VERDICTS, count, is_number, write_number
from darkroom.plan_graph import describe_plan_in_words
from darkroom.plan_picture import draw_plan
from darkroom.report_model import Night
from darkroom.texts import make_printable

FOLDER = Path(__file__).resolve().parents[1] / "report"  # templates, style and script
SHORT = 90  # letters of a name
LONGEST = 2000  # letters of a text that a page shows; headers can hold books


def render_night(night: Night, recipe_digest: str = "", recipe: dict[str, Any] | None = None) -> str:
    """Return the page of a night, as HTML.

    Parameters
    ----------
    night : Night
        What it shows.
    recipe_digest : str
        The stamp, which the page holds as ``<meta name="darkroom-recipe">`` near its beginning.
    recipe : dict, optional
        What the digest is of; it lies at the end of the page, as JSON.
    """
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
        masters=masters,
        pairs=list_pairs(night),
        settings=_write_settings(night.settings),
        left_out=[(anchors["raws"][raw.name], raw) for raw in night.raws if raw.problem],
    )


def _group_charts(shown: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return charts by the heading that they stand under, and their keys."""
    groups: dict[str, dict[str, Any]] = {}
    for key, chart in shown.items():
        groups.setdefault(chart.group, {})[key] = chart
    return groups


def list_pairs(night: Night) -> list[dict[str, Any]]:
    """Return the pairs with their pictures; those whose pictures cannot be read are left out."""
    found = [(pair, embed_picture(pair.before), embed_picture(pair.after)) for pair in night.pairs]
    return [{"pair": pair, "before": before, "after": after} for pair, before, after in found if before and after]


def _render_page(
    template: str,
    drawn: dict[str, Any],
    data: dict[str, Any],
    recipe_digest: str,
    recipe: dict[str, Any] | None,
    **values: Any,
) -> str:
    """Return a page of a template with its libraries, its charts and data as JSON, and its policy."""
    scripts = [read_tables(), *([read_vega()] if drawn else []), _read_script("page.js")]
    datasets, specs = _share_data(drawn)
    early = _read_script("early.js")
    html = (
        _make_environment()
        .get_template(template)
        .render(
            scripts=[Markup(script) for script in scripts],
            styles=[Markup(style) for style in (_read_tables_style(), write_chart_css(), _read("style.css"))],
            early=Markup(early),
            policy=_write_policy([early, *scripts]),
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


def _write_policy(scripts: list[str]) -> str:
    """Return a Content-Security-Policy that lets these scripts run and no other, and nothing be loaded."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def read_vega() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as a script that makes ``window.vegaEmbed``; takes a second."""
    return _enclose(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


@cache
def read_tables() -> str:
    """Return DataTables as what makes ``window.DataTable``: what a module in a page exports is out of reach."""
    text = importlib.resources.files("itables").joinpath("html/dt_bundle.js").read_text("utf-8")
    exports = re.search(r"\bexport\s*\{([^}]*)\};?", text)
    name = re.search(r"([\w$]+) as default\b", exports[1]) if exports else None
    if exports is None or name is None:
        raise ValueError("itables: its bundle exports no DataTables; another version of it is needed")
    script = f"{text[: exports.start()]}window.DataTable={name[1]};{text[exports.end() :]}"
    return _enclose(script)


@cache
def _read_tables_style() -> str:
    style = importlib.resources.files("itables").joinpath("html/dt_bundle.css").read_text("utf-8")
    if "</style" in style.lower():
        raise ValueError("itables: its style would end the element that it stands in")
    return style


def _read(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


def _read_script(name: str) -> str:
    return _enclose(_read(name))


def _enclose(script: str) -> str:
    """Return a script as it may stand in its element, with the line ends that a browser gives it.

    Text that would end or prolong the element is written as HTML advises, which in literals of JavaScript is the same.
    """
    script = f"\n{script.replace(chr(13) + chr(10), chr(10)).strip()}\n"
    return re.sub(r"<(?=!--|/?script)", r"\\x3C", script, flags=re.IGNORECASE)


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
