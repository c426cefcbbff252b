"""The page of all nights: it looks as it should, and shows the numbers of its tables."""

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains

from darkroom.report_page import render_trends
from darkroom.trends import make_trends
from tests.browser.browser import DESK, PHONE
from tests.browser.pages import verify_links, verify_looks, verify_structure, wait_for_all
from tests.shown import NASTY

POINTS = "return [...document.querySelectorAll('[data-chart=' + arguments[0] + '] svg .mark-symbol.role-mark path')]"


def make_rows(nights, setups=("a camera",), text=""):
    """Return rows as those of certification.csv and detectors.csv."""
    random = np.random.default_rng(3)
    certification, detectors = [], []
    for number in range(nights):
        night = f"2024-{1 + number // 28:02}-{1 + number % 28:02}"
        for setup in setups:
            for quantity, value, unit in (("read_noise", 8.0, "e-"), ("gain", 1.5, "e-/ADU")):
                measured = value + 0.01 * random.normal() + (0.5 if number > nights / 2 else 0)
                detectors.append({"night": night, "setup": setup, "quantity": quantity, "unit": unit, "pairs": "7",
                                  "measured": f"{measured:.6f}", "error": "0.01", "header": ""})  # fmt: skip
            temperature = -10 + 3 * random.normal()
            figures = {"master_bias": {"level": 1000 + random.normal()},
                       "master_dark_60s": {"temperature": temperature, "rate": 0.07 * 2 ** (temperature / 6)},
                       f"master_flat_V{text}": {"change": 0.002, "pixel_change": 0.003}}  # fmt: skip
            for name, values in figures.items():
                row = {"night": night, "setup": setup, "master": f"{night}/{setup}/{name}.fits", "verdict": "passed",
                       "failures": text, "noise_excess": "0.001", "noise_excess_error": "0.002"}  # fmt: skip
                certification.append(row | {key: f"{value:.6g}" for key, value in values.items()})
    return certification, detectors


@pytest.fixture
def open_trends(browser, tmp_path):
    def open_trends(rows, width=DESK, **how):
        path = tmp_path / "trends.html"
        path.write_text(render_trends(make_trends(*rows), "An observatory"), encoding="utf-8")
        page = browser.open(path, width, **how)
        wait_for_all(page)
        return page

    return open_trends


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESK, "light")])
def test_looks(open_trends, width, scheme):
    page = open_trends(make_rows(30, ("one", "another")), width, scheme=scheme)
    verify_looks(page, f"trends-{width}")
    verify_structure(page)
    verify_links(page)
    page.verify_quiet()


@pytest.mark.parametrize("rows", [([], []), make_rows(1), make_rows(3, tuple(NASTY), NASTY[0])])
def test_few_nights_and_hostile_names(open_trends, rows):
    page = open_trends(rows, PHONE)
    verify_looks(page, "trends-odd")
    verify_structure(page)
    assert page.run("return document.querySelectorAll('b, img, [onerror], a[href^=javascript]').length") == 0
    page.verify_quiet()


def test_charts_agree_with_tables_and_lead_to_nights(open_trends, tmp_path):
    certification, detectors = make_rows(10)
    page = open_trends((certification, detectors))
    for chart, rows, value in (
        ("read_noise", [row for row in detectors if row["quantity"] == "read_noise"], "measured"),
        ("level", [row for row in certification if "level" in row], "level"),
        ("rate", [row for row in certification if "rate" in row], "rate"),
    ):
        [drawn] = {
            tuple(sorted(points.items()))
            for points in [dict(page.run(
                POINTS + ".map(each => [each.__data__.datum.night, each.__data__.datum[arguments[1]]])",
                f"chart-{chart}", chart,
            ))]
        }  # fmt: skip
        assert dict(drawn) == pytest.approx({row["night"]: float(row[value]) for row in rows}, rel=1e-4)

    (tmp_path / "2024-01-04").mkdir()
    (tmp_path / "2024-01-04" / "report.html").write_text("<!doctype html><title>that night</title>")
    [point] = [
        each
        for each in page.run(POINTS, "chart-level")
        if page.run("return arguments[0].__data__.datum.night", each) == "2024-01-04"
    ]
    page.run("arguments[0].scrollIntoView({block: 'center'})", point)
    ActionChains(page.driver, duration=0).move_to_element(point).click().perform()
    page.wait("return document.title === 'that night'")
