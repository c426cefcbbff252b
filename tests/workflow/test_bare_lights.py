"""Lights without error bars or masks: the same pixels, in less of a file, by fewer jobs."""

import numpy as np
import pytest
from astropy.io import fits

from tests.workflow.engine import run_due
from tests.workflow.jobs import make_night, plan_night

BARE = {
    "lights": {"uncertainty": False, "mask": False},
    "detector": {"compare": False, "read_noise": 8.0},
    "certification": {"use": False},
}


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """The light of a night made with all that belongs to it, and bare."""
    made = {}
    for name, settings in (("whole", BARE | {"lights": {}}), ("bare", BARE)):
        folder = tmp_path_factory.mktemp(name)
        make_night(folder / "raw")
        run_due(folder, **settings)
        made[name] = folder / "results"
    return made


def read_lights(results):
    """Return what each light holds: planes by the names of their extensions."""
    lights = []
    for path in sorted(results.glob("*/*/lights/*.fits")):
        with fits.open(path) as hdus:
            lights.append({hdu.name: hdu.data for hdu in hdus})
    return lights


def test_pixels_are_the_same_to_the_bit(nights):
    whole, bare = (read_lights(nights[name]) for name in ("whole", "bare"))
    assert len(whole) == len(bare) == 2
    for one, other in zip(whole, bare, strict=True):
        np.testing.assert_array_equal(one["PRIMARY"], other["PRIMARY"])
        assert np.isfinite(other["PRIMARY"]).all()


def test_only_image_and_recipe_are_written(nights):
    assert [list(light) for light in read_lights(nights["whole"])] == [["PRIMARY", "MASK", "UNCERT", "RECIPE"]] * 2
    assert [list(light) for light in read_lights(nights["bare"])] == [["PRIMARY", "RECIPE"]] * 2


def test_nothing_is_made_that_no_light_needs(tmp_path):
    make_night(tmp_path / "raw")
    kinds = sorted(job.kind for job in plan_night(tmp_path, **BARE).jobs.values() if job.due)
    assert kinds == ["calibrate_lights", "make_master_bias", "make_master_dark", "make_master_flat"]


def test_what_must_be_measured_is_measured_all_the_same(tmp_path):
    make_night(tmp_path / "raw")
    settings = BARE | {"detector": {"compare": False, "prefer": "measured"}}
    names = {job.name.split("/")[-1] for job in plan_night(tmp_path, **settings).jobs.values() if job.due}
    assert {"gain", "read_noise"} <= names
