"""Colour cameras: nights of undebayered frames behind a Bayer matrix, reduced by the jobs of the workflow.

The truth is that of the simulator, in which each colour has a sensitivity, and the lamp of the flats a colour of its
own. A light that is calibrated as it should be has the colours of the sky.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from darkroom.prepared import Prepared
from darkroom.quality import Bit
from tests.camera import PLACES, Camera
from tests.pulls import Product, measure_center, measure_spread, tell_light, tell_master
from tests.running import find_lights, find_masters
from tests.simulator import Truth, simulate_night
from tests.workflow.jobs import plan_night, run_job

# 15 600 pixels of each colour tell a standard deviation to 0.57 %
SHAPE = (240, 260)
TOLERANCE = 0.02
SENSITIVITY = 0.4, 1.0, 0.92, 0.6  # the two greens differ by more than is usual
LAMP = 0.6, 1.0, 1.0, 1.3
SKY = 300.0  # ADU
DEAD = [(30, 40), (50, 91), (81, 120), (101, 201), (150, 60), (150, 61), (151, 60), (151, 61)]  # row, column
DAY = "2024-03-10"


@dataclass
class Night:
    """A reduced night; ``place`` is where the trimmed frames lie on the truth."""

    truth: Truth
    results: Path
    plan: Prepared
    place: tuple[slice, slice] = (slice(None), slice(None))

    def read(self, stem: str) -> Product:
        return Product.read((find_masters(self.results) | find_lights(self.results))[stem])

    def list_pulls(self, stem: str) -> list[np.ndarray]:
        """The pulls of each plane of a product."""
        product = self.read(stem)
        tell = (
            tell_light(self.truth, stem, product.header) if "light" in stem else tell_master(self.truth, product.header)
        )
        pulls = product.pulls(np.broadcast_to(tell, SHAPE)[self.place])
        return [pulls[place] for place in PLACES]

    def read_figures(self, name: str) -> dict:
        return json.loads(next(self.results.rglob(name)).read_text())


def reduce_night(
    folder: Path, camera: dict | None = None, night: dict | None = None, config: dict | None = None
) -> Night:
    camera = {"shape": SHAPE, "seed": 7, "mosaic": "RGGB", "sensitivity": SENSITIVITY} | (camera or {})
    few = {"biases": 4, "darks": {60.0: 4}, "flats": {"V": 4}, "lights": {("V", 60.0): 1}, "star_count": 4}
    few |= {"light_signal": SKY, "flat_colour": LAMP, "date": DAY, "seed": 5}
    truth = simulate_night(folder / "raw", camera=Camera(**camera), **few | (night or {}))
    for path in (folder / "raw").glob("*.fits"):
        kill_pixels(path)
    plan = plan_night(folder, **(config or {}))
    assert not plan.refusal
    for job in plan.jobs.values():
        run_job(plan, job)
    return Night(truth, folder / "results", plan)


def kill_pixels(path: Path) -> None:
    """Let a few pixels see a third of the light, as read from a raw frame."""
    with fits.open(path, mode="update") as hdus:
        data = hdus[0].data
        for y, x in DEAD:
            data[y, x] = min(data[y, x], 1000 + (data[y, x] - 1000) / 3) if data[y, x] > 1000 else data[y, x]


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return reduce_night(tmp_path_factory.mktemp("mosaic"))


def test_recipes_know_the_mosaic(night):
    recipes = [
        json.loads(path.read_text())["recipe"] for path in night.results.rglob("*.json") if "recipes" in str(path)
    ]
    assert recipes
    for recipe in recipes:
        for one in recipe if isinstance(recipe, list) else [recipe]:
            assert one["mosaic"] == "RGGB"


@pytest.mark.parametrize("stem", ["master_bias", "master_dark_60s", "master_flat_V", "light_V_60s_001"])
def test_error_bars_are_right_in_each_colour(night, stem):
    for pulls in night.list_pulls(stem):
        assert measure_spread(pulls) == pytest.approx(1, abs=TOLERANCE)
        assert abs(measure_center(pulls)) < 0.1


def test_a_light_keeps_the_colours_of_the_sky(night):
    light = night.read("light_V_60s_001")
    levels = [np.median(light.data[place]) for place in PLACES]
    green = (SENSITIVITY[1] + SENSITIVITY[2]) / 2
    expected = SKY * light.header["CALGAIN"] * np.array([SENSITIVITY[0], green, green, SENSITIVITY[3]])
    np.testing.assert_allclose(levels, expected, rtol=0.01)
    with fits.open(night.results.parent / "raw" / "light_V_60s_001.fits") as hdus:
        assert light.header["BAYERPAT"] == hdus[0].header["BAYERPAT"] == "RGGB"


def test_the_levels_of_the_colours_are_told(night):
    header = night.read("master_flat_V").header
    greens = (SENSITIVITY[1] + SENSITIVITY[2]) / 2
    levels = {"R": LAMP[0] * SENSITIVITY[0], "G": greens, "B": LAMP[3] * SENSITIVITY[3]}
    for colour, level in levels.items():
        assert header[f"LEVEL_{colour}"] == pytest.approx(30000 * level, rel=0.01)
    assert header["LEVEL"] == pytest.approx(30000 * (levels["R"] + 2 * levels["G"] + levels["B"]) / 4, rel=0.01)


def test_dead_pixels_are_found_in_each_colour_and_hardly_any_others(night):
    mask = night.read("master_flat_V").mask
    assert all(mask[y, x] & Bit.BAD for y, x in DEAD)
    assert np.count_nonzero(mask) <= len(DEAD) + 2


def test_masters_pass_and_the_gain_is_that_of_the_camera(night):
    for kind in ("bias", "dark_60s", "flat_V"):
        certificate = night.read_figures(f"certificates/master_{kind}.json")
        assert certificate["verdict"] == "passed", certificate["failures"]
        assert abs(certificate["figures"]["noise_excess"]) < 0.02
    flat = night.read_figures("certificates/master_flat_V.json")["figures"]
    assert flat["illumination_change"] < 0.001
    assert flat["level"] == pytest.approx(night.read("master_flat_V").header["LEVEL"], rel=0.01)
    gain = night.read_figures("gain.json")["gain"]
    assert gain["value"] == pytest.approx(night.truth.camera.gain, abs=3.5 * gain["error"])
    assert gain["error"] < 0.01 * gain["value"]


def test_a_light_of_the_lamp_has_no_pattern_but_its_colours(tmp_path):
    of_lamp = {"sensitivity": tuple(a * b for a, b in zip(SENSITIVITY, LAMP, strict=True))}
    bright = {"star_count": 0, "light_signal": 20000.0, "flat_colour": (1, 1, 1, 1)}
    night = reduce_night(tmp_path, of_lamp, bright)
    light = night.read("light_V_60s_001")
    data = np.where(light.mask == 0, light.data, np.nan)
    levels = [np.nanmean(data[place]) for place in PLACES]
    errors = [np.nanmean(light.uncertainty[place]) / data[place].size ** 0.5 for place in PLACES]
    assert levels[1] == pytest.approx(levels[2], abs=4 * (errors[1] ** 2 + errors[2] ** 2) ** 0.5)
    for place, level in zip(PLACES, levels, strict=True):  # vignetting, dust and pixels are out
        assert measure_spread((data[place] - level) / light.uncertainty[place]) == pytest.approx(1, abs=TOLERANCE)


def test_an_odd_trim_keeps_the_colours_apart(tmp_path):
    camera = {"overscan": 16, "sensitivity": (0.4, 1.0, 1.0, 0.6)}
    cards = {"BIASSEC": "[261:276,1:240]", "TRIMSEC": "[2:260,4:239]"}
    night = reduce_night(tmp_path, camera, {"cards": cards, "bias_drift": 5.0})
    night.place = slice(3, 239), slice(1, 260)
    for stem in ("master_flat_V", "light_V_60s_001"):
        for pulls in night.list_pulls(stem):
            assert measure_spread(pulls) == pytest.approx(1, abs=TOLERANCE)
    header = night.read("master_flat_V").header
    assert header["LEVEL_R"] == pytest.approx(30000 * 0.4 * LAMP[0], rel=0.01)
    assert header["LEVEL_B"] == pytest.approx(30000 * 0.6 * LAMP[3], rel=0.01)
    light = night.read("light_V_60s_001")
    truth = tell_light(night.truth, "light_V_60s_001", light.header)[night.place]
    for place in PLACES:  # the median of a flat is that of the trimmed frame
        assert np.median(light.data[place]) == pytest.approx(np.median(truth[place]), rel=0.01)


def test_twilight_that_changes_its_colour_makes_a_flat_all_the_same(tmp_path, monkeypatch):
    tint, taken = Camera.tint, []

    def change(camera, colour=(1, 1, 1, 1)):
        if colour == LAMP:
            taken.append(colour)
            more = 1 + 0.04 * len(taken)
            colour = colour[0] * more, colour[1], colour[2], colour[3] / more
        return tint(camera, colour)

    monkeypatch.setattr(Camera, "tint", change)
    night = reduce_night(tmp_path, night={"seed": 6})
    assert len(taken) == 4
    assert night.read_figures("certificates/master_flat_V.json")["verdict"] == "passed"
    for stem in ("master_flat_V", "light_V_60s_001"):
        for pulls in night.list_pulls(stem):
            assert measure_spread(pulls) == pytest.approx(1, abs=TOLERANCE)


def test_bad_pixels_are_filled_with_their_own_colour(tmp_path):
    columns = {"repair_columns": ["[201:202,20:200]"]}
    night = reduce_night(tmp_path, night={"star_count": 0}, config={"lights": {"masked": "fill"} | columns})
    light = night.read("light_V_60s_001")
    filled = (light.mask & Bit.INTERPOLATED) > 0
    assert all(filled[y, x] for y, x in DEAD)
    assert filled[19:200, 200:202].all()
    truth = tell_light(night.truth, "light_V_60s_001", light.header)
    for place in PLACES:
        assert filled[place].sum() > 80
        np.testing.assert_allclose(light.data[place][filled[place]].mean(), truth[place].mean(), rtol=0.03)
        assert np.abs(light.data - truth)[place][filled[place]].max() < 6 * light.uncertainty[place].mean()
