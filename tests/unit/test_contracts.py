"""Contracts: what may not be done to a frame, and that the planner never plans it."""

from dataclasses import asdict
from itertools import product

import pytest
from astropy.io import fits

from darkroom.cards import describe_light, describe_master
from darkroom.contracts import Breach, Contents, divide_flat, subtract_bias, subtract_dark
from darkroom.matching import Shelf
from darkroom.plan import make_plan
from darkroom.plan_masters import calibrate_contents
from darkroom.provenance import stamp_header
from darkroom.recipes import write_recipes
from darkroom.settings import SettingsError
from tests.unit.builders import make_night, overlay

RAW = Contents()
BIAS = Contents(dark=False)
FREE = Contents(bias=False)
FLAT = Contents(unit="relative", bias=False, dark=False)


def hold(**parts):
    return Contents(**asdict(RAW) | parts)


def test_bias_and_dark_come_off_and_a_flat_changes_neither():
    light = subtract_bias(RAW, BIAS)
    assert light == hold(bias=False)
    light = subtract_dark(light, FREE, scale=2.5)
    assert light == hold(bias=False, dark=False)
    assert divide_flat(light, FLAT) == light
    assert subtract_dark(RAW, RAW, scale=1.0) == hold(bias=False, dark=False)  # a whole dark takes both


def breach(step, *arguments, **keywords):
    with pytest.raises(Breach) as found:
        step(*arguments, **keywords)
    return str(found.value)


def test_bias_is_not_taken_off_twice():
    assert "would be taken off twice" in breach(subtract_bias, FREE, BIAS)


@pytest.mark.parametrize(("frame", "bias"), [(False, True), (True, False)])
def test_overscan_is_off_both_or_neither(frame, bias):
    words = "differ in whether the overscan's level was taken off"
    assert words in breach(subtract_bias, hold(overscan=frame), hold(dark=False, overscan=bias))
    assert words in breach(subtract_dark, hold(overscan=frame), hold(overscan=bias), 1.0)


@pytest.mark.parametrize(
    ("frame", "dark", "scale", "seconds", "words"),
    [
        (FREE, RAW, 1.0, None, "would get a dark that holds its bias, while the frame does not"),
        (RAW, FREE, 1.0, None, "would get a dark that is free of its bias, while the frame is not"),
        (RAW, RAW, 2.0, None, "would get a dark that holds its bias, times 2; only a dark free of bias is scaled"),
        (FREE, hold(unit="adu/s", bias=False), 1.0, 60.0, "would get a dark per second times 1, for 60 s"),
        (hold(bias=False, linear=True), FREE, 1.0, None, "a dark that is not linearised as the frame is"),
        (FREE, hold(bias=False, linear=True), 1.0, None, "a dark that is not linearised as the frame is"),
    ],
)
def test_dark_that_does_not_fit_is_refused(frame, dark, scale, seconds, words):
    assert words in breach(subtract_dark, frame, dark, scale, seconds)


@pytest.mark.parametrize(
    ("frame", "flat", "words"),
    [
        (FREE, hold(unit="relative"), "would get a flat that still holds its bias"),
        (RAW, FLAT, "still holds its bias, which no flat may divide"),
        (FREE, hold(bias=False), "would get a flat that is not divided by its level"),
        (hold(bias=False, linear=True), FLAT, "a flat that is not linearised as the frame is"),
    ],
)
def test_flat_that_does_not_fit_is_refused(frame, flat, words):
    assert words in breach(divide_flat, frame, flat)


def test_overscan_takes_the_level_of_the_bias_off():
    light = hold(overscan=True)
    assert divide_flat(light, hold(unit="relative", overscan=True)) == light


def test_contents_in_words():
    assert str(RAW) == "adu, bias in, dark in"
    assert (
        str(hold(bias=False, dark=False, overscan=True, linear=True)) == "adu, bias off, dark off, overscan off, linear"
    )


SWITCHES = {
    "bias__use": [True, False],
    "dark__use": [True, False],
    "dark__subtract_bias": [True, False],
    "dark__per_second": [True, False],
    "dark__scale": [True, False],
    "flat__subtract_dark": [True, False],
    "detector__linearity": [None, [1.0, 1e-6]],
    "lights__unit": ["electron", "adu"],
}


def plan_all(overscan):
    """The plan of a night, for every combination of the switches that is allowed."""
    for values in product(*SWITCHES.values()):
        switches = dict(zip(SWITCHES, values, strict=True))
        try:
            settings = overlay(detector__gain=1.5, **switches)
        except SettingsError:
            continue
        frames = make_night(darks=(60.0, 4.0))
        for number, frame in enumerate(frames):
            frame.overscan, frame.digest = overscan, str(number)
        yield switches, settings, make_plan(frames, settings)


