"""Temperature: how cards give it, which frames it divides, which master it chooses, and what a match or miss says."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.matching import Master, Match, Shelf, Wanted
from darkroom.misses import Miss
from darkroom.plan import make_plan
from darkroom.plan_text import list_notes
from darkroom.quantities import read_temperature
from darkroom.temperatures import describe_difference, is_near, name_temperatures, round_up, split_by_temperature
from tests.unit.builders import make_frame, make_night, overlay

EVENING = datetime(2024, 3, 10, 20)
RULES = {"max_age_days": 0, "exposure_tolerance": 0.5, "scale": True, "temperature_tolerance": 2}


@dataclass(frozen=True)
class Shot:
    temperature: float | None
    name: str = ""


def make_master(temperature, kind="dark", exposure=60.0, nights=0, hours=0.0, **more):
    night = f"{(EVENING + timedelta(days=nights)).date()}"
    exposure = exposure if kind == "dark" else None
    frames = [make_frame(kind, "x.fits", exposure=exposure or 0.0, temperature=temperature)]
    path = f"{night}/ccd/{kind}_{exposure}_{temperature}_{hours:g}.fits"
    time = EVENING + timedelta(days=nights, hours=hours)
    return Master(kind, night, "ccd", path, frames, time, exposure=exposure, **more)


def find(masters, temperature, kind="dark", exposure=60.0, **changed):
    wanted = Wanted("2024-03-10", "ccd", EVENING, exposure, None, temperature)
    return Shelf(kind, RULES | changed, masters).find(wanted)


@pytest.mark.parametrize(
    ("value", "celsius"),
    [
        (-10.0, -10.0),
        ("-10", -10.0),
        ("11 C", 11.0),
        ("-110.5 degC", -110.5),
        (0.0, 0.0),
        (100.0, 100.0),
        (150.727, -122.423),  # a cryostat's kelvin
        (273.15, 0.0),
        ("160 K", -113.15),
        ("77 K", -196.15),
        (-999, None),
        (999.0, None),
        (-1.79769313486232e308, None),  # a set point that was never set
        (float("nan"), None),
        (True, None),
        ("cold", None),
        ("", None),
        (None, None),
    ],
)
def test_temperature_is_celsius_whatever_the_card_counts_in(value, celsius):
    assert read_temperature(value) == celsius


def split(temperatures, tolerance):
    groups = split_by_temperature([Shot(t, str(n)) for n, t in enumerate(temperatures)], tolerance)
    return [[shot.temperature for shot in group] for group in groups]


@pytest.mark.parametrize(
    ("temperatures", "tolerance", "groups"),
    [
        ([-10.0, -9.9, -10.1], 2, [[-10.0, -9.9, -10.1]]),
        ([30.0, -10.0, 29.5, -10.2], 2, [[-10.0, -10.2], [30.0, 29.5]]),
        ([-10.0, -8.0], 2, [[-10.0, -8.0]]),  # just within
        ([-10.0, -7.9], 2, [[-10.0], [-7.9]]),
        ([-10.0, 30.0], 40, [[-10.0, 30.0]]),
        ([-10.0, 30.0, None], None, [[-10.0, 30.0, None]]),
        ([None, None], 2, [[None, None]]),
        ([None, -10.0, None, -10.1], 2, [[-10.0, -10.1], [None, None]]),
        ([], 2, []),
        # a cooler at work: a step at a time, and then it holds
        ([0.0, -1.9, -3.7, -5.2, -6.0, -6.0, -6.1], 2, [[-3.7, -5.2, -6.0, -6.0, -6.1], [-1.9], [0.0]]),
        # a sensor that drifts evenly is divided in the middle, not shaved off frame by frame
        ([float(t) for t in range(6)], 2, [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
        ([-10.0, -10.0, -9.5], 0, [[-10.0, -10.0], [-9.5]]),
    ],
)
def test_frames_far_apart_are_not_combined(temperatures, tolerance, groups):
    assert split(temperatures, tolerance) == groups


@given(
    st.lists(st.none() | st.integers(-1200, 400).map(lambda tenths: tenths / 10), max_size=25),
    st.sampled_from([0, 0.5, 2, 10]),
    st.randoms(use_true_random=False),
)
def test_groups_hold_every_frame_once_near_each_other_in_any_order(temperatures, tolerance, chance: random.Random):
    shots = [Shot(t, str(n)) for n, t in enumerate(temperatures)]
    groups = split_by_temperature(shots, tolerance)
    assert sorted(shot.name for group in groups for shot in group) == sorted(shot.name for shot in shots)
    for group in groups:
        known = [shot.temperature for shot in group if shot.temperature is not None]
        assert not known or (len(known) == len(group) and max(known) - min(known) <= 2 * tolerance + 1e-6)
    again = split_by_temperature(chance.sample(shots, len(shots)), tolerance)
    assert [set(group) for group in again] == [set(group) for group in groups]


@pytest.mark.parametrize(
    ("temperatures", "names"),
    [
        ([-10.02, 29.7], ["-10C", "30C"]),
        ([-10.4, -9.6], ["-10.4C", "-9.6C"]),
        ([-0.2, 5.0, None], ["0C", "5C", "unknown"]),
        ([-10.0001, -10.0002], ["-10.000C-1", "-10.000C-2"]),
    ],
)
def test_names_have_the_decimals_that_it_takes_to_tell_them_apart(temperatures, names):
    assert name_temperatures(temperatures) == names


def test_differences_in_words_and_the_tolerance_that_allows_them():
    assert describe_difference(30.0, -10.0) == "40 degrees warmer"
    assert describe_difference(-11.0, -10.0) == "1 degree colder"
    for apart in (40.0, 2.51, 2.00001, 0.04, 39.99999):
        assert is_near(apart, 0.0, round_up(apart))
        assert round_up(apart) - apart < 0.1


def test_master_of_another_temperature_does_not_fit_and_the_miss_says_what_would_allow_it():
    miss = find([make_master(30.0)], -10.0)
    assert isinstance(miss, Miss)
    assert "there is 60 s at 30 C, 40 degrees warmer; dark.temperature_tolerance: 40 allows it" in str(miss)
    assert isinstance(find([make_master(30.0)], -10.0, temperature_tolerance=40), Match)
    assert isinstance(find([make_master(30.0)], -10.0, temperature_tolerance=None), Match)


@pytest.mark.parametrize(("degrees", "fits"), [(-8.0, True), (-7.9, False), (-12.0, True), (-12.1, False)])
def test_tolerance_holds_to_both_sides_and_includes_its_end(degrees, fits):
    assert isinstance(find([make_master(degrees)], -10.0), Match) is fits


@pytest.mark.parametrize("kind", ["bias", "flat"])
def test_bias_and_flat_of_another_temperature_are_refused_too(kind):
    miss = find([make_master(12.5, kind), make_master(30.0, kind)], -10.0, kind, temperature_tolerance=10)
    assert f"there is one at 12.5 C, 22.5 degrees warmer; {kind}.temperature_tolerance: 22.5 allows it" in str(miss)


def test_miss_tells_wrong_temperature_from_wrong_exposure_and_names_a_key_for_each():
    warm, short = make_master(30.0), make_master(-10.0, exposure=30.0, holds_bias=True)
    text = str(find([warm, short], -10.0))
    assert "there is 60 s at 30 C, 40 degrees warmer, and there is 30 s, which holds its bias" in text
    assert "dark.temperature_tolerance: 40 allows it, or dark.subtract_bias: true" in text
    both = str(find([make_master(30.0, exposure=30.0)], -10.0, scale=False))
    assert "there is 30 s at 30 C" in both
    assert "dark.temperature_tolerance: 40 with dark.scale: true allows it" in both
    allowed = find([make_master(30.0, exposure=30.0)], -10.0, scale=True, temperature_tolerance=40)
    assert isinstance(allowed, Match)


def test_age_alone_is_named_only_where_it_is_all_that_is_wrong():
    near, far = make_master(30.0, nights=-2), make_master(-10.0, nights=-9)
    text = str(find([near, far], -10.0))
    assert "the nearest is of 2024-03-01, 9 nights away; dark.max_age_days: 9 allows it" in text
    assert find([near, far], -10.0, max_age_days=9).master is far
    text = str(find([near], -10.0))
    assert "2 nights away, and there is 60 s at 30 C, 40 degrees warmer" in text
    assert "dark.max_age_days: 2 (now 0) with dark.temperature_tolerance: 40 allows it" in text


def test_unknown_temperature_fits_but_never_before_a_known_one():
    unknown, known = make_master(None), make_master(-9.5, exposure=30.0)
    match = find([unknown, known], -10.0)
    assert match.master is known, "even if it has to be scaled"
    assert not match.warning
    assert "temperature unknown" in match.runners_up[0]
    match = find([unknown], -10.0)
    assert match.why == "own night, same exposure, temperature unknown"
    assert match.warning.endswith("that of the master dark 60 s of 2024-03-10 is unknown")
    own, other = make_master(None), make_master(-10.0, nights=-1)
    assert find([own, other], -10.0, max_age_days=1).master is own, "the own night comes first"


def test_light_of_unknown_temperature_takes_what_there_is_and_says_so():
    match = find([make_master(-10.0)], None)
    assert match.why == "own night, same exposure, temperature unknown"
    assert "that of the frame itself is unknown" in match.warning


def test_nothing_is_said_where_no_frame_has_a_temperature_or_none_is_asked_for():
    for match in (find([make_master(None)], None), find([make_master(None)], -10.0, temperature_tolerance=None)):
        assert (match.why, match.warning) == ("own night, same exposure", "")
    assert find([make_master(-10.3)], -10.0).why == "own night, same exposure"
    assert find([make_master(-8.5)], -10.0).why == "own night, same exposure, 1.5 degrees warmer"
    assert find([make_master(-8.5, "bias")], -10.0, "bias").why == "own night, same setup"
    bias = find([make_master(-4.0, "bias")], -10.0, "bias", temperature_tolerance=10)
    assert bias.why == "own night, same setup, 6 degrees warmer"


def test_of_darks_alike_the_nearest_temperature_counts_before_the_hour_but_noise_does_not():
    nearer, sooner = make_master(-10.2, hours=5), make_master(-8.2, hours=0.1)
    assert find([sooner, nearer], -10.0).master is nearer
    noisy = make_master(-10.4, hours=0.1)
    assert find([noisy, nearer], -10.0).master is noisy
    same, scaled = make_master(-8.5), make_master(-10.0, exposure=59.0)
    assert find([scaled, same], -10.0).master is same, "the exposure counts before the temperature"


def plan_darks(temperatures, light=-10.0, **parts):
    darks = [make_frame("dark", f"dark_{n}.fits", temperature=t) for n, t in enumerate(temperatures)]
    others = [frame for frame in make_night() if frame.kind != "dark"]
    for frame in others:
        frame.temperature = light
    return make_plan(darks + others, overlay(bias__temperature_tolerance=None, **parts))


def test_darks_of_two_temperatures_are_two_masters_and_each_light_gets_its_own():
    for light, name in ((-10.0, "master_dark_60s_-10C.fits"), (5.2, "master_dark_60s_5C.fits")):
        plan = plan_darks([-10.0, 5.0, -10.1, 4.9], light)
        darks = {master.path.rsplit("/", 1)[-1]: master for master in plan.masters if master.kind == "dark"}
        assert set(darks) == {"master_dark_60s_-10C.fits", "master_dark_60s_5C.fits"}
        assert darks["master_dark_60s_-10C.fits"].temperature == pytest.approx(-10.05)
        assert [frame.name for frame in darks["master_dark_60s_5C.fits"].frames] == ["dark_1.fits", "dark_3.fits"]
        assert {light.dark.master.path.rsplit("/", 1)[-1] for light in plan.made} == {name}
    assert "(5C)" in darks["master_dark_60s_5C.fits"].label


def test_darks_of_one_temperature_keep_the_plain_name():
    for temperatures in ([-10.0, -9.0], [None, None]):
        plan = plan_darks(temperatures)
        assert [m.path.rsplit("/", 1)[-1] for m in plan.masters if m.kind == "dark"] == ["master_dark_60s.fits"]
    plan = plan_darks([-10.0, 30.0], dark__temperature_tolerance=None)
    assert [len(master.frames) for master in plan.masters if master.kind == "dark"] == [2]


def test_frames_of_unknown_temperature_are_a_master_of_their_own():
    plan = plan_darks([-10.0, None, -10.1, None])
    names = [master.path.rsplit("/", 1)[-1] for master in plan.masters if master.kind == "dark"]
    assert sorted(names) == ["master_dark_60s_-10C.fits", "master_dark_60s_unknown.fits"]
    assert {light.dark.master.temperature for light in plan.made} == {-10.05}


def test_names_of_masters_stay_apart_from_a_filter_called_like_one():
    frames = [frame for frame in make_night() if frame.kind != "flat"]
    cool = [("V", -10.0), ("V", 30.0), ("V_-10C", -10.0)]
    frames += [make_frame("flat", f"f{n}.fits", filter=f, temperature=t) for n, (f, t) in enumerate(cool)]
    paths = [master.path for master in make_plan(frames, overlay()).masters]
    assert len(paths) == len(set(paths)) == 5


def test_dark_takes_the_bias_of_its_own_temperature():
    frames = [make_frame("bias", f"b{n}.fits", temperature=t) for n, t in enumerate((-20.0, 20.0))]
    frames += [make_frame("dark", f"d{n}.fits", temperature=t) for n, t in enumerate((-20.0, 20.0))]
    darks = [master for master in make_plan(frames, overlay()).masters if master.kind == "dark"]
    assert [dark.bias.master.temperature for dark in darks] == [dark.temperature for dark in darks] == [-20.0, 20.0]


def test_what_could_not_be_checked_of_a_masters_own_bias_is_said_too():
    frames = [make_frame("bias", "b.fits", temperature=-20.0), make_frame("dark", "d.fits", temperature=None)]
    frames += [make_frame("light", "l.fits", temperature=None)]
    notes = list_notes(make_plan(frames, overlay(flat__use=False)))
    assert notes[0] == (
        "d.fits, l.fits: nothing tells whether the bias's temperature fits: that of the frame itself is unknown"
    )
