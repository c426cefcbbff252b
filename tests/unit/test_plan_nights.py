"""The plan of some nights: what is kept of all for those chosen, and that it is made as if all were."""

import pytest

from darkroom.findings import Findings
from darkroom.plan import make_plan
from darkroom.plan_nights import list_nights_around
from darkroom.plan_text import describe_plan, list_notes, list_problems
from darkroom.prepared import PlanError
from darkroom.recipes import write_recipes
from tests.unit.builders import make_frame, make_night, overlay
from tests.unit.test_findings import certify

FIRST, SECOND, THIRD = "2024-03-08", "2024-03-09", "2024-03-10"
THREE = [frame for night in (FIRST, SECOND, THIRD) for frame in make_night(night)]


def test_nights_around_those_chosen():
    nights = [f"2024-03-{day:02d}" for day in (1, 2, 5, 9, 10, 30)]
    assert list_nights_around({"2024-03-09"}, nights, 0) == {"2024-03-09"}
    assert list_nights_around({"2024-03-09"}, nights, 4) == {"2024-03-05", "2024-03-09", "2024-03-10"}
    assert list_nights_around({"2024-03-01", "2024-03-30"}, nights, 1) == {"2024-03-01", "2024-03-02", "2024-03-30"}


def names(plan):
    """Masters, lights and certificates of a plan, by night and name."""
    found = [*plan.masters, *plan.made, *plan.bad_pixels, *plan.certificates.values(), *plan.measurements.all]
    return {item.path.replace("/ccd/", "/") for item in found}


def test_the_plan_of_a_night_holds_it_and_what_its_flats_are_compared_with():
    plan = make_plan(THREE, overlay(nights=THIRD))
    own = {"master_bias.fits", "master_dark_60s.fits", "master_flat_V.fits", "bad_pixels.fits", "gain.json"}
    own |= {"certificates/master_bias.json", "certificates/master_dark_60s.json", "read_noise.json"}
    lights = {"lights/light_V_60_1.fits", "lights/light_V_60_2.fits"}
    own_night = {f"{THIRD}/{name}" for name in own | lights | {"certificates/master_flat_V.json"}}
    assert names(plan) == own_night | {f"{SECOND}/{name}" for name in own - {"bad_pixels.fits"}}
    assert {path.split("/")[0] for path in plan.targets} == {THIRD}
    assert plan.frames == THREE
    text = describe_plan(plan, {})
    assert text.startswith(f"nights {THIRD}: 8 of 24 files: 2 bias, 2 dark, 2 flat, 2 light; 1 night(s)")
    assert FIRST not in text


def test_the_first_night_needs_no_other():
    assert {path.split("/")[0] for path in names(make_plan(THREE, overlay(nights=FIRST)))} == {FIRST}


def test_without_certificates_nothing_of_other_nights_is_made():
    plan = make_plan(THREE, overlay(nights=THIRD, certification__use=False))
    assert {path.split("/")[0] for path in names(plan)} == {THIRD}


def test_every_recipe_is_that_of_the_whole_plan(tmp_path):
    settings = {"flat__max_age_days": 5, "dark__max_age_days": 5, "bias__max_age_days": 5}
    frames = [*make_night("2024-03-05", flats=(), lights=(("V", 60.0),)), *THREE, *make_night("2024-03-12", darks=())]
    frames += make_night("2024-03-13", flats=("B",), darks=(30.0,), lights=(("V", 60.0), ("B", 60.0)))
    frames += [make_frame("light", f"{night}/l.fits", night=night) for night in ("2024-03-14", "2024-03-30")]

    def digests(plan):
        write_recipes(plan, overlay(**settings))
        items = [*plan.masters, *plan.made, *plan.bad_pixels, *plan.certificates.values(), *plan.measurements.all]
        return {item.path: item.digest for item in items}

    whole = make_plan(frames, overlay(**settings))
    all_digests, targets = digests(whole), set(whole.targets)
    made = set()
    for night in sorted({frame.night for frame in frames}):
        plan = make_plan(frames, overlay(nights=night, **settings))
        found = digests(plan)
        assert found.items() <= all_digests.items(), night
        assert set(plan.targets) <= targets, night
        assert {path for path in targets if path.startswith(f"{night}/")} <= set(plan.targets), night
        made |= set(plan.targets)
    assert made == targets


