"""The plan of a night as a picture: from raw frames on the left to calibrated lights on the right."""

from __future__ import annotations

from collections import Counter
from typing import Any

import altair as alt

from darkroom.chart_series import Chart, Row
from darkroom.chart_theme import CROSS, theme_by_css
from darkroom.chart_words import shorten
from darkroom.page_words import VERDICTS
from darkroom.plan_graph import Node, PlanGraph, describe_plan_in_words, make_graph
from darkroom.plan_layout import MARK, NAME_SIZE, PAD, SETUP_SIZE, TALL, TOP, WORD_SIZE, PlanLayout, Stretch, lay_out
from darkroom.report_model import Night

__all__ = ["describe_plan_in_words", "draw_plan"]

HEADINGS = {"raw": "Raw frames", "bias": "Master bias", "dark": "Master darks", "flat": "Master flats",
            "light": "Lights"}  # fmt: skip
# What a verdict looks like: no two alike in shape.
MARKS = {
    "passed": "M-1,0L-0.3,0.8L1,-0.8",
    "failed": CROSS,
    "unproven": "M0,-1L1,0.8L-1,0.8Z",
    "not-made": "M-0.9,-0.9L0.9,-0.9L0.9,0.9L-0.9,0.9Z",
    "skipped": CROSS,
}
# The node whose way is shown: that under the pointer, else the one that was clicked, else the one the page follows.
SHOWN = "isValid(hover.id) ? hover.id[0] : isValid(picked.id) ? picked.id[0] : follow"
NODE_LIT = "shown == '' || datum.id == shown || indexof(datum.ancestors, shown) >= 0"
NODE_LIT += " || indexof(datum.descendants, shown) >= 0"
EDGE_LIT = "shown == '' || indexof(datum.way, shown) >= 0"
PALE = 0.18  # opacity of what is not on the way
MANY = 150  # stretches of edges that lie over each other


def draw_plan(night: Night) -> Chart | None:
    """Return the picture of a night's plan; None if there is nothing in it.

    Its size is its own: ``spec["width"]`` and ``spec["height"]`` in pixels, to be scrolled. Each node's datum has its
    ``id``, those of its ``ancestors`` and ``descendants``, the ``path`` of a master and the names ``raws`` of a group's
    frames. The way of a node lights up under the pointer and when it is clicked; a page shows that of another one by
    ``view.signal("follow", id).runAsync()``, and none by an empty id.
    """
    graph = make_graph(night)
    if not graph.nodes:
        return None
    layout = lay_out(graph)
    words = _describe(graph)
    ways, points = _trace(graph, layout.stretches)
    data = {"nodes": [_draw_node(node, layout) for node in graph.nodes.values()], "points": points, "ways": ways,
            "headings": _list_headings(layout)}  # fmt: skip
    across = alt.Scale(domain=[-2, layout.width + 2], nice=False, zero=False)
    down = alt.Scale(domain=[layout.height, 0], nice=False, zero=False)
    x, y = alt.X("x:Q", scale=across, axis=None), alt.Y("y:Q", scale=down, axis=None)
    left = alt.X("left:Q", scale=across, axis=None)
    lit = alt.condition(NODE_LIT, alt.value(1), alt.value(PALE))
    nodes = alt.Chart(alt.NamedData("nodes"))
    layers: list[Any] = [_draw_edges(x, y, 0.75 if len(ways) < MANY else 0.4)]
    for look in ("plain", "doubt", "lost"):
        style = "node" if look == "plain" else f"node-{look}"
        layers.append(
            nodes.transform_filter(f"datum.look == '{look}'")
            .mark_rect(style=style, cornerRadius=5, aria=False)
            .encode(left, y, x2="right:Q", y2="bottom:Q", opacity=lit)
        )
    for name, shape in MARKS.items():
        layers.append(
            nodes.transform_filter(f"datum.mark == '{name}'")
            .mark_point(style=f"mark-{name}", shape=shape, filled=False, size=80, strokeWidth=2.2, aria=False)
            .encode(alt.X("mark_x:Q", scale=across, axis=None), alt.Y("middle:Q", scale=down, axis=None), opacity=lit)
        )
    text_x = alt.X("text_x:Q", scale=across, axis=None)
    for style, field, size, test in (
        ("node-name", "name", NAME_SIZE, "true"),
        ("node-word", "words", WORD_SIZE, "datum.look != 'lost'"),
        ("node-lost-word", "words", WORD_SIZE, "datum.look == 'lost'"),
    ):
        chart = nodes.transform_filter(test).mark_text(
            style=style, fontSize=size, align="left", baseline="middle", aria=False
        )
        below = alt.Y(f"{field}_y:Q", scale=down, axis=None)
        layers.append(chart.encode(text_x, below, text=f"{field}:N", opacity=lit))
    heading = alt.Chart(alt.NamedData("headings")).mark_text(
        style="heading", align="left", baseline="middle", aria=False
    )
    layers.append(heading.encode(x, y, text="text:N", size=alt.Size("size:Q", scale=None)))
    layers.append(_take_pointer(nodes, left, y))
    chart = alt.layer(*layers, width=round(layout.width), height=round(layout.height), description=words)
    chart = chart.add_params(alt.param(name="follow", value=""), alt.param(name="shown", expr=SHOWN))
    spec = chart.to_dict(validate=False) | {"datasets": data, "config": theme_by_css()}
    caption = (
        "What each light was made of. Point at a group or a master, or click it, to see all that it comes from and "
        "goes into. A check mark: certified; a triangle: unproven, made of a single frame; a cross: failed or skipped."
    )
    return Chart("plan", "Plan", caption, words, spec)


