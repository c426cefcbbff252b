"""Trends over nights: the charts' numbers are those of the tables, and a remark is made of what changed for certain."""

import csv
import io
import json
import re
from datetime import date, timedelta

import altair as alt
import numpy as np
import pytest
import vl_convert

from darkroom.chart_theme import theme
from darkroom.trend_remarks import Drift, Step, find_change
from darkroom.trends import make_trends
from tests.shown import NASTY

NIGHTS = [(date(2024, 1, 1) + timedelta(days=3 * number)).isoformat() for number in range(40)]


def make_tables(count, setups=("ccd",), noise=8.0, seed=0):
    """Rows of certification.csv and detectors.csv of some nights; ``noise`` is a read noise, or one a night."""
    random = np.random.default_rng(seed)
    certification, detectors = [], []
    levels = np.broadcast_to(noise, count)
    for night, level in zip(NIGHTS[:count], levels, strict=True):
        for setup in setups:
            common = {"night": night, "setup": setup, "pairs": 7, "config": None}
            measured = {"read_noise": (level + random.normal(0, 0.03), 0.03, "e-", 8.0)}
            measured["gain"] = (1.5 + random.normal(0, 0.004), 0.004, "e-/ADU", None)
            for quantity, (value, error, unit, header) in measured.items():
                row = {"quantity": quantity, "unit": unit, "measured": value, "error": error, "header": header}
                detectors.append(common | row)
            certification += list(_make_masters(night, setup, random))
    return certification, detectors


def _make_masters(night, setup, random):
    common = {"night": night, "setup": setup, "verdict": "passed", "failures": "", "noise_excess_error": 0.002}

    def make(name, **figures):
        excess = float(random.normal(0, 0.003))
        return common | {"master": f"{night}/{setup}/master_{name}.fits", "noise_excess": excess} | figures

    yield make("bias", level=1000 + float(random.normal(0, 0.2)))
    for exposure in (60, 300):
        temperature = -10 + float(random.normal(0, 2))
        yield make(f"dark_{exposure}s", temperature=temperature, rate=0.07 * 2 ** ((temperature + 10) / 6))
    for name in "BVR":
        change = abs(float(random.normal(0.002, 0.0005)))
        yield make(f"flat_{name}", level=30_000.0, change=change, pixel_change=0.003, illumination_change=change / 5)


def render(spec, width=500):
    fixed = {"width": width, "autosize": {"type": "fit-x", "contains": "padding"}}
    return vl_convert.vegalite_to_svg(spec | {"config": theme(False)} | fixed)


def rows_of(chart):
    return chart.spec["datasets"][chart.spec["data"]["name"]] if "data" in chart.spec else []


def by_id(trends):
    return {chart.id: chart for chart in trends.charts}


