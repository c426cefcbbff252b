"""Stacks and plate solutions on the page of a night: what is counted, said and grouped, read back by a parser."""

import math
import re
from dataclasses import replace

import pytest

from darkroom.night_tables import tabulate_lights
from darkroom.page_parts import list_columns, list_remarks
from darkroom.page_stacks import expect_noise, find_parts, list_stacks, name_stacks
from darkroom.page_verdict import judge_night
from darkroom.page_words import write_duration, write_time
from darkroom.report_model import LightShown, Night, StackedLight, StackShown
from darkroom.report_page import render_night
from tests.shown import NASTY, make_hostile, make_night, make_picture
from tests.unit.test_report_page import Reader

LIGHTS = [
    LightShown(f"n/s/lights/{name}.fits", f"{name}.fits", "s", "M13", "V", 60.0, unit="electron", noise=noise, fwhm=3.0)
    for name, noise in (("a", 10.0), ("b", 10.0), ("c", 20.0), ("d", 10.0))
]
ANCHORS = {"lights": {light.path: f"light-{number}" for number, light in enumerate(LIGHTS, 1)}}


def make_stack(*used, name="M13", problem="", **figures):
    """A stack of the four lights: those of these letters used, with the weights and scales told."""
    lights = [
        StackedLight(
            light.path, light.raw[0] in used, "" if light.raw[0] in used else "clouds: no stars", 0.25, 3.0, scale=1.0
        )
        for light in LIGHTS
    ]
    return StackShown(
        f"n/s/stacks/{name}.fits", "s", name, "V", 60.0, lights, unit="electron", problem=problem, **figures
    )


def make_small(*stacks, lights=LIGHTS, **others):
    return Night("2024-03-10", "Darkroom", [*lights], [], [], stacks=[*stacks], **others)


def say(night):
    """All that the verdict says, and its tiles."""
    verdict = judge_night(night)
    tiles = [f"{tile['value']} {tile['name']}" for tile in verdict["tiles"]]
    return verdict["tone"], " ".join([verdict["headline"], *verdict["sentences"]]), tiles


def find_card(page: str, number: int) -> str:
    return re.search(rf'<article class="card stack" id="stack-{number}".*?</article>', page, re.DOTALL)[0]


@pytest.mark.parametrize(
    ("stacks", "tone", "words", "tiles"),
    [
        ([make_stack(*"abcd")], "good", "The only stack is made; no light was left out of it.",
         ["1 of 1 stack made", "0 lights left out of stacks"]),
        ([make_stack(*"abc"), make_stack(*"abc", name="M5")], "warn",
         "All 2 stacks are made; 1 light was left out of them.",
         ["2 of 2 stacks made", "1 light left out of stacks"]),
        ([make_stack(*"ab"), make_stack(problem="blank"), make_stack(problem="blank")], "warn",
         "1 of 3 stacks is made, 2 were not; 2 lights were left out of it.",
         ["1 of 3 stacks made", "2 lights left out of stacks"]),
        ([make_stack(problem="blank")], "warn", "The only stack was not made.", ["0 of 1 stack made"]),
        ([make_stack(problem="blank")] * 2, "warn", "None of 2 stacks was made.", ["0 of 2 stacks made"]),
    ],
)  # fmt: skip
def test_verdict_counts_stacks_and_lights_left_out(stacks, tone, words, tiles):
    found_tone, said, found_tiles = say(make_small(*stacks))
    assert found_tone == tone
    assert words in said
    assert [tile for tile in found_tiles if "stack" in tile] == tiles


def test_without_stacks_and_solutions_the_page_says_nothing_of_them():
    night = make_small()
    assert "stack" not in " ".join([say(night)[1], *say(night)[2]])
    assert "plate" not in say(night)[1]
    page = render_night(night)
    words = page[page.index("<body>") : page.index('<div id="said"')].lower()
    assert "stack" not in words
    assert "plate" not in words
    assert 'id="stacks"' not in page
    assert "sky_rms" not in {column["key"] for column in list_columns(night)}
    assert "sky_rms" in tabulate_lights(night).splitlines()[0].split(",")