def _draw_edges(x: alt.X, y: alt.Y, opacity: float) -> alt.Chart:
    lookup = alt.LookupData(alt.NamedData("ways"), key="stretch", fields=["way"])
    return (
        alt.Chart(alt.NamedData("points"))
        .transform_lookup("stretch", lookup)
        .mark_line(style="edge", interpolate="monotone", aria=False)
        .encode(
            x,
            y,
            detail="stretch:N",
            order="x:Q",
            opacity=alt.condition(EDGE_LIT, alt.value(opacity), alt.value(PALE / 2)),
            strokeWidth=alt.condition(f"shown != '' && ({EDGE_LIT})", alt.value(2.4), alt.value(1.2)),
        )
    )


def _take_pointer(nodes: alt.Chart, left: alt.X, y: alt.Y) -> alt.Chart:
    """Return what lies over the nodes, unseen, and takes pointer and clicks."""
    hover = alt.selection_point(name="hover", fields=["id"], on="pointerover", clear="pointerout", empty=False)
    picked = alt.selection_point(name="picked", fields=["id"], on="click", clear="dblclick", empty=False)
    tips = [alt.Tooltip("name:N", title="what"), alt.Tooltip("words:N", title=" "), alt.Tooltip("of:N", title="of")]
    chart = nodes.properties(name="pointer").mark_rect(style="pointer", opacity=0, cursor="pointer", aria=False)
    return chart.encode(left, y, x2="right:Q", y2="bottom:Q", tooltip=tips).add_params(hover, picked)


def _draw_node(node: Node, layout: PlanLayout) -> Row:
    box = layout.boxes[node.id]
    text = box.left + PAD + (MARK if node.mark else 0)
    middle = box.y if node.words else box.y + 8
    return {"id": node.id, "layer": node.layer, "name": node.name, "words": node.words, "of": shorten(node.setup, 60),
            "look": node.look, "mark": node.mark, "path": node.path, "raws": node.raws, "ancestors": node.ancestors,
            "descendants": node.descendants, "left": _round(box.left), "right": _round(box.right),
            "y": _round(box.y - TALL / 2), "bottom": _round(box.y + TALL / 2), "middle": _round(box.y),
            "mark_x": _round(box.left + PAD + MARK / 3), "text_x": _round(text), "name_y": _round(middle - 8),
            "words_y": _round(middle + 8)}  # fmt: skip


def _trace(graph: PlanGraph, stretches: list[Stretch]) -> tuple[list[Row], list[Row]]:
    """Return of each stretch of edges the nodes whose way it is part of, and the points that it runs through."""
    ways, points = [], []
    for number, stretch in enumerate(stretches):
        source = graph.nodes[stretch.source]
        way = {source.id, *source.ancestors, *stretch.targets}
        for target in stretch.targets:
            way.update(graph.nodes[target].descendants)
        ways.append({"stretch": number, "way": sorted(way)})
        (x, y), (right, below) = stretch.start, stretch.end
        bends = ((0, 0), (0.25, 0.08), (0.75, 0.92), (1, 1)) if abs(below - y) > 0.5 else ((0, 0), (1, 1))
        for along, down in bends:
            at = {"x": _round(x + along * (right - x)), "y": _round(y + down * (below - y))}
            points.append({"stretch": number, **at})
    return ways, points


def _list_headings(layout: PlanLayout) -> list[Row]:
    rows: list[Row] = [
        {"x": _round(x), "y": TOP / 2, "text": HEADINGS[layer], "size": 13} for x, layer in layout.columns
    ]
    rows += [{"x": 0, "y": _round(y), "text": shorten(setup, 60) or "no setup", "size": SETUP_SIZE}
             for y, setup in layout.setups]  # fmt: skip
    return rows


def _describe(graph: PlanGraph) -> str:
    number = Counter(node.layer for node in graph.nodes.values())
    raws = sum(len(node.raws) for node in graph.nodes.values() if node.layer == "raw")
    masters = [node for node in graph.nodes.values() if node.path]
    lights = [node for node in graph.nodes.values() if node.layer == "light"]
    lost = sum(len(node.raws) for node in lights if node.mark == "skipped")
    made = sum(len(node.raws) for node in lights) - lost
    verdicts = Counter(VERDICTS[node.mark.replace("-", " ")][1] for node in masters)
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    return (
        f"{raws:,} raw frames make {len(masters)} masters ({number['bias']} bias, {number['dark']} dark, "
        f"{number['flat']} flat{f'; {said}' if said else ''}), and these calibrate {made:,} lights in "
        f"{sum(node.mark != 'skipped' for node in lights)} groups" + (f"; {lost:,} lights are skipped" if lost else "")
    )


def _round(value: float) -> float:
    return round(value, 1)
