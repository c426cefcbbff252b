"""Monte Carlo over whole nights: error bars of masters and lights are as large as what they stand for.

Of each night (calibrated - truth) / UNCERT has a robust standard deviation of one. The nights are chosen so that every
kind of combination, dark, overscan and detector is met, not every pair of them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.camera import Camera
from tests.pulls import Product, measure_center, measure_spread, tell_light, tell_master
from tests.running import find_lights, find_masters
from tests.simulator import Truth, simulate_night
from tests.workflow.jobs import plan_night, run_job

# 40 000 pixels tell a standard deviation to 0.35 %, a sixth and an eighth of these
SHAPE = (200, 200)
TOLERANCE = {"light": 0.02, "master": 0.03}  # by the first word of a product's name
STAR_TOLERANCE = 0.1
CENTER_TOLERANCE = 0.15  # the level of a flat is a median; of few electrons and many frames it lies below the mean
MEAN = {"method": "mean", "reject": "none"}
MEDIAN = {"method": "median", "reject": "none"}
CLIPPED = {"reject": "sigma", "sigma": 3.0}
MINMAX = {"method": "mean", "reject": "minmax", "low": 1, "high": 1}
OVERSCAN = {"BIASSEC": "[201:232,1:200]", "TRIMSEC": "[1:200,1:200]"}
STRIP = {"cards": OVERSCAN, "bias_drift": 5.0}
WARM = {"dark_current": 2.0}  # e-/s
UNTOLD = {"EGAIN": None}  # so that the gain is measured


def reduce_night(
    folder: Path, camera: dict[str, Any], night: dict[str, Any], config: dict[str, Any], seed: int
) -> Truth:
    """Simulate a night and make all of it in this process; the lights have a sky of 300 ADU and few stars."""
    camera = {"shape": SHAPE, "seed": 7} | camera
    night = {
        "biases": 7,
        "darks": {60.0: 7},
        "flats": {"V": 7},
        "lights": {("V", 60.0): 1},
        "star_count": 4,
        "seed": seed,
    } | night
    truth = simulate_night(folder / "raw", camera=Camera(**camera), **({"light_signal": 300.0} | night))
    nights = plan_night(folder, **({"certification": {"use": False}} | config))
    assert not nights.refusal
    for job in nights.jobs.values():
        run_job(nights, job)
    return truth


def combine_all(number: int, **combine: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a night with this number of frames of each kind, and the settings that combine them all alike."""
    night = {"biases": number, "darks": {60.0: number}, "flats": {"V": number}}
    return night, {kind: {"combine": combine} for kind in ("bias", "dark", "flat")}


def measure_pulls(folder: Path, truth: Truth) -> dict[str, np.ndarray]:
    """Return the pulls (ny, nx) of each product by its stem; NaN where its mask says anything."""
    pulls = {}
    for stem, path in find_masters(folder / "results").items():
        product = Product.read(path)
        pulls[stem] = product.pulls(tell_master(truth, product.header))
    for stem, path in find_lights(folder / "results").items():
        product = Product.read(path)
        pulls[stem] = product.pulls(tell_light(truth, stem, product.header))
    return pulls