def test_a_map_of_bad_pixels_holds_what_lights_of_other_nights_get():
    frames = [*make_night(FIRST, flats=("V", "B")), *make_night(SECOND, flats=(), lights=(("B", 60.0),))]
    plan = make_plan(frames, overlay(nights=FIRST, flat__max_age_days=1))
    (found,) = plan.bad_pixels
    assert [master.filter for master in found.masters if master.kind == "flat"] == ["B", "V"]
    alone = make_plan(frames, overlay(nights=FIRST))
    assert [master.filter for master in alone.bad_pixels[0].masters if master.kind == "flat"] == ["V"]


def test_a_night_without_lights_has_its_masters_made():
    frames = [*make_night(FIRST, lights=()), *make_night(SECOND)]
    plan = make_plan(frames, overlay(nights=FIRST))
    assert plan.lights == []
    masters = {f"{FIRST}/ccd/master_{name}.fits" for name in ("bias", "dark_60s", "flat_V")}
    assert masters == {path for path in plan.targets if "/master_" in path and path.endswith("fits")}
    assert plan.bad_pixels == []  # a run of all nights makes none either


def test_a_night_that_no_frame_has_stops_the_plan():
    with pytest.raises(PlanError) as caught:
        make_plan(THREE, overlay(nights="2024-03-12"))
    assert str(caught.value) == (
        f"config.yaml: nights: no frame is of 2024-03-12; the nearest night is {THIRD} "
        f"(there are {FIRST}, {SECOND}, {THIRD})"
    )


def test_nothing_is_said_of_nights_that_play_no_part():
    frames = [
        *make_night(FIRST, darks=()),  # whose lights are skipped, and whose flat cannot be made
        *THREE[8:],
        make_frame("light", "other/a.fits", night=FIRST, problem="damaged"),
        make_frame("light", "nowhere/b.fits", night="", start=None, problem="truncated"),
        make_frame("light", "2024-03-09/ccd/c.fits", night="", start=None, problem="no date"),
        make_frame("light", "2024-03-10/ccd/d.fits", night="", start=None, problem="no card"),
        make_frame("flat", "2024-03-09/ccd/e.fits", night=SECOND, notes="odd"),
    ]
    whole = make_plan(frames, overlay())
    said = "\n".join(list_problems(whole) + list_notes(whole))
    assert all(
        word in said for word in ("damaged", "truncated", "no date", "no card", "odd", "skipped", "cannot be made")
    )
    plan = make_plan(frames, overlay(nights=THIRD))
    assert list_problems(plan) == ["nowhere/b.fits: truncated", "2024-03-10/ccd/d.fits: no card"]
    assert list_notes(plan) == []


def test_what_a_night_lacks_is_told_as_in_a_run_of_all():
    frames = [*make_night(FIRST), *make_night(SECOND, flats=(), darks=(), lights=(("V", 60.0), ("B", 60.0)))]
    whole, plan = make_plan(frames, overlay()), make_plan(frames, overlay(nights=SECOND))
    assert list_problems(plan) == list_problems(whole)
    assert any("the nearest is of 2024-03-08, 1 night away" in line for line in list_problems(plan))


def test_refusals_of_other_nights_are_told_where_something_looked_there():
    frames = [*make_night(FIRST, darks=()), *make_night(SECOND, flats=())]
    near = make_plan(frames, overlay(nights=SECOND, flat__max_age_days=1))
    assert [refusal.master.path for refusal in near.refused] == [f"{FIRST}/ccd/master_flat_V.fits"]
    far = make_plan(frames, overlay(nights=SECOND))
    assert far.refused == []


def without_biases(night):
    return [frame for frame in make_night(night) if frame.kind != "bias"]


def name_refused(plan):
    return {refusal.master.path.replace("/ccd/master_", " ").removesuffix(".fits") for refusal in plan.refused}