def test_solutions_are_counted_and_shown_where_there_is_one():
    solved, failed = replace(LIGHTS[0], sky_rms=0.3127), replace(LIGHTS[1], unsolved="only 3 stars")
    assert "1 of 2 lights that were tried has a plate solution." in say(make_small(lights=[solved, failed]))[1]
    assert "The only light that was tried has no plate solution." in say(make_small(lights=[failed, LIGHTS[2]]))[1]
    night = make_small(lights=[solved, failed])
    assert "sky_rms" in {column["key"] for column in list_columns(night)}
    assert re.search(r'data-key="sky_rms" data-order="0.3127"[^>]*>0.313</td>', render_night(night))
    header, first, second = (line.split(",") for line in tabulate_lights(night).splitlines())
    assert [row[header.index("sky_rms")] for row in (first, second)] == ["0.3127", ""]


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        ([("M13", "V", 60.0), ("M13", "V", 0.25)], ["M13, V, 60 s", "M13, V, 0.25 s"]),
        ([("M13", "", None), ("", "", None)], ["M13", "1.fits"]),
        ([("M13", "V", None), ("M13", "V", None)], ["M13, V (0.fits)", "M13, V (1.fits)"]),
    ],
)
def test_no_two_stacks_are_called_alike(kinds, names):
    stacks = [StackShown(f"n/{at}.fits", "s", *kind) for at, kind in enumerate(kinds)]
    assert name_stacks(make_small(*stacks)) == names


def test_stacks_of_two_cameras_are_called_by_their_setups():
    """Their files have one name."""
    stacks = [replace(make_stack("a"), setup=setup, path=f"n/{setup}/stacks/M13.fits") for setup in ("ccd", "cmos")]
    assert name_stacks(make_small(*stacks)) == ["M13, V, 60 s (ccd)", "M13, V, 60 s (cmos)"]


def test_light_left_out_has_it_said_in_its_row():
    night = make_small(make_stack(*"abc"), make_stack(problem="blank", name="M5"), make_stack(*"bcd", name="M3"))
    texts = [[one["text"] for one in remarks] for remarks in list_remarks(night)]
    assert texts == [["Left out of the stack of M3, V, 60 s: clouds: no stars"], [], [],
                     ["Left out of the stack of M13, V, 60 s: clouds: no stars"]]  # fmt: skip
    parts = find_parts(night)[LIGHTS[0].path]
    assert [(part.anchor, part.used) for part in parts] == [("stack-1", True), ("stack-3", False)]
    row = re.search(r'<tr id="light-1".*?</tr>', render_night(night), re.DOTALL)[0]
    assert 'used in the stack of <a href="#stack-1">M13, V, 60 s</a>' in row
    assert 'left out of the stack of <a href="#stack-3">M3, V, 60 s</a>' in row


def test_column_of_what_stands_out_is_there_only_if_something_does():
    quiet = make_small(make_stack(*"abcd"))
    assert "remark" not in {column["key"] for column in list_columns(quiet)}
    page = render_night(quiet)
    assert "What stands out" not in page
    heads = re.search(r'<table id="lights-table">.*?</thead>', page, re.DOTALL)[0].count("<th ")
    row = re.search(r'<tr id="light-1".*?</tr>', page, re.DOTALL)[0]
    assert row.count("<th ") + row.count("<td ") == heads
    assert "What stands out" in render_night(make_small(make_stack(*"abc")))


def test_noise_of_like_lights_falls_with_the_root_of_their_number():
    lights = {light.path: replace(light, noise=10.0) for light in LIGHTS}
    assert expect_noise(make_stack(*"abcd"), lights) == pytest.approx(10 / math.sqrt(4))
    assert expect_noise(make_stack(*"ad"), lights) == pytest.approx(10 / math.sqrt(2))


def test_noise_of_unlike_lights_counts_weights_and_scales():
    stack = make_stack(*"ac")
    stack.lights[0].weight, stack.lights[0].scale = 3.0, 2.0  # of noise 10
    stack.lights[2].weight, stack.lights[2].scale = 1.0, 0.5  # of noise 20
    lights = {light.path: light for light in LIGHTS}
    assert expect_noise(stack, lights) == pytest.approx(math.sqrt((0.75 * 20) ** 2 + (0.25 * 10) ** 2))
    stack.lights[2].weight = None  # then all weigh the same
    assert expect_noise(stack, lights) == pytest.approx(math.sqrt(20**2 + 10**2) / 2)


