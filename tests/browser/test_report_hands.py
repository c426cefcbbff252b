"""What a hand does on a night's page, by mouse and by keys: sliders, links, points of charts, folds."""

import io

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from darkroom.report_model import LightShown
from tests.browser.browser import PHONE, Page
from tests.browser.pages import BRIGHT, DIM, build_night, wait_for_all

POINTS = "return [...document.querySelectorAll('[data-chart=' + arguments[0] + '] svg .mark-symbol.role-mark path')]"
# Focus is to be seen: a rim that is not there without it, on what lies within the window and below nothing else.
FOCUS = """
    const each = document.activeElement, style = getComputedStyle(each), box = each.getBoundingClientRect();
    const x = Math.min(Math.max(box.left + box.width / 2, 0), innerWidth - 1);
    const y = Math.min(Math.max(box.top + box.height / 2, 0), innerHeight - 1);
    const top = document.elementFromPoint(x, y);
    return {
        at: [...document.querySelectorAll('*')].indexOf(each),
        what: each.outerHTML.slice(0, 100),
        rim: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1) || style.boxShadow !== 'none',
        within: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
        free: !!top && (each.contains(top) || top.contains(each)),
    };"""
CONTROLS = """
    return [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
        .filter(each => each.checkVisibility({visibilityProperty: true}) && !each.disabled && each.tabIndex >= 0 &&
                        !each.classList.contains('disabled'))
        .map(each => [[...document.querySelectorAll('*')].indexOf(each), each.outerHTML.slice(0, 100)]);"""


def capture_part(page: Page, selector: str) -> np.ndarray:
    """Return what a part of the page looks like, in grey (ny, nx)."""
    content = page.find(selector).screenshot_as_png
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"), dtype=float)


def find_point(page: Page, chart: str, raw: str):
    """Return the point of a chart that stands for a frame."""
    return page.run(POINTS + ".find(each => each.__data__.datum.raw === arguments[1])", chart, raw)


def verify_charts(page: Page, lights: list[LightShown]) -> None:
    """Demand that the charts show the model's figures, the higher the more."""
    for chart in ("sky", "fwhm", "stars", "elongation", "masked"):
        drawn = page.run(
            POINTS + ".map(({__data__: {datum, y}}) => [datum.raw, datum[arguments[1]], y])", f"chart-{chart}", chart
        )
        wanted = {light.raw: getattr(light, chart) for light in lights if getattr(light, chart) is not None}
        assert {raw: value for raw, value, _ in drawn} == pytest.approx(wanted, rel=1e-4)
        heights = dict(sorted({value: y for _, value, y in drawn}.items()))
        assert list(heights.values()) == sorted(heights.values(), reverse=True)


def test_slider_shows_more_of_one_picture(pages):
    page = pages.open("small")
    slider = page.find(".pair .slider input")
    told = set()

    def expect(percent, tolerance=0):
        """Expect the first picture left of this part of the width, and the second one right of it."""
        assert int(slider.get_attribute("value")) == pytest.approx(percent, abs=tolerance)
        told.add(slider.get_attribute("aria-valuetext"))
        shown = capture_part(page, ".pair .compare")
        height, width = shown.shape
        line = round(width * percent / 100)
        rim = 6 + width * tolerance // 100
        rows = slice(8, int(0.8 * height))  # below are the labels
        assert set(np.unique(shown[rows, 6 : max(6, line - rim)])) <= {BRIGHT}
        assert set(np.unique(shown[rows, line + rim : width - 6])) <= {DIM}

    page.run("arguments[0].closest('.pair').scrollIntoView({block: 'center'}); arguments[0].focus()", slider)
    expect(50)
    page.press(Keys.END)
    expect(100)
    page.press(Keys.HOME)
    expect(0)
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_LEFT)
    expect(2)
    assert len(told) == 4
    picture = page.find(".pair .compare")
    quarter = picture.size["width"] // 4
    mouse = ActionChains(page.driver, duration=0).move_to_element(picture).click_and_hold()
    mouse.move_by_offset(quarter, 0).release().perform()
    expect(75, 1)
    mouse = ActionChains(page.driver, duration=0).move_to_element(slider)
    mouse.move_by_offset(-quarter, 0).click().perform()
    expect(25, 2)
    page.verify_quiet()


