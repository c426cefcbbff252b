"""The eyes of these tests see what is amiss on small pages, and nothing where nothing is."""

import pytest

from tests.browser.browser import DESK, PHONE

STYLE = "<!doctype html><meta name=viewport content='width=device-width'><style>body{margin:20px;font:16px sans-serif}"
LAID_OVER = "position:absolute;left:20px;top:20px"
HIDDEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip:rect(0,0,0,0);white-space:nowrap"


@pytest.fixture
def show(browser, tmp_path):
    def show(body, style="", **how):
        page = tmp_path / "page.html"
        page.write_text(f"{STYLE}{style}</style><title>t</title>{body}")
        return browser.open(page, **how)

    return show


SVG = '<svg width="300" height="200" font-size="14">{}</svg>'
IN_SVG = SVG.format('<text y="14" x="2">in SVG</text>')
SLANTED = '<text transform="translate({} 90) rotate(-45)">a long label</text>'


@pytest.mark.parametrize(
    "body",
    [
        f'<p>below</p><div style="{LAID_OVER}">above</div>',
        '<p style="line-height:6px"><span>one</span><br><span>two</span></p>',
        SVG.format('<text x="10" y="50">minus five</text><text x="60" y="52">minus four</text>'),
        SVG.format('<text x="10" y="100">level</text><text transform="translate(30 120) rotate(-90)">counts</text>'),
        SVG.format('<text x="9" y="50" textLength="39">1,300</text><text x="49" y="50">1,305</text>'),  # touching
        f'<p>text</p><input value="a value" style="{LAID_OVER}">',
        f'<p>in HTML</p><div style="{LAID_OVER}">{IN_SVG}</div>',
        f'<details open><summary>more</summary><b>inside</b></details><i style="{LAID_OVER}">outside</i>',
        f'<p><b>parent <i style="{LAID_OVER}">child</i></b></p>',
    ],
)
def test_texts_over_each_other_are_found(show, body):
    assert len(show(body).find_overlaps()) == 1


@pytest.mark.parametrize(
    "body",
    [
        "<p>one</p><p>two</p>",
        '<p style="line-height:1.05"><span>Ájgq</span><br><span>Ájgq</span></p>',
        f'<p>below</p><div style="{LAID_OVER};visibility:hidden">above</div>',
        f'<p>below</p><div style="{LAID_OVER};opacity:0">above</div>',
        f'<p>below</p><p style="{HIDDEN};top:20px;left:20px">for screen readers</p>',
        f'<p>below</p><details style="{LAID_OVER};top:60px"><summary>more</summary><b>far away</b></details>',
        "<details><summary>more</summary><b>inside</b></details><p>after</p>",
        SVG.format(SLANTED.format(30) + SLANTED.format(50)),
        '<div style="height:50px;overflow:auto"><p>1</p><p>2</p><p>3</p></div><p>after</p>',
        "<button>press <b>me</b></button> <label>name <input></label>",
        '<nav style="position:sticky;top:0">contents</nav><p>first</p><p style="height:3000px">second</p>',
        "<p>nothing <sup>2</sup> <b>over</b> anything</p>",
    ],
)
def test_texts_beside_each_other_are_not(show, body):
    page = show(body)
    page.run("scrollTo(0, 1000)")
    assert page.find_overlaps() == []


def test_texts_that_are_cut_off_are_found(show):
    page = show(
        '<p style="width:60px;overflow:hidden;white-space:nowrap">no end of this</p>'
        '<p style="height:8px;overflow:hidden">half a line</p>' + SVG.format('<text x="290" y="20">beyond</text>')
    )
    assert len(page.find_cut_texts()) == 3
    page = show(
        '<p style="width:60px;overflow:auto;white-space:nowrap">no end of this</p>'
        '<p style="width:60px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis">no end of this</p>'
        f'<p style="{HIDDEN}">for screen readers</p>' + SVG.format('<text x="200" y="20">within</text>')
    )
    assert page.find_cut_texts() == []


def test_texts_below_something_are_found(show):
    page = show(f'<p>below</p><div style="{LAID_OVER};background:red;width:90px;height:60px"></div>')
    assert len(page.find_covered_texts()) == 1
    assert show("<p>first</p><p>second <b>third</b></p>").find_covered_texts() == []


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_pages_wider_than_their_window_are_found(show, width):
    wide = show('<div><div id="wide" style="width:2000px">wide</div></div>', width=width)
    assert wide.run("return innerWidth") >= width
    assert "div#wide" in wide.find_sideways()
    roaming = show('<div style="overflow:auto"><div style="width:2000px">wide</div></div>', width=width)
    assert roaming.find_sideways() == []
    assert roaming.run("return innerWidth") == width


def test_boxes_that_no_key_scrolls_are_found(show):
    box = '<div id="box" style="width:100px;overflow:auto"{}><p style="width:300px">wide</p>{}</div>'
    assert show(box.format("", "")).find_stuck() == ["div#box"]
    assert show(box.format(" tabindex=0", "")).find_stuck() == []
    assert show(box.format("", "<a href='#box'>focus</a>")).find_stuck() == []


def test_faint_texts_are_found(show):
    body = '<p style="color:{}">some words</p>'
    assert len(show(body.format("#777")).find_faint_texts()) == 1  # 4.48
    assert show(body.format("#767676")).find_faint_texts() == []  # 4.54, the lightest grey on white of WCAG
    assert show(body.format("#767676;opacity:0.8")).find_faint_texts() != []
    assert show(body.format("#777;font-size:24px")).find_faint_texts() == []
    assert show(body.format("#fff;background:rgb(0 0 0/0.5)")).find_faint_texts() != []
    assert show(body.format("color-mix(in oklab, black, white 10%)")).find_faint_texts() == []
    assert show(body.format("#fff;background:linear-gradient(#000,#fff)")).find_faint_texts() == []  # not plain
    dark = "body{color:#222} @media (prefers-color-scheme:dark){body{background:#111}}"
    assert show("<p>words", dark).find_faint_texts() == []
    assert show("<p>words", dark, scheme="dark").find_faint_texts() != []


def test_what_pages_say_and_ask_for_is_heard(show):
    page = show(
        '<img src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"><p>quiet',
        fragment="#p",
    )
    page.verify_quiet()
    page = show('<img src="http://127.0.0.1:9/x.png"><link rel=stylesheet href="file:///nowhere.css"><p>asks')
    assert sorted(page.requests()) == ["file:///nowhere.css", "http://127.0.0.1:9/x.png"]
    assert page.errors()
    page = show(
        "<script>setTimeout(() => undefined.x); Promise.reject('no'); alert('here'); console.warn('hm')</script>"
    )
    page.wait("return seen.length == 3")
    said = " ".join(page.errors())
    assert all(word in said for word in ("undefined", "rejected: no", "alert: here", "hm"))
