"""Charts of a night: their numbers are the model's, what is odd stands out, no header breaks them."""

import json
import re
import time
from dataclasses import replace

import altair as alt
import pytest
import vl_convert

from darkroom.chart_theme import DARK, LIGHT, theme, theme_by_css, write_chart_css
from darkroom.chart_words import choose_range, name_series, read_number, say_number, shorten
from darkroom.charts import draw_histogram, list_charts, share_datasets
from tests.shown import make_hostile, make_night

FIGURES = ["sky", "ratio", "fwhm", "elongation", "stars", "masked"]


def render(spec, width=600):
    """Draw a spec as a page would, without one; return the SVG."""
    fixed = (
        {"width": width, "autosize": {"type": "fit-x", "contains": "padding"}} if spec["width"] == "container" else {}
    )
    return vl_convert.vegalite_to_svg(spec | {"config": theme(False)} | fixed)


def find_points(svg, layer):
    """The places of the points that a layer drew, in the order of its data."""
    marks = re.search(rf'class="mark-symbol role-mark layer_{layer}_marks"[^>]*?(/>|>.*?</g>)', svg)
    return [(float(x), float(y)) for x, y in re.findall(r'transform="translate\(([-\d.]+),([-\d.]+)\)"', marks[0])]


def by_id(charts):
    return {chart.id: chart for chart in charts}


def rows_of(chart):
    return chart.spec["datasets"][chart.spec["data"]["name"]]


def expect(light):
    """What a light's charts are to show, worked out apart from them."""
    figures = {"sky": light.sky, "fwhm": light.fwhm, "elongation": light.elongation, "stars": light.stars}
    return figures | {"masked": light.masked, "ratio": light.noise / light.noise_expected}


def test_numbers_are_those_of_the_model():
    night = make_night(60)
    charts = by_id(list_charts(night))
    assert list(charts) == [*FIGURES, "temperature", "level"]
    lights = {light.raw: light for light in night.made}
    for name in FIGURES:
        shown = {row["raw"]: row for row in rows_of(charts[name])}
        assert shown.keys() == lights.keys()
        for raw, row in shown.items():
            assert row[name] == pytest.approx(expect(lights[raw])[name], rel=1e-4)
            assert len(f"{row[name]:.9g}".replace(".", "").replace("-", "").strip("0")) <= 5
            assert (row["path"], row["filter"]) == (lights[raw].path, lights[raw].filter)
            assert row["start"] == lights[raw].start[:19].replace("T", " ")
    for name, raws in (("temperature", night.raws), ("level", [raw for raw in night.raws if raw.kind == "flat"])):
        expected = {raw.name: getattr(raw, name) for raw in raws if raw.setup}
        assert {row["raw"]: row[name] for row in rows_of(charts[name])} == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("width", [360, 1200])
def test_points_are_drawn_where_their_values_lie(width):
    """Read back from the picture: time runs right, values up, in proportion."""
    night = make_night(40)
    chart = by_id(list_charts(night))["fwhm"]
    points = find_points(render(chart.spec, width), 0)
    rows = rows_of(chart)
    assert len(points) == len(rows) == 38
    for axis, name, sign in ((0, "time", 1), (1, "fwhm", -1)):
        ends = [min(rows, key=lambda row: row[name]), max(rows, key=lambda row: row[name])]
        low, high = (points[rows.index(end)][axis] for end in ends)
        assert sign * (high - low) > 50
        for row, point in zip(rows, points, strict=True):
            part = (row[name] - ends[0][name]) / (ends[1][name] - ends[0][name])
            assert point[axis] == pytest.approx(low + part * (high - low), abs=0.5)


def test_odd_frame_has_a_ring_and_a_cross_and_says_why():
    night = make_night(24)
    clouded = next(light for light in night.made if light.odd)
    chart = by_id(list_charts(night))["sky"]
    svg = render(chart.spec)
    assert [len(find_points(svg, layer)) for layer in (0, 1, 2)] == [21, 1, 1]  # the others; its cross; its ring
    assert find_points(svg, 1) == find_points(svg, 2)
    row = next(row for row in rows_of(chart) if "sky_odd" in row)
    assert (row["raw"], row["sky_odd"]) == (clouded.raw, clouded.odd["sky"])
    assert "sky_odd" in json.dumps(chart.spec["layer"][2]["encoding"]["tooltip"])
    assert clouded.raw in chart.alt
    assert "cross in a ring" in chart.caption
    assert "cross in a ring" not in by_id(list_charts(night))["masked"].caption


