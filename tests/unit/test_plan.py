"""The plan: which masters and lights can be made of the frames, what takes the bias and dark off each, and names."""

from itertools import product

import pytest

from darkroom.matching import canonical_exposure
from darkroom.plan import make_plan
from darkroom.plan_lights import name_lights
from darkroom.plan_text import list_notes
from darkroom.setups import make_slug
from tests.unit.builders import make_frame, make_night, overlay


def plan_of(frames, **settings):
    return make_plan(frames, overlay(**settings))


def paths(masters):
    return [master.path for master in masters]


def test_a_night_makes_a_master_of_each_kind_and_every_light():
    plan = plan_of(make_night())
    assert sorted(paths(plan.masters)) == [
        "2024-03-10/ccd/master_bias.fits",
        "2024-03-10/ccd/master_dark_60s.fits",
        "2024-03-10/ccd/master_flat_V.fits",
    ]
    assert [len(master.frames) for master in plan.masters] == [2, 2, 2]
    assert [light.path for light in plan.made] == [f"2024-03-10/ccd/lights/light_V_60_{n}.fits" for n in (1, 2)]
    assert plan.skipped == []
    assert plan.refused == []
    assert sorted(paths(plan.used_masters)) == sorted(paths(plan.masters))


def test_masters_are_made_by_night_setup_exposure_and_filter():
    frames = (
        make_night(darks=(60.0, 60.002, 300.0), flats=("V", "B")) + make_night("2024-03-11") + make_night(setup="b")
    )
    plan = plan_of(frames)
    counts = {master.path: len(master.frames) for master in plan.masters}
    assert counts["2024-03-10/ccd/master_dark_60s.fits"] == 4
    assert counts["2024-03-10/ccd/master_dark_300s.fits"] == 2
    assert {path for path in counts if "flat" in path} == {
        "2024-03-10/ccd/master_flat_B.fits",
        "2024-03-10/ccd/master_flat_V.fits",
        "2024-03-10/b/master_flat_V.fits",
        "2024-03-11/ccd/master_flat_V.fits",
    }
    assert len(counts) == 5 + 3 + 3
    for light in plan.made:
        assert {match.master.night for match in light.matches} == {light.frame.night}
        assert {match.master.setup for match in light.matches} == {light.frame.setup}


def test_rate_is_made_of_darks_of_every_exposure():
    plan = plan_of(make_night(darks=(60.0, 300.0)), dark__per_second=True)
    (dark,) = [master for master in plan.masters if master.kind == "dark"]
    assert (dark.path, len(dark.frames)) == ("2024-03-10/ccd/master_dark_rate.fits", 4)
    assert [light.dark.scale for light in plan.made] == [60.0, 60.0]


def test_time_of_a_master_is_the_mean_start_of_its_frames():
    starts = ["2024-03-11T02:00:00.000", "2024-03-10T23:00:00.000", "2024-03-11T01:30:00.000"]
    biases = [make_frame("bias", f"{n}.fits", start=start) for n, start in enumerate(starts)]
    (master,) = plan_of(biases).masters
    assert master.time.isoformat() == "2024-03-11T00:50:00"  # 6 h 30 min in all after 23:00, two of them
    assert [frame.name for frame in master.frames] == ["1.fits", "2.fits", "0.fits"]


def test_masters_that_no_light_needs_are_made_but_not_used():
    plan = plan_of(make_night(darks=(60.0, 7.0), flats=("V", "B")))
    unused = {path.rsplit("/")[-1] for path in set(paths(plan.masters)) - set(paths(plan.used_masters))}
    assert unused == {"master_flat_B.fits"}  # the dark of 7 s serves the flats of 4 s


def test_frames_with_a_problem_and_other_kinds_take_no_part():
    frames = make_night()
    spoilt = make_frame("bias", "spoilt.fits", problem="truncated")
    assert len(plan_of([*frames, spoilt]).masters[0].frames) == 2


# what each frame holds, in ADU: a bias of 1000 and a dark of 0.5 a second
BIAS, RATE = 1000.0, 0.5


def hold(match_or_master):
    """What a master holds: bias in ADU, and dark in seconds' worth (of one, for a rate)."""
    master = match_or_master
    if master.kind == "bias":
        return BIAS, 0.0
    bias = BIAS - (hold(master.bias.master)[0] if master.bias else 0.0)
    return bias, 1.0 if master.per_second else canonical_exposure(master.frames[0].exposure)


def left_in(seconds, bias, darks):
    """What is left of bias and dark in a frame once its masters are off."""
    level, dark = BIAS - (hold(bias)[0] if bias else 0.0), seconds
    for match in darks:
        held, length = hold(match.master)
        level, dark = level - match.scale * held, dark - match.scale * length
    return level, dark


