"""The page of a night, read back by a parser that knows nothing of its templates."""

import base64
import hashlib
import io
import json
import math
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from darkroom import page_libraries
from darkroom.page_libraries import enclose_script
from darkroom.page_pictures import embed_picture, link_file
from darkroom.page_verdict import judge_night
from darkroom.page_words import explain_figures, write_number
from darkroom.report_model import LightShown, MasterShown, Night, Problem
from darkroom.report_page import render_night, render_trends, write_json
from darkroom.trends import make_trends
from tests.shown import NASTY, make_hostile, make_night, make_picture

EMPTY = Night("2024-03-10", "Darkroom", [], [], [])
MADE = LightShown("p", "r", "s")
MEASURED = replace(MADE, sky=1.0)
VOID = {"meta", "link", "img", "input", "br"}


class Reader(HTMLParser):
    """Reads a page: its elements with their attributes, what is in scripts, and the text of it."""

    def __init__(self, page: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[tuple[dict[str, str], str]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        found = {name: value or "" for name, value in attrs}
        assert len(found) == len(attrs), f"an attribute is given twice: {attrs}"
        self.elements.append((tag, found))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((found, ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            attributes, before = self.scripts[-1]
            self.scripts[-1] = (attributes, before + data)
        else:
            self.text += data

    def list(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of all elements of a name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def load(self, id_: str):
        """Return what is in a script of JSON."""
        return json.loads(next(text for attributes, text in self.scripts if attributes.get("id") == id_))


@cache
def render(name: str) -> str:
    nights = {"plain": make_night, "hostile": make_hostile, "empty": lambda: make_night(0)}
    nights |= {"unmeasured": lambda: make_night(12, measured=False), "bare": lambda: EMPTY}
    return render_night(nights[name](), "0123abcd", {"kind": "report", "text": NASTY})


@cache
def read(name: str) -> Reader:
    return Reader(render(name))


PAGES = ["plain", "hostile", "empty", "unmeasured", "bare"]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_and_holds_its_stamp(name):
    page = render(name)
    assert page.startswith("<!doctype html>\n")
    assert page.endswith("</html>\n")
    assert page.index('<meta name="darkroom-recipe" content="0123abcd">') < 120
    reader = read(name)
    assert reader.open == []
    assert reader.load("recipe") == {"kind": "report", "text": NASTY}


@pytest.mark.parametrize("name", PAGES)
def test_page_asks_for_nothing_and_runs_only_what_its_policy_names(name):
    reader = read(name)
    policy = next(each["content"] for each in reader.list("meta") if "http-equiv" in each)
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "connect-src" not in rules
    runs = [text for attributes, text in reader.scripts if attributes.get("type") != "application/json"]
    digests = {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in runs}
    assert set(rules["script-src"].split()) == digests
    for _, attributes in reader.elements:
        assert not [key for key in attributes if key.startswith("on")]
        assert attributes.get("src", "data:").startswith("data:")
    for link in reader.list("link"):
        assert link["href"] == "data:,"
    for link in reader.list("a"):
        assert link["href"].startswith(("#", "./")) or link["href"] == "lights.csv"


@pytest.mark.parametrize("name", PAGES)
def test_links_within_lead_to_what_is_there_and_no_id_is_given_twice(name):
    reader = read(name)
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [link["href"][1:] for link in reader.list("a") if link["href"].startswith("#")]
    assert targets
    assert set(targets) <= set(ids)
    data = reader.load("data")
    assert {anchor for kind in data["anchors"].values() for anchor in kind.values()} <= set(ids)
    assert set(data["charts"]) == {each["data-chart"] for each in reader.list("div") if "data-chart" in each}


def test_hostile_names_make_no_elements():
    plain, hostile = read("plain"), read("hostile")
    assert {tag for tag, _ in hostile.elements} <= {tag for tag, _ in plain.elements} | {"h4"}
    assert len(hostile.scripts) == len(plain.scripts)
    assert NASTY[0] in hostile.text
    assert "two\\nlines\\tand\\x07a bell\\u2028\\u202eturned" in hostile.text
    assert hostile.load("data")["anchors"]["light_raws"][f"4 {NASTY[4]}.fits"] == "light-5"


def test_names_that_are_no_text_can_be_written():
    light = LightShown("", "l\udcff\x00.fits", "s", object="\ud800", filter="\x1b[31m", preview="a/\udcff%?#.png")
    page = render_night(replace(EMPTY, lights=[light], settings={"raw": "a\udcff"}), "d", {"raw": "\udcff"})
    assert "l\\udcff\\x00.fits" in page
    assert 'href="./a/%FF%25%3F%23.png"' in page
    assert page.encode().decode() == page


def test_a_text_without_end_is_cut():
    light = LightShown("", "x" * 1_000_000, "s", object="y" * 1_000_000, notes="z" * 1_000_000)
    plain = render_night(replace(EMPTY, lights=[LightShown("", "x", "s", object="y", notes="z")]))
    page = render_night(replace(EMPTY, lights=[light], problems=[Problem("p" * 1_000_000)]))
    without_data = re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    assert len(without_data) < len(plain) + 50_000


def test_table_of_lights_has_the_figures_of_all():
    night = make_night()
    rows = re.findall(
        r'<tr id="light-(\d+)" data-path="([^"]*)" data-raw="([^"]*)".*?</tr>', render("plain"), re.DOTALL
    )
    whole = re.findall(r'<tr id="light-\d+".*?</tr>', render("plain"), re.DOTALL)
    assert [(int(n), path, raw) for n, path, raw in rows] == [
        (n, light.path, light.raw) for n, light in enumerate(night.lights, 1)
    ]
    for light, row in zip(night.lights, whole, strict=True):
        for key in ("sky", "noise", "noise_expected", "fwhm", "elongation", "stars", "masked", "sky_rms",
                    "temperature"):  # fmt: skip
            value = re.search(rf'<td data-key="{key}" data-order="([^"]*)"', row)[1]
            assert (float(value) if value else None) == getattr(light, key)
        assert ("stands out" in row) == bool(light.odd)
        assert ("skipped" in row) == (not light.path)
        assert all(problem.what in row for problem in light.missing)
        assert row.count("<img") == bool(light.thumbnail)


def test_columns_without_a_figure_are_left_out():
    heads = [each["data-key"] for each in read("unmeasured").list("th") if "data-key" in each]
    assert "sky" not in heads
    assert {"frame", "verdict", "filter", "temperature"} <= set(heads)


def test_plan_in_words_leads_from_a_light_to_its_raw_frames():
    page = render("plain")
    row = re.search(r'<tr id="light-1".*?</tr>', page, re.DOTALL)[0]
    group = re.search(r'href="#(plan-[^"]+)"', row)[1]
    words = page[page.index(f'id="{group}"') : page.index('<section id="masters"')]
    numbers = {raw.name: f"raw-{n}" for n, raw in enumerate(make_night().raws, 1)}
    for name in ("flat_B_001.fits", "dark_120s_009.fits", "bias_015.fits"):
        assert f'<a href="#{numbers[name]}">{name}</a>' in words


def test_settings_keep_their_lines():
    assert "bias:\n  use: true\n  combine:\n    method: mean\n" in render("plain")


def test_page_is_the_same_each_time():
    assert render_night(make_night(), "0123abcd", {"kind": "report", "text": NASTY}) == render("plain")


def test_a_thousand_lights_fit():
    page = render_night(make_night(1000))
    assert page.count('<tr id="light-') == 1000
    assert len(page.encode()) < 25_000_000


@pytest.mark.parametrize(
    ("night", "tone", "words"),
    [
        (EMPTY, "warn", ["There are no lights", "nothing to calibrate", "There are no masters."]),
        (replace(EMPTY, lights=[MADE]), "good", ["All is well", "only light is calibrated", "not measured"]),
        (replace(EMPTY, lights=[MEASURED] * 3), "good", ["All 3 lights", "None of them stands out"]),
        (replace(EMPTY, lights=[replace(MADE, path="")]), "bad", ["No light could be", "1 light was sought"]),
        (replace(EMPTY, lights=[replace(MEASURED, odd={"sky": "x"})]), "warn", ["1 of those made stands out"]),
        (make_night(), "warn", ["22 of 24 lights", "2 lack a master", "5 certified, 1 unproven, 1 failed, 1 not made",
                                "set aside"]),
        (replace(EMPTY, lights=[MADE], masters=[MasterShown("m", "bias", "n", "s", verdict="failed")]), "warn",
         ["Usable", "1 that failed is used all the same"]),
    ],
)  # fmt: skip
def test_verdict_says_how_the_night_went(night, tone, words):
    verdict = judge_night(night)
    said = " ".join([verdict["headline"], *verdict["sentences"]])
    assert verdict["tone"] == tone
    for word in words:
        assert word in said


def test_reasons_of_skipped_lights_are_counted_with_what_helps():
    (reason,) = judge_night(make_night())["reasons"]
    assert reason["number"] == 2
    assert "no flat of filter I" in reason["what"]
    assert "max_age_days" in reason["remedy"]


def test_figures_of_certificates_are_explained():
    told = {
        one["key"]: one
        for night in [make_night()]
        for master in night.masters
        for one in explain_figures(master.figures)
    }
    assert set(told) == {
        key for master in make_night().masters for key, value in master.figures.items() if value is not None
    }
    assert all(one["meaning"] for one in told.values())
    assert told["hot_fraction"]["value"] == "0.09995 %"
    assert explain_figures({"new_one": 3.0, "residual": None}) == [
        {"key": "new_one", "name": "new one", "value": "3", "meaning": ""}
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (math.nan, "–"), (True, "yes"), (0.0, "0"), (312.04, "312"), (0.0012376, "0.001238"),
     (29970.0, "29,970"), (np.float32(2.5), "2.5"), (3, "3"), ("as it is", "as it is")],
)  # fmt: skip
def test_numbers_are_written_as_people_do(value, text):
    assert write_number(value) == text


def test_pictures_are_embedded_with_their_size():
    content = make_picture(1, 96, "JPEG")
    picture = embed_picture(content)
    assert (picture.width, picture.height) == (96, 96)
    assert base64.b64decode(picture.uri.removeprefix("data:image/jpeg;base64,")) == content


def test_pictures_that_are_too_large_are_made_smaller():
    content = make_picture(1, 800)
    picture = embed_picture(content, 384)
    assert (picture.width, picture.height) == (384, 384)
    assert Image.open(io.BytesIO(base64.b64decode(picture.uri.partition(",")[2]))).size == (384, 384)
    heavy = embed_picture(content, heavy=len(content) - 1)
    assert heavy.uri.startswith("data:image/jpeg;")
    assert (heavy.width, heavy.height) == (800, 800)


@pytest.mark.parametrize("content", [b"", b"no picture", make_picture(1)[:20], b"GIF89a" + bytes(50)])
def test_what_is_no_picture_is_left_out(content):
    assert embed_picture(content) is None
    master = MasterShown("m", "bias", "n", "s", picture=content)
    page = render_night(replace(EMPTY, lights=[replace(MADE, thumbnail=content)], masters=[master]))
    assert 'id="light-1"' in page
    assert Reader(page).list("img") == []


@pytest.mark.parametrize(
    ("path", "link"),
    [("", ""), ("a b/c.png", "./a%20b/c.png"), ("javascript:x", "./javascript%3Ax"), ("//host/x", ".///host/x")],
)
def test_links_to_files_stay_beside_the_page(path, link):
    assert link_file(path) == link


def test_json_in_a_page_is_json_and_no_markup():
    value = {text: [text, math.nan, None, 1.5] for text in NASTY}
    text = write_json(value)
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == {text: [text, None, None, 1.5] for text in NASTY}


def test_scripts_cannot_end_their_element():
    script = enclose_script('a = "<!-- <script> </SCRIPT>"; b < c;\r\n')
    assert script == '\na = "\\x3C!-- \\x3Cscript> \\x3C/SCRIPT>"; b < c;\n'


def test_page_of_trends_has_its_charts_tables_and_words():
    rows = [{"night": f"2024-03-{day:02}", "setup": NASTY[0], "quantity": "gain", "unit": "e-/ADU", "measured": 1.5,
             "error": 0.001, "pairs": 6} for day in range(1, 5)]  # fmt: skip
    trends = make_trends([], rows)
    reader = Reader(render_trends(trends, NASTY[1], "0123abcd", {"kind": "trends"}))
    assert reader.load("recipe") == {"kind": "trends"}
    assert len(reader.load("data")["charts"]) == len(trends.charts) > 0
    links = [each["href"] for each in reader.list("a")]
    assert all(f"./2024-03-{day:02}/report.html" in links for day in range(1, 5))
    assert NASTY[1] in reader.text
    assert not [src for each in reader.list("img") if not (src := each["src"]).startswith("data:")]
    none = Reader(render_trends(make_trends([], []), "Darkroom"))
    assert "No night has been certified" in none.text
    assert none.load("data")["charts"] == {}


def test_vega_is_kept_for_the_next_page(tmp_path):
    page_libraries.read_vega.cache_clear()
    first = page_libraries.read_vega(tmp_path)
    [kept] = tmp_path.iterdir()
    page_libraries.read_vega.cache_clear()
    with patch("vl_convert.javascript_bundle", side_effect=AssertionError("bundled again")):
        assert page_libraries.read_vega(tmp_path) == first
    page_libraries.read_vega.cache_clear()
    assert page_libraries.read_vega(kept / "a file, no folder") == first  # nowhere to keep it
    assert kept.read_text("utf-8") == first
