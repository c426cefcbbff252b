"""The documentation: what it names is there, and what it gives as settings is accepted."""

import math
import re
from pathlib import Path

import pytest
import yaml

from darkroom import oddities
from darkroom.dialects import GENERIC, read_dialects
from darkroom.night_tables import COLUMNS
from darkroom.settings import check_settings, fill_defaults, read_schema

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FRAMES = (ROOT / "docs" / "frames.md").read_text()
REPORT = (ROOT / "docs" / "report.md").read_text()
SOLVING = (ROOT / "docs" / "solving.md").read_text()
IMAGES = ROOT / "docs" / "images"
DESIGN = (ROOT / "docs" / "design.md").read_text()
DIALECT_KEYS = {"recognise", "order", "cards", "sky", "words", "rules", "derive", "unsaid"}


def list_examples():
    for page in PAGES:
        for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.S | re.M)):
            yield pytest.param(yaml.safe_load(block), id=f"{page.name}-{number}")


def make_anchor(heading):
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def list_rows(text, heading):
    """The cells of the first table after a heading, without its head."""
    lines = text.split(f"\n{heading}\n")[1].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|---"))
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("example", list(list_examples()))
def test_examples_are_accepted(example):
    if "recognise" not in example:
        check_settings(example)
        return
    generic = read_dialects()[GENERIC]
    assert set(example) == DIALECT_KEYS
    assert set(example["cards"]) | set(example["derive"]) <= set(generic["cards"])
    assert set(example["sky"]) <= set(generic["sky"])
    assert set(example["words"]) <= set(generic["words"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.M)
            assert anchor in map(make_anchor, headings), link


def test_all_dialects_are_named():
    named = [cells[0].strip("`") for cells in list_rows(FRAMES, "## Whose header it is")]
    assert named == list(read_dialects())


def test_ailments_are_named_with_what_becomes_of_the_frame():
    defaults = fill_defaults({}, read_schema())["health"]
    del defaults["saturated_share"]
    deeds = {"leave_out": "left out", "warn": "used, with a warning"}
    named = {cells[0].strip("`"): cells[2] for cells in list_rows(FRAMES, "## Health")}
    assert set(named) == set(defaults)
    for ailment, deed in defaults.items():
        assert named[ailment].startswith(deeds[deed]), ailment


def test_settings_of_solving_are_named_with_their_defaults():
    defaults = fill_defaults({}, read_schema())["solve"]
    named = {cells[0].strip("`"): cells[1].strip("`") for cells in list_rows(SOLVING, "## Settings")}
    assert {setting: yaml.safe_load(default) for setting, default in named.items()} == defaults


def test_the_map_names_no_room_that_is_gone():
    rooms = DESIGN.split("The library's rooms:")[1].split("What runs while Snakemake parses")[0]
    there = {path.stem for path in (ROOT / "workflow" / "darkroom").rglob("*.py")}
    assert set(re.findall(r"`(\w+)`", rooms)) <= there
    packages = {path.parent.name for path in (ROOT / "workflow" / "darkroom").glob("*/__init__.py")}
    assert set(re.findall(r"`(\w+)/`", rooms)) == packages


def test_limits_of_what_stands_out_are_those_of_the_code():
    figures = {one.name: one for one in (oddities.SKY, oddities.STARS, oddities.EXCESS, *oddities.OTHERS)}
    named = {cells[0].strip("`"): cells[1:] for cells in list_rows(REPORT, "## What stands out")}
    assert set(named) == set(figures)
    for name, cells in named.items():
        figure = figures[name]
        limits = {"above": figure.above, "below": figure.below}, {"above": figure.above_all, "below": figure.below_all}
        for cell, known in zip(cells, limits, strict=True):
            told = {word: float(limit) for word, limit in re.findall(r"(above|below) (?:1/)?([\d.]+)", cell)}
            assert told == pytest.approx({word: math.exp(limit) for word, limit in known.items() if limit < math.inf})
    told = (oddities.AROUND, oddities.DEVIATION, oddities.UNEXPECTED, oddities.ROUND, oddities.SOME)
    assert told == (20, 4, 2, 1.25, 0.02)
    assert (oddities.FEWEST, oddities.FEWEST_OF_OBJECT, oddities.LASTING, oddities.FEW) == (4, 5, 0.25, 2)


def test_columns_of_the_table_of_lights_are_named():
    named = [name for cells in list_rows(REPORT, "## The table of lights") for name in re.findall(r"`(\w+)`", cells[0])]
    assert sorted(named) == sorted(COLUMNS)


def test_pictures_are_shown_and_small():
    shown = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text())
    }
    assert shown == set(IMAGES.iterdir())
    assert sum(path.stat().st_size for path in shown) < 700_000