# What the camera, the night and the settings have of their own
CASES = {
    # how frames are combined, and how many
    "mean of 3": ({}, *combine_all(3, **MEAN)),
    "clipped mean of 4": ({}, *combine_all(4, **MEAN | CLIPPED)),
    "minmax of 7": ({}, *combine_all(7, **MINMAX)),
    "clipped mean of 16": ({}, *combine_all(16, **MEAN | CLIPPED)),
    "mean of 50, as is the default": ({}, *combine_all(50)),
    "median of 3": ({}, *combine_all(3, **MEDIAN)),
    "median of 4": ({}, *combine_all(4, **MEDIAN)),
    "clipped median of 7": ({}, *combine_all(7, **MEDIAN | CLIPPED)),
    "minmax and median of 16": ({}, *combine_all(16, **MINMAX | MEDIAN | {"reject": "minmax"})),
    "clipped median of 50": ({}, *combine_all(50, **MEDIAN | CLIPPED)),
    "mean of 3, low noise": ({"read_noise": 2.0}, *combine_all(3, **MEAN)),
    "median of 16, low noise": ({"read_noise": 2.0}, *combine_all(16, **MEDIAN)),
    # darks: of the exposure, near it, scaled down and up, as a rate, with their bias, and none
    "warm and exact": (WARM, {}, {}),
    "warm and near": (WARM, {"lights": {("V", 60.3): 1}}, {}),
    "scaled by a half": (WARM, {"darks": {120.0: 5}, "biases": 3}, {}),
    "scaled by three": (WARM, {"darks": {20.0: 7}, "biases": 5}, {}),
    "rate": (WARM, {"darks": {30.0: 4, 90.0: 4}}, {"dark": {"per_second": True}}),
    "rate and clipped median": (
        WARM,
        {"darks": {30.0: 4, 60.0: 5}},
        {"dark": {"per_second": True, "combine": MEDIAN | CLIPPED}},
    ),
    "median rate of 4 and 60 s": (
        WARM,
        {"darks": {4.0: 4, 60.0: 5}},
        {"dark": {"per_second": True, "combine": MEDIAN}},
    ),
    "whole": (WARM, {"darks": {60.0: 7, 4.0: 5}}, {"dark": {"subtract_bias": False}}),
    "whole and few": (WARM, {"darks": {60.0: 3, 4.0: 3}}, {"dark": {"subtract_bias": False}}),
    "whole and faint": (
        WARM,
        {"darks": {60.0: 7, 4.0: 5}, "flat_signal": 1500.0, "light_signal": 3000.0},
        {"dark": {"subtract_bias": False}},
    ),
    "whole of other flats": (WARM, {}, {"dark": {"subtract_bias": False}, "flat": {"subtract_dark": False}}),
    "no dark": ({}, {}, {"dark": {"use": False}}),
    # overscan, with a bias level that drifts
    "median overscan": ({"overscan": 32}, STRIP, {}),
    "median overscan, low noise": ({"overscan": 32, "read_noise": 2.0}, STRIP, {}),
    "mean overscan": ({"overscan": 32}, STRIP, {"overscan": {"method": "mean"}}),
    "polynomial overscan": ({"overscan": 32}, STRIP, {"overscan": {"method": "polynomial"}}),
    "spline overscan": ({"overscan": 32}, STRIP, {"overscan": {"method": "spline"}}),
    "no bias but overscan": (
        {"overscan": 32, "bias_structure": 0.0},
        STRIP,
        {"bias": {"use": False}, "dark": {"use": False}},
    ),
    "rows that jump": ({"row_noise": 2.0}, {}, {}),
    "rows that jump beside an overscan": ({"row_noise": 2.0, "overscan": 32}, STRIP, {}),
    # detectors and skies
    "low gain, low noise": ({"gain": 0.3, "read_noise": 2.0}, {}, {}),
    "low gain, high noise": ({"gain": 0.3, "read_noise": 20.0}, {}, {}),
    "high gain, low noise": ({"gain": 5.0, "read_noise": 2.0}, {"flat_signal": 10000.0}, {}),
    "high gain, high noise": ({"gain": 5.0, "read_noise": 20.0}, {"flat_signal": 10000.0}, {}),
    "dark sky": ({}, {"light_signal": 2.0}, {}),  # ADU, or 3 e-
    "dark sky, low noise": ({"read_noise": 2.0}, {"light_signal": 2.0}, {}),
    "bright sky": ({}, {"light_signal": 20000.0}, {}),
    "faint flats": ({}, {"flat_signal": 1500.0, "light_signal": 3000.0}, {}),
    "twilight flats, all alike": ({}, {"flat_signal": 20000.0, "light_signal": 3000.0}, {"flat": {"scale": "none"}}),
    "median of unlike flats": ({}, {"light_signal": 3000.0}, {"flat": {"scale": "none", "combine": MEDIAN}}),
    "minmax of unlike flats": ({}, {"light_signal": 3000.0}, {"flat": {"scale": "none", "combine": MINMAX}}),
    # measured gain and read noise, products in ADU
    "measured": ({}, {"cards": UNTOLD, "biases": 16, "flats": {"V": 16}}, {}),
    "measured, few frames": ({"gain": 0.7, "read_noise": 3.0}, {"cards": UNTOLD, "biases": 3, "flats": {"V": 4}}, {}),
    "adu": ({}, {"light_signal": 3.0}, {"lights": {"unit": "adu"}}),
    "told": ({}, {"cards": {"RDNOISE": 8.0}}, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_error_bars_are_as_large_as_the_errors(case: str, tmp_path: Path) -> None:
    truth = reduce_night(tmp_path, *CASES[case], seed=list(CASES).index(case))
    pulls = measure_pulls(tmp_path, truth)
    found = {stem: f"{measure_center(each):+.3f} {measure_spread(each):.3f}" for stem, each in pulls.items()}
    for stem, each in pulls.items():
        assert np.isfinite(each).mean() > 0.95, f"{stem}: most pixels are masked"
        assert measure_spread(each) == pytest.approx(1, abs=TOLERANCE[stem.partition("_")[0]]), found
        assert measure_center(each) == pytest.approx(0, abs=CENTER_TOLERANCE), found


def test_error_bars_of_stars_are_as_large_as_the_errors(tmp_path: Path) -> None:
    truth = reduce_night(tmp_path, {}, {"star_count": 60, "lights": {("V", 60.0): 2}}, {}, seed=99)
    pulls = measure_pulls(tmp_path, truth)
    stars = [pulls[stem][truth.scenes[stem] > 1.2 * light.sky] for stem, light in truth.lights.items()]
    found = np.concatenate(stars)
    assert np.isfinite(found).sum() > 2000
    assert measure_spread(found) == pytest.approx(1, abs=STAR_TOLERANCE)


def test_error_bars_of_signals_that_are_multiplied(tmp_path: Path) -> None:
    """A correction that multiplies all signals by 1.2 does so with the read noise and with that of the bias."""
    night = {"cards": UNTOLD, "biases": 12, "darks": {120.0: 7}, "flats": {"V": 12}, "light_signal": 3.0}
    config = {"detector": {"linearity": [1.2]}, "lights": {"unit": "adu"}}
    truth = reduce_night(tmp_path, {"dark_current": 0.5}, night, config, seed=98)
    found = {}
    for stem, path in {**find_masters(tmp_path / "results"), **find_lights(tmp_path / "results")}.items():
        product = Product.read(path)
        if stem.startswith(("master_dark", "light")):
            product.data, product.uncertainty = product.data / 1.2, product.uncertainty / 1.2
        known = tell_light if stem.startswith("light") else lambda truth, _, header: tell_master(truth, header)
        found[stem] = measure_spread(product.pulls(known(truth, stem, product.header)))
    assert list(found.values()) == pytest.approx([1.0] * 4, abs=0.03), found
