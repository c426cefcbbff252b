"""Calibration libraries with traps in them: which master a light gets or why none, and what the plan says of it.

Every frame is a file on disk, indexed and planned as a run would; nothing is reduced.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.plan import make_plan
from tests.unit.builders import index, overlay, write_raw

NIGHT = "2024-03-10"
AGES = {f"{kind}__max_age_days": 60 for kind in ("bias", "dark", "flat")}


class Library:
    """A folder of raw frames; each differs from the others in its numbers."""

    def __init__(self, folder: Path) -> None:
        self.raw = folder / "raw"
        self.count = 0

    def add(self, kind, name=None, time="2024-03-11T02:00:00", shape=(6, 8), **cards):
        """Write a frame; return its name."""
        self.count += 1
        name = name or f"{kind}_{self.count:02d}.fits"
        write_raw(self.raw / name, kind, data=np.full(shape, self.count, np.uint16), time=time, **cards)
        return name

    def add_night(self, time="2024-03-11T02:00:00", **cards):
        """Write one bias, dark and flat."""
        return {kind: self.add(kind, time=time, **flat_filter(kind), **cards) for kind in ("bias", "dark", "flat")}

    def plan(self, **parts):
        return make_plan(list(index(self.raw, **parts).values()), overlay(**parts))

    def problems(self, **parts):
        return {name: frame.problem for name, frame in index(self.raw, **parts).items() if frame.problem}


def flat_filter(kind):
    return {"FILTER": "V"} if kind in ("flat", "light") else {}


def frames_of(match):
    return [frame.name for frame in match.master.frames]


def get_light(plan, name=None):
    (light,) = [light for light in plan.lights if name in (None, light.frame.name)]
    return light


def get_miss(plan, kind):
    (miss,) = [miss for miss in get_light(plan).misses if miss.kind == kind]
    return str(miss)


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path)


def test_masters_of_another_month_at_the_same_second_of_day_are_far_away(library):
    library.add_night("2024-02-10T02:00:00")
    near = library.add_night("2024-03-09T09:00:00")  # two nights, seven hours off
    library.add("light", FILTER="V")
    light = get_light(library.plan(**AGES))
    for kind in ("bias", "dark", "flat"):
        match = getattr(light, kind)
        assert frames_of(match) == [near[kind]]
        assert match.why.startswith("2024-03-08, 2 nights away")
        assert ["2024-02-09, 30 nights away" in other for other in match.runners_up] == [True]
    for kind in ("bias", "dark", "flat"):
        text = get_miss(library.plan(), kind)
        assert "the nearest is of 2024-03-08, 2 nights away" in text
        assert f"{kind}.max_age_days: 2 allows it (now 0)" in text


@pytest.mark.parametrize(
    ("own", "next_one"),
    [
        ({"GAIN": 100, "EGAIN": 1.5}, {"GAIN": 101, "EGAIN": 1.48}),
        ({"GAIN": 100, "EGAIN": None}, {"GAIN": 101, "EGAIN": None}),
        ({"CAM_GAIN": 100}, {"CAM_GAIN": 120}),
        ({"EGAIN": 1.5}, {"EGAIN": 0.25}),
        ({"OFFSET": 10}, {"OFFSET": 11}),
        ({"XBINNING": 2, "YBINNING": 2}, {"XBINNING": 2, "YBINNING": 1}),
        ({"READOUTM": "5 MHz"}, {"READOUTM": "5 MHz (16-bit)"}),
        ({"INSTRUME": "Camera 1"}, {"INSTRUME": "Camera 2"}),
        ({"XORGSUBF": 0}, {"XORGSUBF": 8}),
    ],
    ids=["gain", "gain without e-/ADU", "CAM-GAIN", "EGAIN", "offset", "binning", "read-out", "camera", "window"],
)
def test_masters_of_the_next_setting_are_never_taken_however_near(library, own, next_one):
    library.add_night(**next_one)
    library.add("light", FILTER="V", **own)
    plan = library.plan()
    other = next(master.setup for master in plan.masters)
    for kind in ("bias", "dark", "flat"):
        assert f"there are {kind} frames of setup {other} only" in get_miss(plan, kind)
    mine = library.add_night("2024-02-20T09:00:00", **own)
    light = get_light(library.plan(**AGES))
    assert [frames_of(match) for match in light.matches] == [[name] for name in mine.values()]
    assert all("2024-02-19, 20 nights away" in match.why for match in light.matches)
    assert not any(match.runners_up for match in light.matches)


@pytest.mark.parametrize("filter_card", [None, ""])
def test_filter_in_the_second_wheel_counts(library, filter_card):
    wheels = {"FILTER": filter_card, "FILTER1": "clear"}
    for kind in ("bias", "dark"):
        library.add(kind)
    flats = {name: library.add("flat", FILTER2=name, **wheels) for name in ("B", "V", "Clear")}
    library.add("light", "v.fits", FILTER2="V", **wheels)
    library.add("light", "clear.fits", FILTER2="Clear", **wheels)
    library.add("light", "r.fits", FILTER2="R", **wheels)
    plan = library.plan()
    assert frames_of(get_light(plan, "v.fits").flat) == [flats["V"]]
    assert get_light(plan, "v.fits").flat.why == "own night, same setup, filter V"
    assert frames_of(get_light(plan, "clear.fits").flat) == [flats["Clear"]]
    assert "no flat in R" in str(get_light(plan, "r.fits").misses[0])
    assert "there are flats in B, V, clear only" in str(get_light(plan, "r.fits").misses[0])


def test_flat_forty_degrees_warmer_is_refused_and_named(library):
    library.add_night()
    for path in library.raw.glob("flat*"):
        path.unlink()
    warm = library.add("flat", FILTER="V", **{"CCD-TEMP": 30.0})
    for name in ("bias", "dark"):  # so that the flat itself can be made
        library.add(name, **{"CCD-TEMP": 30.0})
    library.add("light", FILTER="V")
    text = get_miss(library.plan(), "flat")
    assert "there is one at 30 C, 40 degrees warmer; flat.temperature_tolerance: 40 allows it" in text
    match = get_light(library.plan(flat__temperature_tolerance=40)).flat
    assert frames_of(match) == [warm]
    assert match.why == "own night, same setup, filter V, 40 degrees warmer"


def test_dark_taken_before_the_camera_was_cold_is_not_combined_with_the_others(library):
    library.add("bias")
    library.add("bias", **{"CCD-TEMP": 20.0})
    library.add("dark", **{"CCD-TEMP": 20.0})  # its set point says -10 like all others
    cold = [library.add("dark", **{"CCD-TEMP": t}) for t in (-10.1, -9.9)]
    library.add("light", FILTER="V")
    plan = library.plan(flat__use=False)
    match = get_light(plan).dark
    assert sorted(frames_of(match)) == sorted(cold)
    assert match.why == "own night, same exposure"
    names = sorted(master.path.rsplit("/", 1)[-1] for master in plan.masters if master.kind == "dark")
    assert names == ["master_dark_60s_-10C.fits", "master_dark_60s_20C.fits"]


def test_dark_without_temperature_serves_only_where_none_is_known_to_fit(library):
    silent = {"CCD-TEMP": None, "SET-TEMP": None}
    library.add("bias")
    unknown = library.add("dark", **silent)
    library.add("light", FILTER="V")
    plan = library.plan(flat__use=False)
    match = get_light(plan).dark
    assert (frames_of(match), match.why) == ([unknown], "own night, same exposure, temperature unknown")
    assert "temperature fits: that of the master dark 60 s of 2024-03-10 is unknown" in match.warning
    known = library.add("dark", time="2024-03-11T09:00:00")
    match = get_light(library.plan(flat__use=False)).dark
    assert (frames_of(match), match.why, match.warning) == ([known], "own night, same exposure", "")
    assert "temperature unknown" in match.runners_up[0]


def test_set_point_stands_in_where_nothing_was_measured(library):
    library.add("bias", **{"CCD-TEMP": None})
    library.add("dark", **{"CCD-TEMP": -999.0, "SET-TEMP": 20.0})
    library.add("light", FILTER="V", **{"CCD-TEMP": None})
    text = get_miss(library.plan(flat__use=False, bias__temperature_tolerance=None), "dark")
    assert "there is 60 s at 20 C, 30 degrees warmer" in text


# Longitude, the times of calibrations and light, and whether they are of one night.
MIDNIGHTS = {
    "UTC midnight": ("0 00 00", "2024-03-10T23:59:30", "2024-03-11T00:00:30", True),
    "local midnight": ("-105 49 13", "2024-03-11T07:02:00", "2024-03-11T07:05:00", True),
    "UTC midnight at local afternoon": ("-105 49 13", "2024-03-10T23:59:30", "2024-03-11T00:00:30", True),
    "local noon": ("0 00 00", "2024-03-10T11:59:30", "2024-03-10T12:00:30", False),
    "local noon far west": ("-105 49 13", "2024-03-10T19:02:00", "2024-03-10T19:05:00", False),
}


@pytest.mark.parametrize("case", MIDNIGHTS)
def test_midnight_divides_no_night_and_noon_does(library, case):
    longitude, before, after, one_night = MIDNIGHTS[case]
    names = library.add_night(before, SITELONG=longitude)
    library.add("light", time=after, FILTER="V", SITELONG=longitude)
    plan = library.plan()
    light = get_light(plan)
    if one_night:
        assert [frames_of(match) for match in light.matches] == [[name] for name in names.values()]
        assert all(match.why.startswith("own night") for match in light.matches)
    else:
        assert len(light.misses) == 3
        assert "1 night away; bias.max_age_days: 1 allows it (now 0)" in get_miss(plan, "bias")


PROCESSED = {
    "one of Darkroom's masters": ("bias", None, {"IMAGETYP": "MASTER BIAS"}, "it is a master ('MASTER BIAS')"),
    "one of Darkroom's lights": ("light", None, {"CALSTAT": "BDF"}, "it is calibrated already (CALSTAT = 'BDF')"),
    "IRAF's flat": (
        "flat",
        None,
        {"ZEROCOR": "Mar 11 12:03 Zero level correction image is Zero", "NCOMBINE": 12},
        "12 frames are combined in it (NCOMBINE)",
    ),
    "IRAF's light": (
        "light",
        None,
        {"ZEROCOR": "Mar 11 12:03 Zero level", "FLATCOR": "Mar 11 12:04 Flat field image is Flat"},
        "it is calibrated already (ZEROCOR, FLATCOR)",
    ),
    "IRAF's overscan": (
        "light",
        None,
        {"OVERSCAN": "Mar 11 12:03 Overscan section is [1025:1056,1:1024] with mean=994."},
        "its overscan is off already (OVERSCAN)",
    ),
    "a step marked by 1": ("light", None, {"DARKCOR": 1}, "it is calibrated already (DARKCOR)"),
    "MaxIm's master": ("bias", None, {"IMAGETYP": "Master Bias"}, "it is a master ('Master Bias')"),
    "PixInsight's master": ("bias", None, {"IMAGETYP": "masterBias"}, "it is a master ('masterBias')"),
    "Siril's stack": ("dark", None, {"STACKCNT": 20}, "20 frames are combined in it (STACKCNT)"),
    "a flat named and combined": ("flat", "master_flat_V.fits", {"NCOMBINE": 9}, "9 frames are combined in it"),
    "by its name alone": ("flat", "sub/MasterFlat V.fits", {}, "by its name: a master"),
}


@pytest.mark.parametrize("case", PROCESSED)
def test_what_is_no_raw_frame_takes_no_part_and_is_named(library, case):
    kind, name, cards, reason = PROCESSED[case]
    raw = library.add_night()
    library.add("light", "wanted.fits", FILTER="V")
    offered = library.add(kind, name, **flat_filter(kind) | cards)
    assert library.problems().keys() == {offered}
    assert library.problems()[offered].startswith("no raw frame")
    assert reason in library.problems()[offered]
    light = get_light(library.plan())
    assert [frames_of(match) for match in light.matches] == [[name] for name in raw.values()]


@pytest.mark.parametrize(
    "cards",
    [
        {"OVERSCAN": 32, "TRIM": "[1:8,1:6]"},
        {"OVERSCAN": True},
        {"ZEROCOR": False, "FLATCOR": "no"},
        {"DARKCOR": "PERFORM", "FLATCOR": "OMIT"},  # of a raw frame of the Hubble telescope
        {"FLATCOR": 0, "ZEROCOR": ""},
        {"NCOMBINE": 1},
        {"NCOMBINE": 0, "STACKCNT": 1},
        {"CALSTAT": ""},
        {"OBJECT": "Master"},
    ],
    ids=str,
)
def test_what_only_looks_processed_is_a_raw_frame(library, cards):
    library.add("flat", FILTER="V", **cards)
    library.add("light", "headmaster.fits", FILTER="V", **cards)
    assert library.problems() == {}


def test_exposure_a_second_off_is_scaled_or_refused_as_the_settings_say(library):
    library.add("bias")
    library.add("dark", EXPTIME=61.0)
    library.add("light", FILTER="V")
    match = get_light(library.plan(flat__use=False)).dark
    assert match.scale == pytest.approx(60 / 61)
    assert match.why == "own night, 61 s scaled by 0.9836"
    text = get_miss(library.plan(flat__use=False, dark__scale=False), "dark")
    assert "there is 61 s; dark.exposure_tolerance: 1 or dark.scale: true allows it" in text
    match = get_light(library.plan(flat__use=False, dark__exposure_tolerance=1)).dark
    assert (match.scale, match.why) == (1.0, "own night, 61 s within 1 s")
    exact = library.add("dark", time="2024-03-11T11:00:00")
    assert frames_of(get_light(library.plan(flat__use=False, dark__exposure_tolerance=1)).dark) == [exact]


def test_exposures_that_the_shutter_or_a_rounding_scatters_are_one(library):
    library.add("bias")
    darks = [library.add("dark", EXPTIME=seconds) for seconds in (59.998, 60.0, 60.004)]
    library.add("light", FILTER="V", EXPTIME=60.001)
    match = get_light(library.plan(flat__use=False)).dark
    assert frames_of(match) == darks
    assert (match.scale, match.why) == (1.0, "own night, same exposure")


def test_duplicates_under_other_names_weigh_nothing(library):
    names = library.add_night()
    library.add("light", FILTER="V")
    for kind, name in names.items():
        (library.raw / "backup").mkdir(exist_ok=True)
        shutil.copyfile(library.raw / name, library.raw / "backup" / f"copy of {kind}.fits")
    plan = library.plan()
    assert [frames_of(match) for match in get_light(plan).matches] == [[name] for name in names.values()]
    assert library.problems() == {
        f"backup/copy of {kind}.fits": f"the same content as {name}" for kind, name in names.items()
    }


def test_one_frame_of_each_is_a_master_of_one(library):
    library.add_night()
    library.add("light", FILTER="V")
    light = get_light(library.plan())
    assert [len(match.master.frames) for match in light.matches] == [1, 1, 1]
    assert [match.why for match in light.matches] == [
        "own night, same setup",
        "own night, same exposure",
        "own night, same setup, filter V",
    ]


@given(order=st.permutations(range(12)))
@settings(max_examples=25, deadline=None)
def test_order_of_the_frames_chooses_nothing(tmp_path_factory, order):
    library = Library(tmp_path_factory.getbasetemp() / "any order")
    if not library.raw.exists():
        for day, degrees in ((9, -10.0), (11, -9.0), (12, 30.0)):
            library.add_night(f"2024-03-{day:02d}T02:00:00", **{"CCD-TEMP": degrees})
        library.add("dark", time="2024-03-12T02:00:00", **{"CCD-TEMP": None, "SET-TEMP": None})
        library.add("dark", EXPTIME=30.0)
        library.add("light", FILTER="V", time="2024-03-11T03:00:00")
    frames = list(index(library.raw, **AGES).values())
    assert len(frames) == len(order)
    light = get_light(make_plan([frames[n] for n in order], overlay(**AGES)))
    said = [(frames_of(match), match.why, match.runners_up, match.warning) for match in light.matches]
    usual = get_light(make_plan(frames, overlay(**AGES)))
    assert said == [(frames_of(match), match.why, match.runners_up, match.warning) for match in usual.matches]
    assert [frames[0] for frames, *_ in said] == ["bias_04.fits", "dark_05.fits", "flat_06.fits"]