def test_flat_that_was_left_out_is_marked():
    chart = by_id(list_charts(make_night(24)))["level"]
    assert [row["raw"] for row in rows_of(chart) if "level_odd" in row] == ["flat_R_broken.fits"]
    assert chart.alt.endswith("odd: flat_R_broken.fits")


def test_points_lead_to_the_light_or_master_that_was_made_of_them():
    night = make_night(24)
    rows = {row["raw"]: row for row in rows_of(by_id(list_charts(night))["temperature"])}
    assert rows["bias_001.fits"]["path"] == night.masters[0].path
    assert rows[night.made[0].raw]["path"] == night.made[0].path
    assert rows[night.skipped[0].raw]["path"] == ""


def test_words_tell_the_figures():
    night = make_night(24)
    night.lights = night.lights[:2] + night.lights[3:5]
    for light, sky in zip(night.lights, (280, 300, 324, 1240), strict=True):
        light.sky, light.filter, light.odd = float(sky), "V", {}
    chart = by_id(list_charts(night))["sky"]
    first, last = night.lights[0].start[11:16], night.lights[-1].start[11:16]
    assert chart.alt == f"Sky level of 4 lights from {first} to {last} UTC: median 312 e-, from 280 to 1,240"
    assert chart.spec["description"] == chart.alt


def test_axis_says_utc_and_names_both_days_of_a_night():
    night = make_night(24)
    for hour, light in zip((20, 23, 1, 4), night.made, strict=False):
        light.start = f"2024-03-{10 if hour > 12 else 11}T{hour:02}:13:00"
    night.lights = night.made[:4]
    spec = by_id(list_charts(night))["sky"].spec
    x = spec["layer"][0]["encoding"]["x"]
    assert x["title"] == "Time (UTC), 2024-03-10 to 2024-03-11"
    assert x["scale"]["type"] == "utc"
    svg = render(spec)
    assert re.search(r">11 Mar<", svg)
    places = [point[0] for point in find_points(svg, 0)]
    assert places == sorted(places)


