"""Which lights make a stack, and how it is called."""

import pytest

from darkroom.plan_lights import Light
from darkroom.plan_stacks import plan_solutions, plan_stacks
from tests.unit.builders import make_frame


def make_lights(*told):
    """Lights by object, filter and exposure, taken one a minute, the last one first."""
    lights = []
    for number, (name, passband, exposure) in reversed(list(enumerate(told))):
        fields = {"object": name, "filter": passband, "exposure": exposure}
        frame = make_frame("light", f"l{number}.fits", start=f"2024-03-11T02:{number:02d}:00.000", **fields)
        lights.append(Light(frame, f"2024-03-10/ccd/lights/l{number}.fits"))
    return lights


def name(stacks):
    return {
        stack.path.removeprefix("2024-03-10/ccd/stacks/"): [light.frame.name for light in stack.lights]
        for stack in stacks
    }


def test_lights_of_one_object_filter_and_exposure_make_a_stack_in_order_of_time():
    lights = make_lights(("M67", "V", 60), ("M67", "B", 60), ("M67", "V", 60), ("M67", "V", 10), ("M67", "B", 60.002))
    found = name(plan_stacks(lights, "exposure"))
    assert found == {"M67_V_60s.fits": ["l0.fits", "l2.fits"], "M67_B_60s.fits": ["l1.fits", "l4.fits"]}


def test_exposures_go_together_where_the_filter_decides():
    stacks = plan_stacks(make_lights(("M67", "V", 60), ("M67", "V", 10), ("M67", "B", 5), ("M67", "B", 5)), "filter")
    assert name(stacks) == {"M67_V.fits": ["l0.fits", "l1.fits"], "M67_B.fits": ["l2.fits", "l3.fits"]}
    assert {stack.path.rsplit("_", 1)[-1]: stack.exposure for stack in stacks} == {"V.fits": None, "B.fits": 5}


def test_spelling_of_an_object_makes_no_difference():
    lights = make_lights(("M 67", "V", 60), ("m67", "V", 60), ("M_67", "V", 60), ("M68", "V", 60))
    assert [len(stack.lights) for stack in plan_stacks(lights, "exposure")] == [3]


def test_lights_without_a_name_are_of_one_field():
    (stack,) = plan_stacks(make_lights((None, "V", 60), (None, "V", 60)), "exposure")
    assert stack.path == "2024-03-10/ccd/stacks/none_V_60s.fits"


@pytest.mark.parametrize("hostile", ["../../etc", "a/b", "a'b$(x)", "Größe", " ", "CON"])
def test_hostile_names_stay_in_their_folder(hostile):
    (stack,) = plan_stacks(make_lights((hostile, "V", 60), (hostile, "V", 60)), "exposure")
    folder, _, file = stack.path.rpartition("/")
    assert folder == "2024-03-10/ccd/stacks"
    assert file.isascii()
    assert not set(file) & set("/'$ \\")


def test_names_that_a_disk_takes_for_one_are_told_apart():
    lights = make_lights(
        ("a b", "V", 60), ("a b", "V", 60), ("none", "V", 60), ("none", "V", 60), (None, "V", 60), (None, "V", 60)
    )
    paths = [stack.path.casefold() for stack in plan_stacks(lights, "exposure")]
    assert len(set(paths)) == 3


def test_solutions_lie_beside_the_lights():
    lights = make_lights(("M67", "V", 60))
    plan_solutions(lights)
    assert lights[0].solution.path == "2024-03-10/ccd/solutions/l0.wcs"
    assert lights[0].solution.group == lights[0].group