@pytest.mark.parametrize("lost", [{"noise": None}, {"noise": math.nan}, {"unit": "adu"}, {"path": "another night's"}])
def test_noise_that_is_not_known_of_all_lights_is_not_guessed(lost):
    lights = [replace(LIGHTS[0], **lost), *LIGHTS[1:]]
    assert expect_noise(make_stack(*"ab"), {light.path: light for light in lights}) is None
    stack = make_stack(*"ab", noise=6.0)
    [card] = list_stacks(make_small(stack, lights=lights), ANCHORS)
    assert [one["key"] for one in card["figures"]] == ["lights", "noise"]


def test_card_shows_the_figures_its_lights_and_who_was_left_out():
    stack = make_stack(*"ab", seconds=7260.0, middle="2024-03-11T02:03:04.567", fwhm=3.2, noise=5.66, noise_factor=1.25,
                       stars=1234, picture=make_picture(1, 700), preview="s/stacks/M13.png")  # fmt: skip
    stack.reference, stack.lights[1].scale, stack.lights[1].weight = LIGHTS[1].path, 1.02, 0.75
    page = render_night(make_small(stack))
    card = find_card(page, 1)
    told = dict(re.findall(r'<div data-key="(\w+)">.*?<dd>(.*?)</dd>', card))
    assert told == {"lights": "2 of 4", "seconds": "7,260 s (2 h 1 min)", "middle": "2024-03-11 02:03:04 UTC",
                    "fwhm": "3.2 px", "stars": "1,234", "noise": "5.66 e⁻", "noise_expected": "8.05 e⁻",
                    "noise_factor": "1.25"}  # fmt: skip
    assert "the median of its lights is 3 px" in card
    assert 'href="./s/stacks/M13.png"' in card
    assert re.search(r'<li><a href="#light-3">c.fits</a>, <a href="#light-4">d.fits</a>: .*clouds: no stars', card)
    rows = re.findall(r'<tr data-path="([^"]*)"><th scope="row"><a href="#([^"]*)">.*?</tr>', card)
    assert rows == [(light.path, f"light-{number}") for number, light in enumerate(LIGHTS, 1)]
    weights = re.findall(r'data-key="weight">(.*?)</td>', card)
    assert weights == ["25", "75", "–", "–"]
    assert re.findall(r'data-key="part">(?:<p[^>]*>)?([^<]*)', card) == [
        "used", "the reference", "left out: clouds: no stars", "left out: clouds: no stars"]  # fmt: skip
    assert "Rms" not in card  # of no light is it known


def test_stacks_that_were_not_made_come_last_with_the_reason():
    lost, made = make_stack(problem="none of 4 lights shows the 4 stars"), make_stack(*"abcd", name="M5")
    page = render_night(make_small(lost, made))
    assert page.index('id="stack-2"') < page.index('id="stack-1"')
    card = find_card(page, 1)
    assert "none of 4 lights shows the 4 stars" in card
    assert "not made" in card
    assert "<dl" not in card


def test_believable_stacks_hold_together():
    night = make_night()
    lights = {light.path: light for light in night.lights}
    made = [stack for stack in night.stacks if not stack.problem]
    assert 0 < len(made) < len(night.stacks)
    for stack in made:
        ratio = stack.noise * stack.noise_factor / expect_noise(stack, lights)
        assert ratio == pytest.approx(1, abs=0.05)


def test_hostile_stacks_are_text():
    reader = Reader(render_night(make_hostile()))
    cards = [each for each in reader.list("article") if each["class"] == "card stack"]
    assert len(cards) == len(make_hostile().stacks) == 6
    assert f"left out: {NASTY[0]}" in reader.text or f"not used: {NASTY[0]}" in reader.text
    assert not [tag for tag, _ in reader.elements if tag == "b"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (math.nan, ""), (90.0, "90 s"), (1080.0, "1,080 s (18 min)"), (9000, "9,000 s (2 h 30 min)"),
     (7199.0, "7,199 s (2 h 0 min)")],
)  # fmt: skip
def test_durations_are_written_as_people_do(seconds, text):
    assert write_duration(seconds) == text


@pytest.mark.parametrize(
    ("iso", "text"),
    [("2024-03-11T01:02:03.900", "2024-03-11 01:02:03 UTC"), ("2024-03-11T01:02:03Z", "2024-03-11 01:02:03 UTC"),
     ("", ""), ("about noon", "about noon")],
)  # fmt: skip
def test_times_are_written_as_people_do(iso, text):
    assert write_time(iso) == text