def expect_contents(kind, switches, overscan):
    """What a product holds, by the words of config.yaml."""
    bias_off = switches["bias__use"]
    contents = {"unit": "adu", "bias": True, "dark": kind != "bias", "overscan": bool(overscan), "linear": False}
    if kind == "bias":
        return contents
    if kind == "dark":
        contents["bias"] = not (bias_off and switches["dark__subtract_bias"])
        contents["unit"] = "adu/s" if switches["dark__per_second"] else "adu"
    else:
        dark_off = switches["dark__use"] and (kind == "light" or switches["flat__subtract_dark"])
        contents["dark"] = not dark_off
        contents["bias"] = not (bias_off or dark_off)
        contents["unit"] = "relative" if kind == "flat" else "electron" if switches["lights__unit"] != "adu" else "adu"
    contents["linear"] = bool(switches["detector__linearity"]) and not contents["bias"]
    return contents


@pytest.mark.parametrize("overscan", [None, "[1:2,1:9]"])
def test_what_is_planned_breaks_no_contract_and_holds_what_the_settings_say(overscan):
    number = 0
    for switches, settings, plan in plan_all(overscan):
        assert not [refusal for refusal in plan.refused if refusal.miss.kind == "calibration"], switches
        assert not [miss for light in plan.skipped for miss in light.misses if miss.kind == "calibration"], switches
        removable = switches["bias__use"] or switches["dark__use"] or overscan
        assert bool(plan.made) is bool(removable and not _lacks_flat(switches, overscan)), switches
        write_recipes(plan, settings)
        for item in [*plan.masters, *plan.made]:
            kind = getattr(item, "kind", "light")
            assert asdict(item.contents) == expect_contents(kind, switches, overscan), (kind, switches)
            assert item.recipe["holds"] == asdict(item.contents)
            assert item.recipe["settings"].get("linearity") == (
                settings["detector"]["linearity"] if item.contents.linear or kind == "light" else None
            )
        number += 1
    assert number > 60


def _lacks_flat(switches, overscan):
    """Whether a flat would keep its bias."""
    whole = switches["dark__use"] and switches["flat__subtract_dark"]
    return not (switches["bias__use"] or whole or overscan)


@pytest.mark.parametrize("overscan", [None, "[1:2,1:9]"])
def test_cards_of_each_product_say_what_is_planned(overscan):
    """The header as a script writes it, by the recipe alone."""
    raw = fits.Header({"EGAIN": 1.5, "BUNIT": "counts"})
    units = {"adu": "adu", "adu/s": "adu/s", "relative": "", "electron": "electron"}
    for switches, settings, plan in plan_all(overscan):
        if switches["dark__scale"] is False and not switches["dark__per_second"]:
            continue  # as with scaling
        write_recipes(plan, settings)
        for item in [*plan.masters, *plan.made[:1]]:
            recipe, contents = item.recipe, item.contents
            if recipe["kind"] == "light":
                header = describe_light(raw, recipe, 1.5 if contents.unit == "electron" else None)
            else:
                header = describe_master([raw] * len(recipe["frames"]), recipe)
            header = stamp_header(header, recipe)
            said = {
                "unit": {unit: name for name, unit in units.items()}[header["BUNIT"]],
                "bias": header["HOLDBIAS"],
                "dark": header["HOLDDARK"],
                "overscan": header["OVERSUB"],
                "linear": header["LINEARIS"],
            }
            assert said == asdict(contents), (recipe["kind"], switches)
            assert ("B" in header["CALSTAT"]) is bool(recipe["bias"])
            assert ("O" in header["CALSTAT"]) is contents.overscan


def test_a_breach_refuses_the_master_or_the_light_with_its_reason(monkeypatch):
    """Matching gives no such pair; should it ever, nothing is made of it."""
    frames, settings = make_night(darks=(60.0, 4.0)), overlay(dark__subtract_bias=False)
    plan = make_plan(frames, settings)
    dark = plan.made[0].dark
    monkeypatch.setattr(dark, "scale", 2.0)
    with pytest.raises(Breach, match="only a dark free of bias is scaled"):
        calibrate_contents(plan.made[0].frame, None, dark, settings)

    find = Shelf.find

    def find_scaled(shelf, wanted):
        match = find(shelf, wanted)
        if shelf.kind == "dark":
            match.scale = 2.0
        return match

    monkeypatch.setattr(Shelf, "find", find_scaled)
    plan = make_plan(frames, overlay(dark__subtract_bias=False, flat__subtract_dark=False))
    assert plan.made == []
    (miss,) = plan.skipped[0].misses
    assert "the light would get a dark that holds its bias, times 2" in str(miss)
    plan = make_plan(frames, overlay(dark__subtract_bias=False))
    assert [refusal.master.kind for refusal in plan.refused] == ["flat"]
    assert "its frames' calibration would get a dark that holds its bias" in str(plan.refused[0].miss)