def test_local_time_zone_changes_nothing(monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    moved = by_id(list_charts(make_night(12)))["sky"].spec
    monkeypatch.undo()
    time.tzset()
    assert moved == by_id(list_charts(make_night(12)))["sky"].spec


def test_nights_without_data_have_no_charts():
    assert list_charts(make_night(0)) == []
    assert list(by_id(list_charts(make_night(12, measured=False)))) == ["temperature", "level"]


def test_what_is_no_number_is_left_out():
    night = make_night(12)
    made = night.made
    made[0].sky, made[1].sky, made[2].noise_expected = float("nan"), None, 0.0
    made[3].fwhm, made[4].noise = float("inf"), None
    charts = by_id(list_charts(night))
    for name, raws in (("sky", made[:2]), ("ratio", [made[2], made[4]]), ("fwhm", [made[3]])):
        without = {row["raw"] for row in rows_of(charts[name]) if name not in row}
        assert without == {light.raw for light in raws}
        assert f"of {len(made) - len(raws)} lights" in charts[name].alt
        json.dumps(charts[name].spec, allow_nan=False)
        svg, first = render(charts[name].spec), int(name == "ratio")  # whose first layer is a rule
        drawn = sum(len(find_points(svg, layer)) for layer in (first, first + 1))
        assert drawn == len(made) - len(raws)


def test_frames_without_a_time_stand_in_their_order_and_those_of_a_wrong_clock_are_counted():
    night = make_night(12)
    night.lights[0].start = "1970-01-01T00:00:00"
    chart = by_id(list_charts(night))["fwhm"]
    assert "1 more cannot be placed in time" in chart.caption
    assert "1970" not in json.dumps(chart.spec["layer"])
    for light in night.lights:
        light.start = "yesterday"
    chart = by_id(list_charts(night))["fwhm"]
    assert [row["number"] for row in rows_of(chart)] == list(range(1, 11))
    assert "none has a time" in chart.spec["layer"][0]["encoding"]["x"]["title"]
    places = [point[0] for point in find_points(render(chart.spec), 0)]
    assert places == sorted(places)
    assert len(set(places)) == 10


def test_setups_and_units_have_charts_of_their_own_and_filters_one_look():
    night = make_night(24)
    for light in night.lights[12:]:
        light.setup = "Other"
    night.made[0].unit = "adu"
    charts = by_id(list_charts(night))
    assert {chart.group for chart in charts.values()} == {"Other", night.made[0].setup}
    titles = {key: chart.spec["layer"][0]["encoding"]["y"]["title"] for key, chart in charts.items() if "sky" in key}
    assert titles == {"sky-1": "Sky level (e-)", "sky-2-1": "Sky level (ADU)", "sky-2-2": "Sky level (e-)"}
    assert sum(len(rows_of(chart)) for key, chart in charts.items() if "sky" in key) == 22
    looks = {
        json.dumps(layer["encoding"]["color"]["scale"])
        for key, chart in charts.items()
        for layer in chart.spec["layer"]
        if "temperature" not in key and "color" in layer["encoding"]
    }
    assert looks == {json.dumps({"domain": ["B", "I", "R", "V"]})}


def test_hostile_names_break_nothing():
    charts = list_charts(make_hostile())
    assert len({chart.id for chart in charts}) == len(charts) > 10
    for chart in charts[::8]:
        assert re.fullmatch(r"[a-z]+(-\d+)*", chart.id)
        text = json.dumps(chart.spec, allow_nan=False)
        render(json.loads(text), 360)
        for said in (chart.alt, chart.title, chart.caption, chart.group, chart.spec["description"]):
            assert said.isprintable()
    names = name_series(["a" * 300 + "1" + "a" * 300, "a" * 300 + "2" + "a" * 300, " ", "\x07", "\u202eb"], "no filter")
    assert len(set(names.values())) == 5
    assert all(label.isprintable() and len(label) < 50 for label in names.values())
    assert list(names.values())[-1] == "no filter"


def test_specs_are_vega_lite_and_the_same_each_time():
    charts = [*list_charts(make_night(24)), draw_histogram(make_night(24).masters[0])]
    again = [*list_charts(make_night(24)), draw_histogram(make_night(24).masters[0])]
    for chart, other in zip(charts, again, strict=True):
        text = json.dumps(chart.spec)
        assert text == json.dumps(other.spec)
        assert not re.search(r"view_[0-9a-f]|param_\d", text)  # names that altair would count up
        if chart.id in ("ratio", "histogram"):  # the others are made alike
            alt.LayerChart.from_dict(chart.spec | {"datasets": {}}, validate=True)
        assert not re.search(r'"(layer|encoding|mark)".*#[0-9a-f]{6}', json.dumps(chart.spec["layer"]))


def test_datasets_are_shared():
    charts = list_charts(make_night(24))
    datasets, specs = share_datasets(charts)
    assert set(datasets) == {"lights", "raws", "flats"}
    for chart, spec in zip(charts, specs, strict=True):
        assert spec | {"datasets": {spec["data"]["name"]: datasets[spec["data"]["name"]]}} == chart.spec
        assert "datasets" not in spec


def test_a_thousand_lights_are_drawn_at_once():
    night = make_night(40)
    night.lights = [replace(light, raw=f"{number} {light.raw}") for number in range(25) for light in night.lights]
    started = time.process_time()
    charts = list_charts(night)
    assert time.process_time() - started < 1.5  # 0.25 s on an idle machine
    assert len(rows_of(charts[0])) == 950
    assert len(json.dumps(share_datasets(charts))) < 700_000


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([300, 310, 320, 305, 295], "linear"),
        ([300, 310, 320, 305, 295, 312, 12_000], "log"),
        ([2.1, 2.2, 2.3, 2.15, 2.4, 2.2, 2.3, 15], "log"),
        ([-3, 0, 2, 1, -1, 2, 1, 900], "symlog"),
        ([5], "linear"),
        ([0, 0, 0], "linear"),
        ([-7], "linear"),
    ],
)
def test_cloud_is_seen_without_flattening_the_rest(values, kind):
    found = choose_range(values)
    assert found.type == kind
    assert found.domain[0] < min(values) <= max(values) < found.domain[1]
    assert bool(found.remark) == (kind != "linear")
    if found.ticks:
        assert len(found.ticks) >= 2
        assert all(found.domain[0] <= tick <= found.domain[1] for tick in found.ticks)


def test_rest_of_a_clouded_night_keeps_its_part_of_the_height():
    night = make_night(40)
    cloud = next(light for light in night.made if light.odd)
    cloud.sky = 60_000.0
    chart = by_id(list_charts(night))["sky"]
    assert "logarithmic" in chart.caption
    svg = render(chart.spec)
    rest = [point[1] for point in find_points(svg, 0)]
    assert find_points(svg, 1)[0][1] < min(rest) - 50
    assert max(rest) - min(rest) > 25  # linear it would be 2 of 220


