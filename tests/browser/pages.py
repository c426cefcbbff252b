"""Pages of made-up nights, and what every page of ours has to be."""

import io
import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from PIL import Image

from darkroom.report_model import Night, Pair
from darkroom.report_page import render_night
from tests.browser.browser import Browser, Page
from tests.shown import make_hostile, make_night
from tests.shown_stacks import make_stack

BRIGHT, DIM = 200, 50  # of the pictures of the small night's pair


def make_small() -> Night:
    """Return a night of three lights, whose pair of pictures are one grey each, and their stack."""
    night = make_night(3)
    night.pairs = [Pair("a pair", make_grey(BRIGHT), make_grey(DIM), "raw", "calibrated")]
    night.stacks = [make_stack(night.lights, make_grey(DIM))]
    night.stacks[0].exposure, night.stacks[0].filter = None, ""
    return night


def make_grey(level: int) -> bytes:
    """Return a picture of one grey, as PNG."""
    buffer = io.BytesIO()
    Image.new("L", (256, 256), level).save(buffer, "PNG")
    return buffer.getvalue()


NIGHTS: dict[str, Callable[[], Night]] = {
    "full": make_night,
    "hostile": make_hostile,
    "empty": lambda: make_night(0),
    "unmeasured": lambda: make_night(12, measured=False),
    "small": make_small,
    "large": lambda: make_night(1000),
}

build_night = cache(lambda name: NIGHTS[name]())  # once a process


class Pages:
    """Writes pages to a folder, each once, and opens them."""

    def __init__(self, browser: Browser, folder: Path):
        self.browser = browser
        self.folder = folder
        self.written: dict[str, Path] = {}

    def write(self, name: str) -> Path:
        """Write the page of a made-up night; return its path."""
        if name not in self.written:
            path = self.folder / f"{name}.html"
            path.write_text(render_night(build_night(name), "0123abcd", {"kind": "report"}), encoding="utf-8")
            self.written[name] = path
        return self.written[name]

    def open(self, name: str, width: int = 1440, **how: str) -> Page:
        """Open the page of a made-up night, and wait until its tables and charts are there."""
        page = self.browser.open(self.write(name), width, **how)
        wait_for_all(page)
        return page


def wait_for_all(page: Page) -> None:
    """Wait until a page has its tables and charts."""
    page.wait("return document.documentElement.dataset.ready === 'true'")


def verify_looks(page: Page, name: str) -> None:
    """Demand that nothing on a page lies over another, is cut off or too faint, closed and with all that opens open."""
    page.run("for (const each of document.images) each.loading = 'eager'")
    page.wait("return [...document.images].every(each => each.complete)")
    assert page.run("return [...document.images].filter(each => !each.naturalWidth).map(each => each.alt)") == []
    for state in ("closed", "open"):
        if state == "open":
            page.run("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        page.capture(f"{name}-{state}")
        found = {
            "too wide": page.find_sideways(),
            "over each other": page.find_overlaps(),
            "cut off": page.find_cut_texts(),
            "no keys scroll it": page.find_stuck(),
            "covered": page.find_covered_texts() if state == "closed" else [],
            "faint": page.find_faint_texts() if state == "open" else [],
        }
        assert not any(found.values()), {what: texts[:10] for what, texts in found.items() if texts}


def verify_structure(page: Page) -> None:
    """Demand what a screen reader needs: a language, one first heading, headings in order, names for all there is."""
    assert page.run("return document.documentElement.lang")
    assert page.driver.title
    levels = page.run("return [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(each => +each.localName[1])")
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(lower - upper <= 1 for upper, lower in pairwise(levels)), levels
    bare = """
        const named = each => each.getAttribute('aria-label') || each.title || each.textContent.trim() ||
            (each.getAttribute('aria-labelledby') || '').split(' ').some(id => document.getElementById(id)) ||
            [...each.querySelectorAll('img')].some(image => image.alt);
        const tell = each => each.outerHTML.slice(0, 120);
        return {
            'pictures without alt': [...document.images].filter(each => !each.hasAttribute('alt')).map(tell),
            'inputs without a label': [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
                .filter(each => !each.labels.length && !each.getAttribute('aria-label') &&
                                !each.getAttribute('aria-labelledby')).map(tell),
            'links and buttons without a name': [...document.querySelectorAll('a[href], button, summary, [role=img]')]
                .filter(each => !named(each)).map(tell),
            'tables without headings': [...document.querySelectorAll('table')]
                .filter(each => !each.querySelector('th')).map(tell),
            'headings without text': [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')]
                .filter(each => !each.textContent.trim()).map(tell),
            'ids given twice': [...document.querySelectorAll('[id]')].map(each => each.id)
                .filter((id, at, all) => all.indexOf(id) !== at),
        };"""
    found = page.run(bare)
    assert not any(found.values()), {what: texts[:5] for what, texts in found.items() if texts}
    assert page.run("return document.querySelectorAll('main').length") == 1


def verify_links(page: Page) -> None:
    """Demand that links within the page lead to what is there, and others to files beside it."""
    targets = page.run("return [...document.querySelectorAll('a[href]')].map(each => each.getAttribute('href'))")
    assert targets
    inner = {unquote(target[1:]) for target in targets if target.startswith("#")}
    written = page.path.read_text(encoding="utf-8")  # a table has only the rows of its page in the document
    assert inner - set(re.findall(r'\sid="([^"]*)"', written)) == set()
    outer = [target for target in targets if not target.startswith("#")]
    where = page.run("return arguments[0].map(each => new URL(each, location).href)", outer)
    folder = page.url.rpartition("/")[0]
    assert [url for url in where if not url.startswith(f"{folder}/")] == []
