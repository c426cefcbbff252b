"""The look of charts, in one place: colours, symbols, lettering. Specs name styles and series, and hold no colour.

Specs come with that of a page as their ``config`` (`theme_by_css`), whose colours are variables of CSS, so that a chart
follows the page from light to dark and to the printer without being drawn anew. A picture of one, which has no page
around it, takes another (`theme`), with colours of its own.
"""

from __future__ import annotations

from typing import Any

# Series differ in colour and symbol. Six colours and five symbols make 30 pairs before one comes back. They stand out
# from the page by a contrast of 3 at least (WCAG 2.2, 1.4.11), and from each other for the colour-blind as well.
LIGHT = {
    "paper": "#ffffff",
    "ink": "#1d2126",
    "faint": "#565f69",
    "grid": "#d9dde2",
    "node": "#f1f3f5",
    "odd": "#c00020",
    "good": "#1a7f37",
    "bad": "#c00020",
    "doubt": "#8a5a00",
    "series1": "#2a7fc4",
    "series2": "#c96a00",
    "series3": "#a13060",
    "series4": "#1a1a80",
    "series5": "#009e8e",
    "series6": "#4d2a00",
}
DARK = {
    "paper": "#16181c",
    "ink": "#e8eaed",
    "faint": "#a9b1ba",
    "grid": "#3a4048",
    "node": "#24282e",
    "odd": "#ff6b6b",
    "good": "#4cc26a",
    "bad": "#ff6b6b",
    "doubt": "#e0a030",
    "series1": "#7fd3ff",
    "series2": "#d99a1c",
    "series3": "#9160ff",
    "series4": "#ffe680",
    "series5": "#5a9fb5",
    "series6": "#a0602a",
}
SYMBOLS = ["circle", "square", "triangle-up", "diamond", "triangle-down"]
CROSS = "M-1,-1L1,1M1,-1L-1,1"  # in a ring: a frame that stands out
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', Arial, sans-serif"


def theme(dark: bool) -> dict[str, Any]:
    """Return the config of a chart that is drawn as a picture, on a light or dark ground; its own is transparent."""
    return _make_config(DARK if dark else LIGHT)


def theme_by_css() -> dict[str, Any]:
    """Return the config of a chart on a page (as SVG), whose colours are the variables of `write_chart_css`.

    Where a page has none of them, lettering and lines have the colour of the text around, and series that of a light
    page.
    """
    plain = {
        "ink": "currentColor",
        "faint": "currentColor",
        "grid": "rgba(128,128,128,0.3)",
        "node": "rgba(128,128,128,0.1)",
    }
    return _make_config({name: f"var(--chart-{name}, {plain.get(name, own)})" for name, own in LIGHT.items()})


def write_chart_css() -> str:
    """Return the variables of `theme_by_css`: light, dark where the reader wants that, and light in print."""
    light, dark = ("".join(f"--chart-{name}:{colour};" for name, colour in one.items()) for one in (LIGHT, DARK))
    return (
        f":root{{{light}}}\n"
        f"@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"
        f"@media print{{:root{{{light}}}}}\n"
    )


def _make_config(colour: dict[str, str]) -> dict[str, Any]:
    ink, faint, grid = colour["ink"], colour["faint"], colour["grid"]
    text = {"labelFont": FONT, "titleFont": FONT, "labelColor": ink, "titleColor": ink, "titleFontWeight": 500}
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "mark": {"color": colour["series1"]},
        "range": {"category": [colour[f"series{number}"] for number in range(1, 7)], "symbol": SYMBOLS},
        "axis": {**text, "gridColor": grid, "domainColor": faint, "tickColor": faint, "labelOverlap": True},
        "axisX": {"grid": False},
        "legend": {
            **text,
            "orient": "top",
            "direction": "horizontal",
            "symbolSize": 70,
            "labelLimit": 220,
            "symbolStrokeWidth": 0,
        },
        "title": {"color": ink, "font": FONT},
        "style": {
            "series": {"size": 55, "opacity": 0.85},
            "odd-ring": {"color": colour["odd"], "strokeWidth": 2.2, "size": 260, "opacity": 1},
            "odd-cross": {"strokeWidth": 2.2, "size": 44, "opacity": 1},
            "reference": {"color": faint, "strokeDash": [5, 4]},
            "error": {"opacity": 0.7},
            "histogram": {"color": colour["series1"]},
            "edge": {"color": faint},
            "node": {"color": colour["node"], "stroke": faint, "strokeWidth": 1},
            "node-lost": {"color": colour["node"], "stroke": colour["bad"], "strokeWidth": 1.6, "strokeDash": [5, 3]},
            "node-doubt": {"color": colour["node"], "stroke": colour["doubt"], "strokeWidth": 1.6},
            "node-name": {"color": ink, "font": FONT, "fontWeight": 500},
            "node-word": {"color": faint, "font": FONT},
            "node-lost-word": {"color": colour["bad"], "font": FONT},
            "heading": {"color": ink, "font": FONT, "fontWeight": 600},
            "mark-passed": {"color": colour["good"]},
            "mark-failed": {"color": colour["bad"]},
            "mark-unproven": {"color": colour["doubt"]},
            "mark-not-made": {"color": colour["bad"]},
            "mark-skipped": {"color": colour["bad"]},
        },
    }
