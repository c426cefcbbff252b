"""Flats on whole nights: vignetting comes off evenly, what no flat can serve is NaN and flagged, and nothing else."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tests.camera import Camera
from tests.pulls import Product
from tests.running import find_lights, find_masters
from tests.simulator import Truth, simulate_night
from tests.workflow.jobs import plan_night, run_job

LOW_FLAT, NO_DATA = 16, 32  # bits of MASK, as its header tells
MINIMUM = 0.05  # flat.minimum
SIDE = 40  # of the regions that are averaged, pixels


def reduce_night(folder: Path, **config: Any) -> dict[str, Product]:
    """Make all of the night in this process; return the products by stem."""
    nights = plan_night(folder, **({"certification": {"use": False}} | config))
    assert not nights.refusal
    for job in nights.jobs.values():
        run_job(nights, job)
    return {
        stem: Product.read(path)
        for find in (find_masters, find_lights)
        for stem, path in find(folder / "results").items()
    }


def average_corners(image: np.ndarray) -> list[float]:
    """Return the mean of each corner over that of the centre."""
    ends = slice(None, SIDE), slice(-SIDE, None)
    y, x = ((length - SIDE) // 2 for length in image.shape)
    centre = np.nanmean(image[y : y + SIDE, x : x + SIDE])
    return [float(np.nanmean(image[rows, columns]) / centre) for rows in ends for columns in ends]


@pytest.mark.parametrize(
    ("vignetting", "night", "config"),
    [
        (0.15, {}, {}),
        (0.25, {}, {}),
        (0.25, {"flats": {"V": 24}, "flat_signal": 8000.0}, {}),  # faint: what stays of bias and dark counts most
        (0.25, {"darks": {20.0: 8}}, {"flat": {"combine": {"method": "median"}, "scale": "mean", "normalise": "mean"}}),
        (0.25, {"darks": {60.0: 6, 4.0: 6}}, {"dark": {"subtract_bias": False}}),
    ],
    ids=["a third darker", "half as bright", "faint flats", "medians and means", "whole darks"],
)
def test_sky_of_a_vignetted_night_is_even(
    vignetting: float, night: dict[str, Any], config: dict[str, Any], tmp_path: Path
) -> None:
    camera = Camera(shape=(240, 260), vignetting=vignetting, dark_current=2.0, seed=21)
    night = {"biases": 8, "darks": {60.0: 8}, "flats": {"V": 12}, "lights": {("V", 60.0): 2}} | night
    simulate_night(tmp_path / "raw", camera=camera, star_count=0, light_signal=5000.0, **night)
    made = reduce_night(tmp_path, **config)
    lights = [product for stem, product in made.items() if stem.startswith("light")]
    corners = average_corners(np.mean([np.where(light.mask == 0, light.data, np.nan) for light in lights], axis=0))
    assert max(average_corners(camera.flat("V"))) < 1.2 - 2 * vignetting, "the corners are not dark"
    assert corners == pytest.approx([1.0] * 4, abs=0.002)


def test_without_a_flat_the_sky_is_as_uneven_as_the_flat(tmp_path: Path) -> None:
    camera = Camera(shape=(240, 260), vignetting=0.25, seed=21)
    simulate_night(tmp_path / "raw", camera=camera, star_count=0, light_signal=5000.0)
    made = reduce_night(tmp_path, flat={"use": False})
    corners = average_corners(made["light_V_60s_001"].data)
    assert corners == pytest.approx(average_corners(camera.flat("V")), abs=0.01)


@dataclass(frozen=True)
class Shadowed(Camera):
    """A camera that gets no light at all in one corner, and less and less on the way there; and a blind pixel."""

    def flat(self, filter: str) -> np.ndarray:
        y, x = np.mgrid[: self.shape[0], : self.shape[1]]
        flat = super().flat(filter) * np.clip((np.hypot(y, x) - 12) / 24, 0, 1)
        flat[60, 60] = 0
        return flat / np.median(flat)


SHADOWED = Shadowed(shape=(100, 110), hot_fraction=0, seed=22)
NAN = [(50, 30), (50, 31), (80, 0)]  # pixels that have no number in any flat


@pytest.fixture(scope="module", params=[400.0, 1.0], ids=["sky", "faint sky"])
def shadowed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Truth, dict[str, Product]]:
    """A night with a dark corner, zeros and NaN in its flats, and a sky in ADU."""
    folder = tmp_path_factory.mktemp("shadowed")
    night = {"biases": 9, "darks": {60.0: 9}, "flats": {"V": 9}, "star_count": 0, "light_signal": request.param}
    truth = simulate_night(folder / "raw", camera=SHADOWED, **night)
    for path in (folder / "raw").glob("flat_*.fits"):
        data, header = fits.getdata(path).astype(np.float32), fits.getheader(path)
        data[tuple(np.transpose(NAN))] = np.nan
        data[70, 70] = 0  # less than its bias
        fits.PrimaryHDU(data, header).writeto(path, overwrite=True)
    return truth, reduce_night(folder)


def spoil(flat: np.ndarray) -> np.ndarray:
    """Return the true flat (ny, nx) as it is in the raw frames."""
    flat = flat.copy()
    flat[tuple(np.transpose(NAN))] = np.nan
    flat[70, 70] = -1
    return flat


def test_what_no_flat_can_serve_is_nan_and_flagged_and_nothing_else(shadowed: tuple[Truth, dict[str, Product]]) -> None:
    truth, made = shadowed
    flat = spoil(truth.camera.flat("V"))
    lost = ~(flat > MINIMUM * 0.9)
    kept = flat > MINIMUM * 1.1  # between the two the noise of the flat decides
    assert 150 < lost.sum() < 1000
    assert kept.sum() > 9500
    for stem, light in made.items():
        if stem.startswith("light"):
            low = (light.mask & LOW_FLAT) != 0
            np.testing.assert_array_equal(np.isnan(light.data), low)
            np.testing.assert_array_equal(np.isnan(light.uncertainty), low)
            assert low[lost].all()
            assert not low[kept].any()
            assert not (light.mask[kept] & NO_DATA).any()


def test_nothing_is_infinite_and_neighbours_are_untouched(shadowed: tuple[Truth, dict[str, Product]]) -> None:
    truth, made = shadowed
    for stem, product in made.items():
        assert not np.isinf(product.data).any(), stem
        assert not np.isinf(product.uncertainty).any(), stem
        assert not (product.uncertainty < 0).any(), stem
    flat = spoil(truth.camera.flat("V"))
    near = np.zeros(flat.shape, bool)
    for y, x in [*NAN, (60, 60), (70, 70)]:
        near[y - 2 : y + 3, max(x - 2, 0) : x + 3] = True
    near &= flat > 2 * MINIMUM
    assert near.sum() == 5 * 6 - 2 + 5 * 3 - 1 + 2 * 24
    for stem, scene in truth.scenes.items():
        light = made[stem]
        pulls = (light.data - scene * light.header["CALGAIN"]) / light.uncertainty
        assert (np.abs(pulls[near]) < 5).all()
        assert pulls[near].std() == pytest.approx(1, abs=0.25)
        shadow = (flat < 0.3) & (flat > 2 * MINIMUM)
        assert pulls[shadow].std() == pytest.approx(1, abs=0.25)


def test_negative_sky_stays_negative(shadowed: tuple[Truth, dict[str, Product]]) -> None:
    truth, made = shadowed
    for stem, light in truth.lights.items():
        product, bright = made[stem], truth.camera.flat("V") > 0.9
        bright &= np.isfinite(product.data)
        gain, camera = product.header["CALGAIN"], truth.camera
        deviation = np.sqrt(camera.read_noise**2 * (1 + 1 / 9) + gain * (light.sky + 4) + 0.2)  # electrons
        below = np.mean(product.data[bright] < 0)
        expected = normal_below(-light.sky * gain / deviation)
        assert below == pytest.approx(expected, abs=5 * np.sqrt(0.25 / bright.sum()))
        error = product.data[bright].mean() - light.sky * gain
        assert abs(error) < 5 * deviation / np.sqrt(bright.sum())


def normal_below(x: float) -> float:
    """Return the share of normal values below x."""
    from math import erf

    return (1 + erf(x / 2**0.5)) / 2


@pytest.mark.parametrize(
    ("night", "config", "reason"),
    [
        ({}, {"bias": {"use": False}, "dark": {"use": False}}, "nothing takes its bias off"),
        ({"biases": 0, "darks": {}}, {"dark": {"use": False}}, "there is no bias frame at all"),
        (
            {"biases": 0},
            {"dark": {"subtract_bias": False}},
            "there is 60 s, which holds its bias and so cannot be scaled",
        ),
    ],
    ids=["not wanted", "none there", "a dark that does not fit"],
)
def test_a_flat_without_bias_or_dark_is_refused(
    night: dict[str, Any], config: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    simulate_night(tmp_path / "raw", camera=Camera(shape=(32, 36)), **night)
    nights = plan_night(tmp_path, **config)
    plan = (tmp_path / "results" / "plan.txt").read_text()
    assert not any("flat" in job.kind for job in nights.jobs.values())
    assert not nights.lights
    assert "no light can be calibrated" in nights.refusal
    refused = [line for line in plan.splitlines() if "master flat V of 2024-03-10 cannot be made: " in line]
    assert any(reason in line for line in refused), plan
