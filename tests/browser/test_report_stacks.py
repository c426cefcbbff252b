"""Stacks on the page of a night: cards that hold what the model says, links that lead to lights and back."""

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.browser import DESK, PHONE
from tests.browser.pages import build_night, verify_links, verify_looks, verify_structure

RIGHT = """
    const ends = (row, at) => {
        const range = document.createRange();
        range.selectNode([...row.cells[at].childNodes].findLast(each => each.nodeType === Node.TEXT_NODE));
        return Math.round(range.getBoundingClientRect().right);
    };
    const table = document.getElementById('lights-table');
    return [...table.tHead.rows[0].cells].flatMap((head, at) => head.classList.contains('number')
        ? [[head.dataset.key, [...new Set([...table.tBodies[0].rows].map(row => ends(row, at)))]]] : []);"""


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (DESK, "light")])
def test_stacks_look_well(pages, width, scheme):
    page = pages.open("full", width, scheme=scheme)
    verify_looks(page, f"stacks-{width}-{scheme}")
    assert len(page.find_all("#stacks article")) == len(build_night("full").stacks)
    assert page.find_all(".contents a[href='#stacks']")
    page.verify_quiet()


def test_night_of_few_lights_has_a_stack_and_no_column_of_remarks(pages):
    page = pages.open("small", PHONE)
    verify_looks(page, "small-stack")
    verify_structure(page)
    verify_links(page)
    keys = page.run("return [...document.querySelectorAll('#lights-table thead th')].map(each => each.dataset.key)")
    assert "remark" not in keys
    rows = page.run("return [...document.querySelectorAll('#lights-table tbody tr')].map(each => each.cells.length)")
    assert rows == [len(keys)] * 3
    assert "exposures of several lengths" in page.find("#stack-1").text
    page.verify_quiet()


def test_night_without_stacks_has_no_section_of_them(pages):
    page = pages.open("unmeasured")
    assert page.find_all("#stacks, .contents a[href='#stacks'], td[data-key=sky_rms]") == []


def test_links_lead_from_a_stack_to_its_lights_and_back(pages):
    night = build_night("full")
    number, stack = next((at, one) for at, one in enumerate(night.stacks, 1)
                         if not one.problem and not all(light.used for light in one.lights))  # fmt: skip
    page = pages.open("full", PHONE)
    summary = page.find(f"#stack-{number} details summary")
    page.run("arguments[0].scrollIntoView({block: 'center'}); arguments[0].focus()", summary)
    page.press(Keys.ENTER)
    links = page.find_all(f"#stack-{number} table a")
    paths = {light.path: f"#light-{at}" for at, light in enumerate(night.lights, 1) if light.path}
    assert [link.get_attribute("hash") for link in links] == [paths[light.path] for light in stack.lights]
    [left_out] = [light for light in stack.lights if not light.used]
    link = page.find(f"#stack-{number} .left-out a")
    assert link.get_attribute("hash") == paths[left_out.path]
    page.run("arguments[0].focus()", link)
    page.press(Keys.ENTER)
    page.wait("return location.hash === arguments[0]", paths[left_out.path])
    row = page.find(paths[left_out.path])
    assert page.find_all(".marked") == [row]
    assert left_out.reason in row.text
    back = page.find(f"{paths[left_out.path]} .more a[href='#stack-{number}']")  # its details have opened
    page.run("arguments[0].scrollIntoView({block: 'center'})", back)
    back.click()
    page.wait("return location.hash === arguments[0]", f"#stack-{number}")
    assert page.find_all(".marked") == [page.find(f"#stack-{number}")]
    page.verify_quiet()


def test_numbers_of_lights_stand_right_aligned(pages):
    page = pages.open("full")
    ends = dict(page.run(RIGHT))
    assert {"sky", "fwhm", "sky_rms"} <= set(ends)
    assert {key: places for key, places in ends.items() if len(places) > 1} == {}


def test_lights_sort_by_their_plate_solutions(pages):
    lights = build_night("full").lights
    page = pages.open("full")
    head = page.find("#lights-table thead th[data-key=sky_rms] [role=button]")
    page.run("arguments[0].scrollIntoView({block: 'center', inline: 'center'}); arguments[0].click()", head)
    page.wait("return document.querySelector('#lights-table th[data-key=sky_rms]').ariaSort === 'ascending'")
    ids = page.run("return [...document.querySelectorAll('#lights-table tbody tr')].map(each => each.id)")
    values = [lights[int(id_.removeprefix("light-")) - 1].sky_rms for id_ in ids]
    known = [value for value in values if value is not None]
    assert known == sorted(known)
    assert values[len(known) :] == [None] * (len(values) - len(known))


def test_stacks_in_print_and_without_scripts(pages):
    night = build_night("full")
    page = pages.open("full")
    with page.printed():
        folds = page.run("return [...document.querySelectorAll('#stacks details')].map(each => each.open)")
        assert folds
        assert all(folds)
    page = pages.browser.open(pages.write("full"), scripts=False)
    text = page.run("return document.body.innerText")
    assert all(stack.problem in text for stack in night.stacks)
    assert all(light.reason in text for stack in night.stacks for light in stack.lights)
    assert all(light.unsolved.partition(";")[0] in text for light in night.lights)
