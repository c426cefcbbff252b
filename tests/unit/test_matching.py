"""Matching: the own night first, then the nearest; darks by exposure; and a miss that says what would help."""

from datetime import datetime, timedelta

import pytest

from darkroom.matching import Master, Match, Shelf, Wanted, canonical_exposure
from darkroom.misses import Miss
from tests.unit.builders import make_frame

EVENING = datetime(2024, 3, 10, 20)
OWN = "2024-03-10"


def make_master(kind="bias", nights=0, exposure=None, filter=None, setup="ccd", hours=0.0, **more):
    """A master some nights and hours from the evening of the own night."""
    night = f"{(EVENING + timedelta(days=nights)).date()}"
    seconds = {"bias": 0.0, "flat": 4.0}.get(kind, exposure or 60.0)
    frames = [make_frame(kind if kind != "flat" else "flat", "x.fits", exposure=seconds)]
    name = f"{night}/{setup}/{kind}_{exposure}_{filter}_{hours:g}.fits"
    time = EVENING + timedelta(days=nights, hours=hours)
    return Master(kind, night, setup, name, frames, time, exposure=exposure, filter=filter, **more)


def want(exposure=None, filter=None, setup="ccd", hours=0.0):
    return Wanted(OWN, setup, EVENING + timedelta(hours=hours), exposure, filter)


def rules(**changed):
    rules = {"max_age_days": 0, "exposure_tolerance": 0.5, "scale": True, "temperature_tolerance": 2}
    return rules | changed


def find(kind, masters, wanted, refused=None, **changed):
    return Shelf(kind, rules(**changed), masters, refused).find(wanted)


def found(kind, masters, wanted, **changed):
    match = find(kind, masters, wanted, **changed)
    assert isinstance(match, Match), match
    return match.master


def test_own_night_comes_before_a_nearer_hour_of_another():
    own = make_master(hours=-6)
    other = make_master(nights=-1, hours=23)  # an hour before the light, but of the night before
    assert found("bias", [other, own], want(), max_age_days=5) is own


def test_other_nights_serve_only_within_the_age_limit():
    master = make_master(nights=-3)
    assert isinstance(find("bias", [master], want(), max_age_days=2), Miss)
    assert found("bias", [master], want(), max_age_days=3) is master
    assert found("bias", [make_master(nights=3)], want(), max_age_days=3).night == "2024-03-13"


def test_nearest_in_time_is_taken_and_of_two_the_earlier():
    before, after, far = make_master(nights=-2), make_master(nights=2), make_master(nights=-3)
    assert found("bias", [far, after, before], want(), max_age_days=9) is before
    assert found("bias", [far, after, before], want(hours=0.001), max_age_days=9) is after
    morning, evening = make_master(hours=-1), make_master(hours=1)
    assert found("bias", [evening, morning], want()) is morning


def test_setup_and_filter_must_be_the_same():
    masters = [make_master("flat", filter="V"), make_master("flat", filter="B"), make_master("flat", setup="emccd")]
    assert found("flat", masters, want(filter="B")) is masters[1]
    assert found("flat", masters, want(setup="emccd")) is masters[2]
    for wanted in (want(filter="R"), want(), want(filter="V", setup="emccd"), want(filter="v")):
        assert isinstance(find("flat", masters, wanted), Miss)


def test_same_exposure_is_used_as_it_is():
    match = find("dark", [make_master("dark", exposure=t) for t in (30.0, 60.0, 90.0)], want(60.0))
    assert (match.master.exposure, match.scale) == (60.0, 1.0)
    assert "same exposure" in match.why


@pytest.mark.parametrize(
    ("exposure", "tolerance", "expected"),
    [
        (60.5, 0.5, 60.0),
        (59.5, 0.5, 60.0),
        (60.51, 0.5, None),
        (59.49, 0.5, None),
        (60.004, 0.0, 60.0),  # what a shutter scatters by
        (60.1, 0.0, None),
        (75.0, 20.0, 90.0),  # of two as near the longer
        (74.0, 20.0, 60.0),
    ],
)
def test_nearest_exposure_within_the_tolerance_is_used_as_it_is(exposure, tolerance, expected):
    masters = [make_master("dark", exposure=t, holds_bias=True) for t in (60.0, 90.0)]
    match = find("dark", masters, want(exposure), exposure_tolerance=tolerance)
    if expected is None:
        assert isinstance(match, Miss)
    else:
        assert (match.master.exposure, match.scale) == (expected, 1.0)


@pytest.mark.parametrize(
    ("exposure", "base", "scale"), [(90, 120, 0.75), (30, 10, 3.0), (200, 120, 200 / 120), (1, 10, 0.1)]
)
def test_dark_free_of_bias_is_scaled_by_time_from_the_nearest_exposure(exposure, base, scale):
    masters = [make_master("dark", exposure=t) for t in (10.0, 120.0)]
    match = find("dark", masters, want(float(exposure)))
    assert match.master.exposure == base
    assert match.scale == pytest.approx(scale, rel=1e-12)


def test_same_exposure_comes_before_tolerance_and_tolerance_before_scaling():
    near, tolerable, same = (make_master("dark", exposure=t) for t in (61.0, 60.3, 60.0))
    masters = [near, tolerable, same]
    assert found("dark", masters, want(60.0)) is same
    assert found("dark", [near, tolerable], want(60.0)) is tolerable
    assert find("dark", [near], want(60.0)).scale == pytest.approx(60 / 61)
    # in the own night even by scaling, before another night's same exposure
    assert found("dark", [make_master("dark", nights=-1, exposure=60.0), near], want(60.0), max_age_days=1) is near


