"""The page of a night as it looks: on a desk and on a phone, in light, dark and print, with names that mean harm."""

import re

import pytest

from tests.browser.browser import DESK, PHONE
from tests.browser.pages import build_night, verify_links, verify_looks, verify_structure


@pytest.mark.parametrize("night", ["full", "hostile", "empty", "unmeasured"])
@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "light"), (DESK, "dark")])
def test_page_is_quiet_and_nothing_lies_over_another(pages, night, width, scheme):
    page = pages.open(night, width, scheme=scheme)
    verify_looks(page, f"{night}-{width}-{scheme}")
    page.prefer("light" if scheme == "dark" else "dark")  # while it is open
    assert page.find_faint_texts() == []
    if width == DESK:
        verify_structure(page)
        verify_links(page)
    page.verify_quiet()


def test_hostile_names_are_text(pages):
    night = build_night("hostile")
    page = pages.open("hostile")
    page.run("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.run("return seen") == []
    assert page.run("return document.querySelectorAll('b, [onerror], [onclick], a[href^=javascript]').length") == 0
    assert page.run("return [...document.images].filter(each => !each.src.startsWith('data:')).length") == 0
    scripts = page.run("return [...document.scripts].map(each => [each.type, each.text.slice(0, 60)])")
    assert all(kind in ("", "module", "application/json") for kind, _ in scripts), scripts
    text = page.run("return document.body.innerText")
    for light in night.lights:
        assert (light.raw[:50] in text) == (light.raw.isprintable()), light.raw
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", text)


def test_print(pages):
    page = pages.open("full")
    with page.printed():
        page.capture("full-print")
        assert page.run("return getComputedStyle(document.querySelector('.contents')).display") == "none"
        assert page.find_overlaps() == []
        assert page.find_cut_texts() == []
        assert page.find_faint_texts() == []
    pdf = page.print()
    assert pdf.startswith(b"%PDF-")
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 40


def test_page_without_scripts(pages):
    night = build_night("full")
    page = pages.browser.open(pages.write("full"), scripts=False)
    assert page.run("return document.documentElement.dataset.ready") is None
    assert len(page.find_all("#lights-table tbody tr")) == len(night.lights)
    assert "Without JavaScript" in page.find("noscript").text
    text = page.run("return document.body.innerText")
    assert all(light.raw in text for light in night.lights)
    assert all(problem.what in text for problem in night.problems)
    assert all(problem.remedy in text for problem in night.problems)
    for control in page.find_all("#lights-filters *"):
        assert not control.is_displayed()  # it would do nothing
    verify_looks(page, "full-without-scripts")
    assert page.requests() == []
