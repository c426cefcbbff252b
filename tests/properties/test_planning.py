"""What holds of the plan whatever nights there are."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.nights import nights_apart
from darkroom.plan import make_plan
from tests.unit.builders import make_frame, overlay

NIGHTS = ["2024-03-08", "2024-03-09", "2024-03-10", "2024-03-12"]
SETUPS = ["ccd", "emccd"]
SWITCHES = st.fixed_dictionaries(
    {
        "bias__use": st.booleans(),
        "dark__use": st.booleans(),
        "flat__use": st.booleans(),
        "dark__subtract_bias": st.booleans(),
        "dark__scale": st.booleans(),
        "dark__exposure_tolerance": st.sampled_from([0, 0.5, 30]),
        "flat__subtract_dark": st.booleans(),
        "bias__max_age_days": st.integers(0, 4),
        "dark__max_age_days": st.integers(0, 4),
        "flat__max_age_days": st.integers(0, 4),
    }
)


@st.composite
def frame_lists(draw, setups=SETUPS, most=25, prefix=""):
    frames = []
    for number in range(draw(st.integers(1, most))):
        kind, night = draw(st.sampled_from(["bias", "dark", "flat", "light"])), draw(st.sampled_from(NIGHTS))
        minutes = draw(st.integers(0, 600))
        start = datetime.fromisoformat(night) + timedelta(hours=20, minutes=minutes)
        fields = {
            "start": start.isoformat(timespec="milliseconds"),
            "night": night,
            "setup": draw(st.sampled_from(setups)),
        }
        if kind != "bias":
            fields["exposure"] = draw(st.sampled_from([4.0, 30.0, 60.0, 60.004, 60.3]))
        if kind in ("flat", "light"):
            fields["filter"] = draw(st.sampled_from(["V", "B", None]))
        stem = draw(st.sampled_from(["m67", "x"])) if kind == "light" else kind
        frames.append(make_frame(kind, f"{prefix}{number:02d}/{stem}.fits", **fields))
    return frames


def describe(frames, switches):
    """The plan as plain values: what each master and light is made of and why."""
    plan = make_plan(frames, overlay(**switches))

    def use(match):
        return match and (match.master.path, match.why, match.scale, match.runners_up)

    masters = {
        m.path: ([f.name for f in m.frames], m.holds_bias, m.bias and m.bias.master.path, [use(d) for d in m.darks])
        for m in plan.masters
    }
    assert len(masters) == len(plan.masters), "two masters of one path"
    lights = {
        light.path: (light.frame.name, use(light.bias), use(light.dark), use(light.flat), list(map(str, light.misses)))
        for light in plan.lights
    }
    assert len({path.casefold() for path in lights}) == len(plan.lights), "two lights of one path"
    return masters, lights, sorted((refusal.master.path, str(refusal.miss)) for refusal in plan.refused)


@given(frame_lists(), SWITCHES, st.randoms())
def test_order_of_frames_plays_no_part(frames, switches, random):
    expected = describe(frames, switches)
    shuffled = list(frames)
    random.shuffle(shuffled)
    assert describe(shuffled, switches) == expected


@given(frame_lists(setups=["ccd"]), frame_lists(setups=["other"], prefix="other"), SWITCHES)
def test_frames_of_another_setup_change_nothing_but_what_misses_say(frames, others, switches):
    masters, lights, _ = describe(frames, switches)
    more_masters, more_lights, _ = describe(frames + others, switches)
    assert {path: made for path, made in more_masters.items() if "/other/" not in path} == masters
    assert {path: made[:4] for path, made in more_lights.items() if "/other/" not in path} == {
        path: made[:4] for path, made in lights.items()
    }


@given(frame_lists(), SWITCHES)
def test_every_light_is_made_of_what_fits_or_says_what_lacks(frames, switches):
    settings = overlay(**switches)
    plan = make_plan(frames, settings)
    assert sorted(light.frame.name for light in plan.lights) == sorted(f.name for f in frames if f.kind == "light")
    for light in plan.lights:
        assert bool(light.misses) is (light not in plan.made)
        assert all(getattr(light, kind) is None for kind in ("bias", "dark", "flat") if not settings[kind]["use"])
        for match in light.matches:
            master, rules = match.master, settings[match.master.kind]
            assert master in plan.masters
            assert master.setup == light.frame.setup
            assert nights_apart(master.night, light.frame.night) <= rules["max_age_days"]
            if master.kind == "flat":
                assert master.filter == light.frame.filter
        if light.dark and light.dark.scale != 1.0:
            assert settings["dark"]["scale"]
            assert not light.dark.master.holds_bias
        if light in plan.made:
            held = light.dark is not None and light.dark.master.holds_bias
            assert (light.bias is not None) is (settings["bias"]["use"] and not held)


@given(frame_lists(), SWITCHES)
def test_a_master_of_the_own_night_comes_before_any_other(frames, switches):
    plan = make_plan(frames, overlay(**switches))
    for light in plan.made:
        for match in light.matches:
            if match.master.night != light.frame.night and match.master.kind != "dark":
                own = (match.master.kind, light.frame.night, light.frame.setup, match.master.filter)
                assert own not in [(m.kind, m.night, m.setup, m.filter) for m in plan.masters]


@settings(max_examples=60)
@given(frame_lists(), SWITCHES, st.integers(-400, 400))
def test_a_shift_of_all_nights_shifts_the_plan(frames, switches, days):
    def shift(frame):
        start = datetime.fromisoformat(frame.start) + timedelta(days=days)
        night = datetime.fromisoformat(frame.night) + timedelta(days=days)
        return replace(frame, start=start.isoformat(timespec="milliseconds"), night=night.date().isoformat())

    before, after = (
        [
            (light.frame.name, [(match.master.path.split("/", 1)[1], match.scale) for match in light.matches])
            for light in make_plan(nights, overlay(**switches)).lights
        ]
        for nights in (frames, [shift(frame) for frame in frames])
    )
    assert before == after


@given(frame_lists(), SWITCHES)
def test_used_masters_are_all_that_lights_need_and_no_more(frames, switches):
    plan = make_plan(frames, overlay(**switches))
    needed = set()

    def need(master):
        needed.add(master.path)
        for other in [match.master for match in master.matches]:
            need(other)

    for light in plan.made:
        for match in light.matches:
            need(match.master)
    assert [master.path for master in plan.used_masters] == sorted(needed)