def test_darks_are_not_scaled_if_told_so_or_if_they_hold_their_bias():
    masters = [make_master("dark", exposure=120.0)]
    assert isinstance(find("dark", masters, want(60.0), scale=False), Miss)
    whole = [make_master("dark", exposure=120.0, holds_bias=True)]
    assert isinstance(find("dark", whole, want(60.0)), Miss)
    assert find("dark", whole, want(120.0)).scale == 1.0


def test_rate_is_multiplied_by_the_exposure():
    match = find("dark", [make_master("dark", per_second=True)], want(37.5))
    assert match.scale == 37.5


def test_runners_up_are_what_else_would_have_done_best_first():
    masters = [make_master("dark", exposure=t) for t in (90.0, 60.0, 300.0)]
    match = find("dark", masters, want(60.0))
    assert [line.split(" (")[0] for line in match.runners_up] == [masters[0].path, masters[2].path]
    assert "90 s scaled by 0.6667" in match.runners_up[0]


@pytest.mark.parametrize(
    ("seconds", "same"),
    [(180.006, 180.009), (0.001, 0.0010000001), (60.0, 60.004), (1234.4, 1234.0), (1e-5, 1.00001e-5)],
)
def test_exposures_that_differ_by_the_shutter_alone_are_one(seconds, same):
    assert canonical_exposure(seconds) == canonical_exposure(same)


@pytest.mark.parametrize(("seconds", "other"), [(60.0, 60.1), (0.001, 0.002), (1234.0, 1235.0), (4.0, 4.001)])
def test_exposures_that_differ_by_more_are_two(seconds, other):
    assert canonical_exposure(seconds) != canonical_exposure(other)


@pytest.mark.parametrize(
    ("kind", "masters", "wanted", "changed", "words"),
    [
        ("bias", [], want(), {}, ["no bias", OWN, "ccd", "no bias frame at all", "bias.use: false"]),
        ("bias", [make_master(setup="emccd")], want(), {}, ["no bias", "setup emccd only", "bias.use: false"]),
        ("bias", [make_master(nights=-3)], want(), {}, ["2024-03-07, 3 nights away", "bias.max_age_days: 3", "now 0"]),
        ("bias", [make_master(nights=1)], want(), {}, ["2024-03-11, 1 night away", "bias.max_age_days: 1"]),
        (
            "flat",
            [make_master("flat", filter=f) for f in ("V", "B", None)],
            want(filter="R"),
            {},
            ["no flat in R", "flats in B, V, no filter only", "headers.cards.filter", "flat.use: false"],
        ),
        ("flat", [make_master("flat", filter="V")], want(), {}, ["no flat without a filter", "flats in V only"]),
        (
            "dark",
            [make_master("dark", exposure=t) for t in (30.0, 120.0)],
            want(60.0),
            {"scale": False},
            ["no dark near 60 s", "120 s, 30 s", "dark.scale: true", "dark.use: false"],
        ),
        (
            "dark",
            [make_master("dark", exposure=57.0)],
            want(60.0),
            {"scale": False},
            ["there is 57 s", "dark.scale: true", "dark.exposure_tolerance"],
        ),
        (
            "dark",
            [make_master("dark", exposure=30.0, holds_bias=True)],
            want(60.0),
            {},
            ["there is 30 s, which holds its bias", "dark.subtract_bias: true", "bias.use: true"],
        ),
        (
            "dark",
            [make_master("dark", nights=-2, exposure=60.0)],
            want(60.0),
            {"max_age_days": 1},
            ["2 nights away", "dark.max_age_days: 2", "now 1"],
        ),
    ],
)
def test_miss_says_what_was_sought_what_there_was_and_which_key_would_help(kind, masters, wanted, changed, words):
    text = str(find(kind, masters, wanted, **changed))
    assert [word for word in words if word not in text] == []
    assert "\n" not in text


def test_miss_names_masters_that_cannot_be_made():
    miss = find("dark", [], want(60.0), refused=[make_master("dark", exposure=60.0)])
    assert miss.derived
    assert "master dark 60 s of 2024-03-10 cannot be made" in str(miss)


def test_match_says_why_it_was_chosen():
    assert find("bias", [make_master()], want()).why == "own night, same setup"
    assert find("flat", [make_master("flat", filter="V")], want(filter="V")).why == "own night, same setup, filter V"
    for nights, words in ((-1, "2024-03-09, 1 night away, same setup"), (2, "2024-03-12, 2 nights away, same setup")):
        assert find("bias", [make_master(nights=nights)], want(), max_age_days=2).why == words
    dark = find("dark", [make_master("dark", exposure=60.0)], want(60.3))
    assert dark.why == "own night, 60 s within 0.5 s"


def test_remedy_of_age_and_of_scale_does_help():
    far = [make_master("dark", nights=-4, exposure=60.0)]
    assert "dark.max_age_days: 4" in str(find("dark", far, want(60.0), max_age_days=3))
    assert found("dark", far, want(60.0), max_age_days=4) is far[0]
    near = [make_master("dark", exposure=50.0)]
    assert "dark.scale: true" in str(find("dark", near, want(60.0), scale=False))
    assert found("dark", near, want(60.0), scale=True) is near[0]