def test_what_a_refusal_of_another_night_goes_back_to_is_told():
    frames = [*without_biases(FIRST), *make_night(SECOND, flats=())]
    plan = make_plan(frames, overlay(nights=SECOND, flat__max_age_days=1))
    assert name_refused(plan) == {f"{FIRST} flat_V", f"{FIRST} dark_60s"}


def test_refusals_beside_what_is_taken_from_another_night_are_told():
    frames = [*make_night(FIRST), *make_night(SECOND, flats=()), *make_night(THIRD, darks=())]
    plan = make_plan(frames, overlay(nights=SECOND, flat__max_age_days=1))
    assert name_refused(plan) == {f"{THIRD} flat_V"}
    frames = [*make_night(FIRST), *make_night(SECOND, darks=(), lights=()), *without_biases(THIRD)]
    plan = make_plan(frames, overlay(nights=SECOND, dark__max_age_days=1))
    assert name_refused(plan) == {f"{THIRD} dark_60s"}


def test_a_flat_that_cannot_be_made_is_no_word_where_the_one_before_is_compared_with():
    frames = [*make_night(FIRST), *make_night(SECOND, darks=()), *make_night(THIRD)]
    plan = make_plan(frames, overlay(nights=THIRD))
    assert plan.certificates[flat(THIRD)].previous.night == FIRST
    assert list_problems(plan) == []


def test_notes_on_frames_of_masters_of_another_night_are_told():
    odd_flat = make_frame("flat", f"{FIRST}/odd.fits", night=FIRST, notes="odd")
    frames = [*make_night(FIRST), odd_flat, *make_night(SECOND, flats=())]
    assert list_notes(make_plan(frames, overlay(nights=SECOND, flat__max_age_days=1))) == [f"{FIRST}/odd.fits: odd"]
    assert list_notes(make_plan(frames, overlay(nights=SECOND))) == []


def flat(night):
    return f"{night}/ccd/master_flat_V.fits"


NIGHTS_OF_FOUR = ("2024-03-07", FIRST, SECOND, THIRD)
FOUR = [frame for night in NIGHTS_OF_FOUR for frame in make_night(night)]
CHANGED = "changed by 0.12 since the night before, more than 0.05"


class Runs:
    """Runs one after another, whose verdicts on masters are made up."""

    def __init__(self, results, **switches):
        self.results = results
        self.switches = switches

    def plan(self, nights=None):
        settings = overlay(nights=nights, **self.switches)
        findings = Findings(self.results, settings)
        plan = make_plan(FOUR, settings, findings.judge)
        write_recipes(plan, settings)
        return plan

    def run(self, verdicts, nights=None):
        """Plan, judge what is to be judged, and plan again, until nothing is; return the plan and what was judged.

        ``verdicts`` are how masters fail, or functions that say so of their certificates.
        """
        judged = []
        while True:
            plan = self.plan(nights)
            wanted = set(plan.targets)
            open_ones = [one for one in plan.certificates.values() if one.path in wanted and not one.verdict]
            if not open_ones:
                return plan, judged
            for one in open_ones:
                judged.append(one.master.path)
                failure = verdicts.get(one.master.path, "")
                failure = failure(one) if callable(failure) else failure
                certify(self.results, one, *(["failed", failure] if failure else ["passed"]), refused=bool(failure))


def unlike(*nights):
    """A flat that has changed if it is compared with one of these nights."""
    return lambda one: CHANGED if one.previous and one.previous.night in nights else ""


def odd(night, *others):
    """Verdicts where the flat of one night is unlike all others."""
    found = {flat(other): unlike(night) for other in NIGHTS_OF_FOUR}
    return found | {flat(night): unlike(*set(NIGHTS_OF_FOUR) - {night})} | dict(others)


def test_the_flat_of_the_night_before_is_not_judged_where_both_agree(tmp_path):
    plan, judged = Runs(tmp_path).run({}, THIRD)
    assert sorted(judged) == [f"{THIRD}/ccd/master_{name}.fits" for name in ("bias", "dark_60s", "flat_V")]
    assert plan.asked == []