SWITCHES = ["bias__use", "dark__use", "dark__subtract_bias", "flat__use", "flat__subtract_dark", "dark__scale"]


@pytest.mark.parametrize("overscan", [None, "[1:2,1:9]"])
@pytest.mark.parametrize("exposures", [(60.0,), (60.0, 4.0), (30.0,)], ids=str)
def test_bias_and_dark_come_off_exactly_once(exposures, overscan):
    """For every combination of switches; a light that cannot be freed of both is not made."""
    for values in product([True, False], repeat=len(SWITCHES)):
        switches = dict(zip(SWITCHES, values, strict=True))
        frames = make_night(darks=exposures)
        for frame in frames:
            frame.overscan = overscan
        plan = plan_of(frames, dark__exposure_tolerance=0, **switches)
        use_bias, use_dark, freed, use_flat, dark_for_flats, scale = values
        free = use_bias and freed
        fits = {t: t in exposures or (scale and free) for t in (60.0, 4.0)}
        expected = fits[60.0] if use_dark else use_bias or bool(overscan)
        if use_flat:
            dark_off = use_dark and dark_for_flats
            whole_off = dark_off and not free
            expected &= (fits[4.0] if dark_off else True) and (use_bias or whole_off or bool(overscan))
        assert (len(plan.made), len(plan.skipped)) == ((2, 0) if expected else (0, 2)), switches
        for light in plan.made:
            bias, dark = left_in(60.0, light.bias and light.bias.master, [light.dark] if light.dark else [])
            assert bias == (0.0 if use_bias or use_dark else BIAS), switches
            assert dark == pytest.approx(0.0 if use_dark else 60.0), switches
            assert bool(light.flat) is use_flat
        for flat in [master for master in plan.masters if master.kind == "flat"]:
            for match in flat.darks or [None]:
                bias, dark = left_in(4.0, flat.bias and flat.bias.master, [match] if match else [])
                assert bias == (0.0 if use_bias or match else BIAS), switches
                assert dark == pytest.approx(0.0 if match else 4.0), switches


def test_a_dark_without_its_bias_is_refused_and_so_is_the_light():
    frames = [frame for frame in make_night() if frame.kind != "bias"]
    plan = plan_of(frames)
    assert paths(plan.masters) == []
    assert [f"{refusal.master.label} of {refusal.master.night}" for refusal in plan.refused] == [
        "master dark 60 s of 2024-03-10",
        "master flat V of 2024-03-10",
    ]
    assert "no bias frame at all" in str(plan.refused[0].miss)
    assert "master dark 60 s of 2024-03-10 cannot be made" in str(plan.refused[1].miss)
    assert [[miss.kind for miss in light.misses] for light in plan.skipped] == [["dark", "bias", "flat"]] * 2


def test_a_light_that_lacks_a_master_is_skipped_and_the_others_are_made():
    plan = plan_of(make_night(lights=[("V", 60.0), ("R", 60.0)]))
    assert {light.frame.filter for light in plan.made} == {"V"}
    assert {light.frame.filter for light in plan.skipped} == {"R"}
    assert [light.matches for light in plan.skipped] == [[], []]


def test_flat_gets_the_dark_of_each_of_its_frames():
    flats = [make_frame("flat", f"flat_{t}.fits", exposure=t) for t in (4.0, 8.0)]
    frames = [frame for frame in make_night(darks=(4.0, 60.0)) if frame.kind != "flat"] + flats
    flat = plan_of(frames, dark__scale=False, dark__exposure_tolerance=4).masters[-1]
    assert [frame.exposure for frame in flat.frames] == [4.0, 8.0]
    assert [match.master.exposure for match in flat.darks] == [4.0, 4.0]
    assert plan_of(frames).masters[-1].darks[1].scale == 2.0


def test_cosmic_rays_need_gain_and_read_noise():
    frames = [frame for frame in make_night() if frame.kind in ("light", "bias")][1:]  # one bias measures nothing
    switches = {"dark__use": False, "flat__use": False, "lights__cosmic_rays__use": True}
    assert [miss.kind for miss in plan_of(frames, **switches).skipped[0].misses] == ["gain", "read_noise"]
    for frame in frames:
        frame.read_noise = 8.0
    assert [miss.kind for miss in plan_of(frames, **switches).skipped[0].misses] == ["gain"]
    assert len(plan_of(frames, detector__gain=1.5, **switches).made) == 2
    # pairs of biases and flats tell both
    assert len(plan_of(make_night(), lights__cosmic_rays__use=True).made) == 2