def test_floors_and_references_are_on_the_scale():
    charts = by_id(list_charts(make_night(24)))
    for name in ("stars", "masked"):
        assert charts[name].spec["layer"][0]["encoding"]["y"]["scale"]["domain"][0] == 0
    low, high = charts["ratio"].spec["layer"][1]["encoding"]["y"]["scale"]["domain"]
    assert low < 1 < high
    assert "role-mark layer_0_marks" in render(charts["ratio"].spec)


def test_histogram_has_the_counts_of_the_master():
    master = make_night(24).masters[0]
    chart = draw_histogram(master)
    bars = rows_of(chart) if "data" in chart.spec else chart.spec["datasets"]["histogram"]
    assert [bar["count"] for bar in bars] == [count for count in master.histogram["counts"] if count]
    edges = dict(zip(master.histogram["edges"], master.histogram["edges"][1:], strict=False))
    for bar in bars:
        low, high = min(edges.items(), key=lambda edge: abs(edge[0] - bar["low"]))
        assert (bar["low"], bar["high"]) == pytest.approx((low, high), rel=1e-4)
    assert "60,000 pixels of master_bias.fits" in chart.alt
    assert f"median {say_number(master.statistics['median'])} ADU" in chart.alt
    assert render(chart.spec, 300).count('aria-roledescription="bar"') in (0, len(bars))


@pytest.mark.parametrize(
    "histogram",
    [
        {},
        {"edges": [], "counts": []},
        {"edges": [1.0, 2.0], "counts": [0]},
        {"edges": [1.0, float("nan")], "counts": [3]},
    ],
)
def test_master_without_pixels_has_no_histogram(histogram):
    master = make_night(24).masters[0]
    master.histogram = histogram
    assert draw_histogram(master) is None


@pytest.mark.parametrize("edges", [[1.0, 1.0], [1e-30, 2e-30, 3e-30], [-5e9, 0.0, 5e9]])
def test_histogram_of_odd_ends_is_drawn(edges):
    master = make_night(24).masters[0]
    master.histogram = {"edges": edges, "counts": [7] * (len(edges) - 1)}
    render(draw_histogram(master).spec, 300)


def find_contrast(one, other):
    """The contrast of two colours by WCAG 2."""

    def weigh(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        lines = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * lines[0] + 0.7152 * lines[1] + 0.0722 * lines[2]

    low, high = sorted([weigh(one), weigh(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_colours_stand_out(colours):
    for name, colour in colours.items():
        least = {"ink": 7, "faint": 4.5, "good": 3, "bad": 4.5, "doubt": 3}.get(name, 3)
        if name not in ("paper", "grid", "node"):
            assert find_contrast(colour, colours["paper"]) >= least, name
    for name, least in (("ink", 7), ("faint", 4.5), ("bad", 4.5)):
        assert find_contrast(colours[name], colours["node"]) >= least, name


def test_page_defines_each_colour_that_charts_use():
    used = set(re.findall(r"var\((--chart-\w+),", json.dumps(theme_by_css())))
    blocks = write_chart_css().split("@media")
    assert len(blocks) == 3
    for block in blocks:
        assert used <= set(re.findall(r"(--chart-\w+):", block))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (312, "312"),
        (1240, "1,240"),
        (0.0031, "0.0031"),
        (2.1e-7, "2.1e-07"),
        (0, "0"),
        (-10.04, "-10.04"),
        (1e9, "1e+09"),
    ],
)
def test_numbers_are_written_as_people_do(value, text):
    assert say_number(value) == text


@pytest.mark.parametrize("value", [None, "", "x", float("nan"), "nan", "inf", True, [], {}])
def test_what_is_no_number_is_none(value):
    assert read_number(value) is None


def test_long_texts_keep_both_ends():
    short = shorten("light_" + "x" * 5000 + "_017.fits")
    assert len(short) == 40
    assert short.startswith("light_")
    assert short.endswith("_017.fits")


def test_no_time_is_written_as_the_interpreter_of_expressions_misreads_it():
    """To Vega's interpreter, which pages need instead of eval, datetime(1710100800000) is a year."""
    for chart in list_charts(make_night(12)):
        assert "datetime(" not in json.dumps(vl_convert.vegalite_to_vega(chart.spec))