def test_point_of_a_chart_leads_to_its_light(pages):
    lights = build_night("full").lights
    page = pages.open("full", PHONE)
    verify_charts(page, lights)
    odd = next(number for number, light in enumerate(lights, 1) if light.odd)
    other = len(lights) - 2
    for chart, number in (("chart-sky", odd), ("chart-fwhm", other)):
        point = find_point(page, chart, lights[number - 1].raw)
        page.run("arguments[0].scrollIntoView({block: 'center'})", point)
        ActionChains(page.driver, duration=0).move_to_element(point).click().perform()
        page.wait("return location.hash === arguments[0]", f"#light-{number}")
        assert [each.get_attribute("id") for each in page.find_all(".marked")] == [f"light-{number}"]
        assert page.focused().get_attribute("id") == f"light-{number}"
        box = page.run("return arguments[0].getBoundingClientRect().toJSON()", page.find(f"#light-{number}"))
        assert 0 <= box["top"] < 900
    page.verify_quiet()


def test_addresses_lead_to_rows(pages):
    page = pages.browser.open(pages.write("large"), fragment="#light-777")
    page.wait("const row = document.getElementById('light-777'); return row && row.classList.contains('marked')")
    assert page.find("#light-777").is_displayed()
    page = pages.open("full", fragment="#raw-5")
    assert page.find("#raw-5").is_displayed()
    box = page.run("return document.getElementById('raw-5').getBoundingClientRect().toJSON()")
    assert 0 <= box["top"] < 900


def test_links_lead_and_the_way_back_is_kept(pages):
    page = pages.open("full")
    for link in page.find_all(".contents a"):
        page.run("arguments[0].click()", link)
        target = link.get_attribute("hash")
        page.wait("return location.hash === arguments[0]", target)
        box = page.run("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", target)
        assert -2 <= box["top"] < 900, target
    page.driver.back()
    wait_for_all(page)
    assert page.run("return location.hash") == page.find_all(".contents a")[-2].get_attribute("hash")
    page.run("document.querySelectorAll('#lights-table details')[0].open = true")
    link = page.find("#light-1 a[href^='#master']")
    page.run("arguments[0].scrollIntoView({block: 'center'})", link)
    link.click()
    target = page.run("return location.hash")
    assert page.find(target).get_attribute("data-path") == build_night("full").lights[0].masters["bias"]
    assert page.find_all(".marked") == [page.find(target)]
    page.verify_quiet()


def test_folds_open_by_keys(pages):
    page = pages.open("full")
    page.press(Keys.TAB, Keys.ENTER)
    assert page.run("return location.hash") == "#content"  # the first link skips to it
    summary = page.find("#raws-all > summary")
    page.run("arguments[0].focus()", summary)
    page.press(Keys.ENTER)
    assert page.run("return document.getElementById('raws-all').open")
    assert len(page.find_all("#raws-table tbody tr")) == min(50, len(build_night("full").raws))
    page.press(Keys.SPACE)
    assert not page.run("return document.getElementById('raws-all').open")


@pytest.mark.parametrize("width", [1440, PHONE])
def test_tab_reaches_all_in_order_and_is_seen(pages, width):
    page = pages.open("small", width)
    wanted = page.run(CONTROLS)
    reached = []
    while len(reached) < 500:
        page.press(Keys.TAB)
        now = page.run(FOCUS)
        if now["what"].startswith(("<body", "<html")):
            break
        reached.append(now)
    places = [now["at"] for now in reached]
    assert places == sorted(places)
    assert [what for at, what in wanted if at not in places] == []
    assert [now["what"] for now in reached if not now["rim"]] == []
    assert [now["what"] for now in reached if not now["within"]] == []
    assert [now["what"] for now in reached if not now["free"]] == []