def test_lights_of_equal_names_in_one_night_have_products_of_their_own():
    names = [
        "a/m67.fits",
        "b/m67.fits",
        "b/M67.fit",
        "b/m67.fts",
        "m67.fits",
        "c/m67 .fits",
        "c/m67_.fits",
        "c/m13.fits",
    ]
    lights = [make_frame("light", name) for name in names]
    plan = plan_of([frame for frame in make_night() if frame.kind != "light"] + lights)
    assert len({light.path.casefold() for light in plan.lights}) == len(names)
    assert [light.path for light in plan.lights if light.frame.name == "c/m13.fits"] == [
        "2024-03-10/ccd/lights/m13.fits"
    ]
    assert {light.path.casefold()[:25] for light in plan.lights} == {
        "2024-03-10/ccd/lights/m67",
        "2024-03-10/ccd/lights/m13",
    }


def test_filters_of_odd_names_have_masters_of_their_own():
    filters = [None, "none", "None", "V", "V ", "V/", "V_", "g'", "g", "H-alpha", "H alpha", "../../V", "[O III]"]
    frames = [make_frame("flat", f"flat_{n}.fits", filter=f) for n, f in enumerate(filters)]
    plan = plan_of([*make_night(flats=(), lights=()), *frames])
    flats = [master for master in plan.masters if master.kind == "flat"]
    assert len({flat.path for flat in flats}) == len(filters)
    assert all(flat.path.count("/") == 2 for flat in flats)


def test_batches_hold_lights_of_one_night_setup_filter_and_exposure():
    lights = [("V", 60.0), ("V", 60.004), ("V", 30.0), (None, 60.0)]
    plan = plan_of(make_night(flats=("V", None), lights=lights))
    groups = {}
    for light in plan.made:
        groups.setdefault(light.group, set()).add(light.frame.exposure)
    assert groups == {
        ("2024-03-10", "ccd", "V", "60s"): {60.0, 60.004},
        ("2024-03-10", "ccd", "V", "30s"): {30.0},
        ("2024-03-10", "ccd", "", "60s"): {60.0},
    }


def test_minmax_that_would_drop_every_frame_is_refused():
    frames = make_night()
    number = sum(frame.kind == "bias" for frame in frames)
    plan = make_plan(frames, overlay(bias__combine={"reject": "minmax", "low": number, "high": 0}))
    assert plan.refused[0].master.kind == "bias"
    assert f"{number} of them, and minmax drops {number}" in str(plan.refused[0].miss)
    assert plan.made == []


def test_frames_of_a_shape_that_no_light_has_are_named():
    frames = [*make_night(), make_frame("bias", "cropped.fits", setup="ccd-of-other-shape")]
    notes = list_notes(make_plan(frames, overlay()))
    assert [note for note in notes if "cropped.fits" in note and "ccd-of-other-shape" in note]
    assert not [note for note in list_notes(make_plan(make_night(), overlay())) if "setup" in note]


def test_filters_that_differ_in_case_alone_have_products_that_no_disk_takes_for_each_other():
    frames = make_night(flats=("R", "r", "V"), lights=(("R", 60.0), ("r", 60.0), ("V", 60.0)))
    plan = make_plan(frames, overlay(certification__use=False))
    flats = [master.path for master in plan.masters if master.kind == "flat"]
    assert len({path.casefold() for path in flats}) == len(flats) == 3
    assert "2024-03-10/ccd/master_flat_V.fits" in flats, "nothing else is called so"
    assert all(light.flat.master.filter == light.frame.filter for light in plan.made)
    assert len(plan.made) == 6


def test_lights_of_one_name_never_share_a_product_whatever_a_third_is_called():
    first = [make_frame("light", name) for name in ("s1/a.fits", "s2/a.fits")]
    taken = {path.rsplit("/")[-1] for _, path in name_lights(first)}
    frames = [*first, *(make_frame("light", f"s3/{name}") for name in taken)]
    paths = [path for _, path in name_lights(frames)]
    assert len({path.casefold() for path in paths}) == 4


def test_filters_whose_short_digests_are_equal_have_flats_of_their_own():
    crafted = ("V'<%x", "V*;{x")  # found by trying
    assert make_slug(crafted[0]) == make_slug(crafted[1])
    plan = make_plan(
        make_night(flats=crafted, lights=tuple((name, 60.0) for name in crafted)), overlay(certification__use=False)
    )
    assert len({master.path for master in plan.masters if master.kind == "flat"}) == 2
    assert all(light.flat.master.filter == light.frame.filter for light in plan.made)
    assert len(plan.made) == 4