def as_csv(rows):
    """What the csv module reads of a table that it wrote."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return list(csv.DictReader(io.StringIO(text.getvalue())))


@pytest.mark.parametrize("read", [lambda rows: rows, as_csv], ids=["values", "texts"])
def test_numbers_are_those_of_the_tables(read):
    certification, detectors = make_tables(12)
    charts = by_id(make_trends(read(certification), read(detectors)))
    assert list(charts) == ["read_noise", "gain", "level", "rate", "change", "pixel_change", "illumination_change",
                            "noise_excess"]  # fmt: skip
    for name in ("read_noise", "gain"):
        expected = {row["night"]: row for row in detectors if row["quantity"] == name}
        assert {row["night"] for row in rows_of(charts[name])} == expected.keys()
        for row in rows_of(charts[name]):
            assert row[name] == pytest.approx(expected[row["night"]]["measured"], rel=1e-4)
            assert row["error"] == pytest.approx(expected[row["night"]]["error"], rel=1e-4)
    kinds = {"level": "bias", "rate": "dark", "change": "flat", "pixel_change": "flat", "illumination_change": "flat"}
    for name in ("level", "rate", "change", "pixel_change", "illumination_change", "noise_excess"):
        expected = {
            row["master"]: row[name] for row in certification if f"master_{kinds.get(name, '')}" in row["master"]
        }
        assert {row["master"]: row[name] for row in rows_of(charts[name])} == pytest.approx(expected, rel=1e-4)
    temperatures = {row["master"]: row["temperature"] for row in certification if "temperature" in row}
    assert {row["master"]: row["temperature"] for row in rows_of(charts["rate"])} == pytest.approx(
        temperatures, rel=1e-4
    )
    assert charts["rate"].spec["layer"][0]["encoding"]["x"]["field"] == "temperature"


def test_tables_hold_the_numbers_of_the_charts():
    trends = make_trends(*make_tables(5))
    detectors, masters = trends.tables
    assert (detectors.title, masters.title) == ("Detectors", "Masters")
    charts = by_id(trends)
    shown = {(row["night"], row["quantity"]): row["measured"] for row in detectors.rows}
    for name in ("read_noise", "gain"):
        assert {(row["night"], name): row[name] for row in rows_of(charts[name])}.items() <= shown.items()
    for name in ("level", "rate", "noise_excess"):
        drawn = {row["master"]: row[name] for row in rows_of(charts[name])}
        assert drawn.items() <= {row["master"]: row[name] for row in masters.rows}.items()
    for table in trends.tables:
        assert all(row.keys() >= set(table.columns) for row in table.rows)
        assert [row["night"] for row in table.rows] == sorted(row["night"] for row in table.rows)


def test_points_lead_to_the_page_of_their_night():
    for chart in make_trends(*make_tables(3)).charts:
        assert all(row["page"] == f"{row['night']}/report.html" for row in rows_of(chart))


def test_kind_filter_and_exposure_are_told_from_the_masters_name():
    certification, _ = make_tables(1)
    certification.append(certification[1] | {"master": f"{NIGHTS[0]}/ccd/master_dark_60s_-20C.fits"})
    charts = by_id(make_trends(certification, []))
    assert {row["label"] for row in rows_of(charts["rate"])} == {"60s", "300s"}
    assert {row["label"] for row in rows_of(charts["change"])} == {"B", "V", "R"}
    assert {row["kind"] for row in rows_of(charts["noise_excess"])} == {"bias", "dark", "flat"}


def test_master_that_failed_has_a_ring_and_says_why():
    certification, _ = make_tables(9)
    bad = next(row for row in certification if "flat_R" in row["master"] and row["night"] == NIGHTS[4])
    bad |= {"verdict": "failed", "failures": "changed by 8 % rms since the previous flat", "change": 0.08}
    chart = by_id(make_trends(certification, []))["change"]
    assert {row["master"]: row["change_odd"] for row in rows_of(chart) if "change_odd" in row} == {
        bad["master"]: bad["failures"]
    }
    assert "failed: R of 2024-01-13" in chart.alt
    assert "cross in a ring" in chart.caption


def test_one_night_says_that_trends_need_more():
    trends = make_trends(*make_tables(1))
    assert trends.remarks == [f"There is one night only, {NIGHTS[0]}: trends need more of them."]
    assert len(trends.charts) == 8
    for chart in trends.charts[:4]:
        assert "One night only" in chart.caption
        render(chart.spec, 360)


def test_nothing_is_no_chart():
    trends = make_trends([], [])
    assert (trends.charts, trends.tables, len(trends.remarks)) == ([], [], 1)


def test_each_setup_has_charts_of_its_own():
    trends = make_trends(*make_tables(4, ("one", "two")))
    assert {chart.group for chart in trends.charts} == {"one", "two"}
    assert len({chart.id for chart in trends.charts}) == 16
    for chart in trends.charts:
        assert {row["setup"] for row in rows_of(chart)} == {chart.group}


def test_units_are_not_mixed():
    _, detectors = make_tables(4)
    detectors[0]["unit"] = "ADU"
    charts = by_id(make_trends([], detectors))
    assert [len(rows_of(chart)) for key, chart in charts.items() if "read_noise" in key] == [1, 3]


def test_what_headers_say_is_drawn_as_a_rule():
    charts = by_id(make_trends(*make_tables(3)))
    assert charts["read_noise"].spec["layer"][0]["encoding"]["y"]["datum"] == 8.0
    assert "dashed line" in charts["read_noise"].caption
    assert "dashed line" not in charts["gain"].caption


def test_what_is_no_number_is_left_out():
    certification, detectors = make_tables(4)
    detectors[0]["measured"], detectors[2]["measured"], detectors[4]["error"] = float("nan"), None, ""
    certification[0]["level"], certification[6]["night"] = "nan", "one night"
    trends = make_trends(certification, detectors)
    charts = by_id(trends)
    assert sum("read_noise" in row for row in rows_of(charts["read_noise"])) == 2
    json.dumps([chart.spec for chart in trends.charts], allow_nan=False)
    for name in ("read_noise", "level"):
        svg = render(charts[name].spec)
        assert "in 2 nights" in charts[name].alt
        assert svg.count('role="graphics-symbol"') + svg.count("translate") > 2


def test_hostile_names_break_nothing():
    certification, detectors = make_tables(2)
    for at, row in enumerate([*certification, *detectors]):
        text = NASTY[at % len(NASTY)]
        row["setup"] = text
        row["failures"] = row["verdict"] = text
        if "master" in row:
            row["master"] += text
        else:
            row["unit"] = text
    trends = make_trends(certification, detectors)
    assert len({chart.id for chart in trends.charts}) == len(trends.charts)
    for chart in trends.charts:
        assert re.fullmatch(r"[a-z_]+(-\d+)?", chart.id)
        text = json.dumps(chart.spec, allow_nan=False)
        for said in (chart.alt, chart.caption, chart.group):
            assert said.isprintable()
    render(json.loads(text), 360)
    assert all(remark.isprintable() for remark in trends.remarks)


def test_specs_are_vega_lite_and_the_same_each_time():
    tables = make_tables(6)
    charts, again = make_trends(*tables).charts, make_trends(*tables).charts
    assert json.dumps([one.spec for one in charts]) == json.dumps([one.spec for one in again])
    for chart in (charts[0], charts[3]):
        alt.LayerChart.from_dict(chart.spec | {"datasets": {}}, validate=True)
        render(chart.spec, 360)


def test_rise_of_read_noise_is_remarked_with_its_night():
    noise = np.where(np.arange(20) < 12, 8.0, 9.6)
    (remark,) = make_trends(*make_tables(20, noise=noise)).remarks
    assert remark.startswith(f"Read noise of setup ccd rose by 20 % since {NIGHTS[12]}: ")
    before, after = map(float, re.findall(r": ([\d.]+) e- before.*, ([\d.]+) e- since", remark)[0])
    assert (before, after) == pytest.approx((8, 9.6), abs=0.03)
    assert "median of 12 nights" in remark
    assert "8 nights" in remark


def test_steady_nights_have_no_remark():
    assert [make_trends(*make_tables(15, seed=seed)).remarks for seed in range(5)] == [[]] * 5


def test_failed_masters_do_not_count_in_remarks():
    certification, _ = make_tables(20)
    for row in certification:
        if "level" in row and "bias" in row["master"] and row["night"] >= NIGHTS[14]:
            row |= {"level": 1100.0, "verdict": "failed", "failures": "lit"}
    assert make_trends(certification, []).remarks == []


@pytest.mark.parametrize("number", [8, 12, 30])
def test_noise_alone_is_no_change(number):
    random = np.random.default_rng(number)
    found = [find_change(NIGHTS[:number], random.normal(100, 1, number), [0.0] * number, 0.0) for _ in range(200)]
    assert sum(change is not None for change in found) <= 6  # 3 %


@pytest.mark.parametrize(("number", "split"), [(12, 4), (12, 6), (30, 22)])
def test_step_is_found_where_it_is(number, split):
    random = np.random.default_rng(split)
    for _ in range(20):
        values = random.normal(100, 0.5, number) + np.where(np.arange(number) < split, 0, 20)
        step = find_change(NIGHTS[:number], values, [0.5] * number, 0.05)
        assert isinstance(step, Step)
        assert step.night == NIGHTS[split]
        assert (step.before, step.after) == pytest.approx((100, 120), abs=1.5)


def test_drift_is_told_from_a_step():
    random = np.random.default_rng(1)
    values = 1000 + np.arange(30) + random.normal(0, 0.5, 30)
    drift = find_change(NIGHTS[:30], values, [0.5] * 30, 0.002)
    assert isinstance(drift, Drift)
    assert (drift.start, drift.end) == pytest.approx((1000, 1029), abs=1)


def test_a_few_odd_nights_are_no_change():
    values = np.full(20, 100.0) + np.tile([0.1, -0.1], 10)
    values[[3, 9, 15]] = [300, 5, 250]
    assert find_change(NIGHTS[:20], values, [0.1] * 20, 0.0) is None


def test_change_that_does_not_matter_is_none():
    values = np.where(np.arange(20) < 10, 100.0, 101.0)
    assert isinstance(find_change(NIGHTS[:20], values, [0.01] * 20, 0.0), Step)
    assert find_change(NIGHTS[:20], values, [0.01] * 20, 0.02) is None


def test_no_time_is_written_as_the_interpreter_of_expressions_misreads_it():
    """To Vega's interpreter, which pages need instead of eval, datetime(1710100800000) is a year."""
    for chart in make_trends(*make_tables(6)).charts:
        assert "datetime(" not in json.dumps(vl_convert.vegalite_to_vega(chart.spec))