def test_a_flat_that_differs_from_an_odd_one_is_used_as_in_a_run_of_all(tmp_path):
    whole, _ = Runs(tmp_path / "whole").run(odd(SECOND))
    plan, judged = Runs(tmp_path / "cut").run(odd(SECOND), THIRD)
    assert [path for path in judged if "flat" in path] == [flat(night) for night in (THIRD, SECOND, FIRST, THIRD)]
    assert [master.path for master in plan.failed] == [flat(SECOND)]
    assert len(plan.made) == 2
    digests = {light.path: light.digest for light in whole.made}
    assert {light.path: light.digest for light in plan.made}.items() <= digests.items()
    assert plan.certificates[flat(THIRD)].digest == whole.certificates[flat(THIRD)].digest
    assert plan.certificates[flat(THIRD)].previous is None
    assert any("2024-03-09 failed its certification" in line for line in list_problems(plan))


def test_a_flat_that_has_changed_itself_stays_refused(tmp_path):
    whole, _ = Runs(tmp_path / "whole").run(odd(THIRD))
    plan, judged = Runs(tmp_path / "cut").run(odd(THIRD), THIRD)
    assert [path for path in judged if "flat" in path] == [flat(THIRD), flat(SECOND)]
    for one in (whole, plan):
        assert [master.path for master in one.failed] == [flat(THIRD)]
        assert [light.frame.night for light in one.skipped] == [THIRD, THIRD]
    assert plan.made == []


def test_a_doubt_goes_back_as_far_as_it_has_to(tmp_path):
    """Two cameras, in turn: each flat has changed since the night before, so every other one counts."""
    verdicts = {flat(night): lambda one: CHANGED if one.previous else "" for night in NIGHTS_OF_FOUR}
    whole, _ = Runs(tmp_path / "whole").run(verdicts)
    for night in NIGHTS_OF_FOUR:
        plan, _ = Runs(tmp_path / night).run(verdicts, night)
        expected = [light.path for light in whole.made if light.frame.night == night]
        assert [light.path for light in plan.made] == expected, night


def test_what_is_known_of_an_earlier_night_is_used(tmp_path):
    runs = Runs(tmp_path)
    runs.run({flat(SECOND): "too uneven"}, SECOND)
    plan, _ = runs.run({flat(SECOND): "too uneven"}, THIRD)
    assert plan.certificates[flat(THIRD)].previous.night == FIRST
    assert [refusal.master.path for refusal in plan.refused] == [flat(SECOND)]


def test_a_dark_of_the_night_before_that_fails_is_replaced_as_in_a_run_of_all(tmp_path):
    """The flat that is compared with is made as ever: its dark has to pass, or another one is taken."""
    verdicts = {f"{SECOND}/ccd/master_dark_60s.fits": "too warm"}
    switches = {"dark__max_age_days": 1}
    # what a run certifies for the comparison is no target, but an input
    runs, whole = Runs(tmp_path / "cut", **switches), Runs(tmp_path / "whole", **switches)
    before, _ = whole.run(verdicts)
    plan = runs.plan(THIRD)
    (dark,) = [one for path, one in plan.certificates.items() if path.startswith(f"{SECOND}/ccd/master_dark")]
    certify(tmp_path / "cut", dark, "failed", "too warm", refused=True)
    plan, _ = runs.run(verdicts, THIRD)
    assert [master.path for master in plan.failed] == [dark.master.path]
    digest = before.certificates[flat(THIRD)].digest
    assert plan.certificates[flat(THIRD)].digest == digest


def test_masters_that_failed_elsewhere_are_not_told(tmp_path):
    runs = Runs(tmp_path)
    bad = {flat(FIRST): "too uneven", f"{FIRST}/ccd/master_bias.fits": "too noisy"}
    whole, _ = runs.run(bad)
    assert whole.failed
    later = runs.plan(THIRD)
    assert (later.failed, later.refused, list_problems(later)) == ([], [], [])
    before = runs.plan("2024-03-07")
    assert (before.failed, before.refused, list_problems(before)) == ([], [], [])
