"""Problems of stacks and plate solutions on the page of a night: grouped, counted, and told once."""

from dataclasses import replace

from darkroom.page_parts import list_remarks
from darkroom.page_stacks import list_star_problems
from darkroom.report_page import render_night
from tests.unit.test_report_stacks import LIGHTS, make_small, make_stack


def test_problems_of_one_reason_are_one_line():
    stacks = [make_stack(problem=f"none of {number} lights shows the 4 stars", name=f"M{number}") for number in (2, 3)]
    stacks.append(make_stack(problem="clouded", name="M9"))
    lights = [replace(LIGHTS[0], raw=f"{n}.fits", unsolved=f"with {n} stars; what might help: install indexes")
              for n in range(40)]  # fmt: skip
    [two, one, many] = list_star_problems(make_small(*stacks, lights=lights))
    assert two.what == (
        "2 stacks were not made (M2, V, 60 s; M3, V, 60 s): of the first, none of 2 lights shows the 4 stars"
    )
    assert one.what == "The stack of M9, V, 60 s was not made: clouded"
    assert "look at its lights" in one.remedy
    assert many.what.startswith("40 lights have no plate solution (0.fits; 1.fits; ")
    assert many.what.endswith(" and 34 more): of the first, with 0 stars")
    assert many.remedy == "install indexes"


def test_many_reasons_do_not_fill_the_page():
    lights = [replace(LIGHTS[0], raw=f"{name}.fits", unsolved=f"because of {name}") for name in "abcdefgh"]
    problems = list_star_problems(make_small(lights=lights))
    assert len(problems) == 4
    assert problems[-1].what.startswith("5 more lights have no plate solution, for 5 other reasons: d.fits; e.fits")
    assert all(problem.remedy for problem in problems)


def test_problems_are_counted_and_listed_once():
    night = make_small(make_stack(problem="blank"), lights=[*LIGHTS[:3], replace(LIGHTS[3], unsolved="too few stars")])
    page = render_night(night)
    assert "2 problems are told below" in page
    assert page.count("The stack of M13, V, 60 s was not made: blank") == 1
    assert page.count("d.fits has no plate solution: too few stars") == 1
    assert night.problems == []  # the model is left as it was


def test_one_reason_of_all_lights_is_said_once():
    alike = [replace(light, unsolved="solve-field is not there") for light in LIGHTS]
    assert not any(list_remarks(make_small(lights=alike)))
    texts = [
        one["text"] for [one] in list_remarks(make_small(lights=[*alike[:3], replace(LIGHTS[3], unsolved="dark")]))
    ]
    assert texts == ["No plate solution: solve-field is not there"] * 3 + ["No plate solution: dark"]
