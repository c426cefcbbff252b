"""The check of a solution: it believes what is true, refuses what is not, and tells honestly how good it is."""

from dataclasses import replace

import numpy as np
import pytest

from darkroom.solving.solution_check import RefusedSolution, check_solution
from darkroom.solving.wcs_fit import fit_sky
from tests.solver.fields import Camera
from tests.unit.test_wcs_cards import PLAIN, strew

SHAPE = PLAIN.shape


def make_stars(camera, places, noise=0.2, false=60, seed=2):
    """Stars of a catalogue with errors in pixels, and false ones among them."""
    rng = np.random.default_rng(seed)
    true = camera.project(places) + rng.normal(0, noise, (len(places), 2))
    others = rng.uniform(0, 1, (false, 2)) * [SHAPE[1], SHAPE[0]]
    pixels = np.concatenate([true, others])
    return np.column_stack([pixels, rng.uniform(1, 1000, len(pixels))])


def guess(camera, **changes):
    """A rough WCS such as a solver's, of the camera or of one that differs from it."""
    other = replace(camera, barrel=0, **changes)
    places = strew(other)
    return fit_sky(other.project(places), places, SHAPE).make_wcs()


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_rms_is_that_of_the_stars(noise):
    places = strew(PLAIN, 250)
    solution = check_solution(guess(PLAIN), make_stars(PLAIN, places, noise), SHAPE, places)
    # along both axes; fits of 9 tenths of so many stars add 1 %
    assert solution.rms_pixels == pytest.approx(noise * np.sqrt(2), rel=0.12)
    assert solution.rms == pytest.approx(solution.rms_pixels * 6.0, rel=0.02)
    assert solution.matches > 240
    assert solution.fit.order == 1  # noise is no distortion


def test_rough_solution_is_made_good():
    """A solver's that is 4 pixels off in the corners: the fit meets all stars with the barrel that there is."""
    camera = Camera(barrel=1e-8)
    places = strew(camera, 300)
    solution = check_solution(guess(camera), make_stars(camera, places, 0.1), SHAPE, places)
    new = strew(camera, seed=12)
    assert solution.fit.order == 3
    assert np.abs(solution.fit.make_wcs().all_world2pix(new, 0) - camera.project(new)).max() < 0.15


def test_no_distortion_where_none_is_wanted():
    camera = Camera(barrel=1e-8)
    places = strew(camera, 300)
    solution = check_solution(guess(camera), make_stars(camera, places), SHAPE, places, highest_order=1)
    assert solution.fit.order == 1


@pytest.mark.parametrize("off", [{"ra": 85.05}, {"dec": 2.2}, {"angle": 40.0}, {"scale": 6.3}, {"mirrored": True}])
def test_wrong_solutions_are_refused(off):
    """Some degrees, minutes of arc or parts off: the catalogue's stars are not there."""
    places = strew(PLAIN, 300)
    stars = make_stars(PLAIN, places)
    assert check_solution(guess(PLAIN), stars, SHAPE, places).matches > 290
    with pytest.raises(RefusedSolution, match=r"where it puts them|pixels off|axes"):
        check_solution(guess(PLAIN, **off), stars, SHAPE, places)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("count", [300, 2000])
def test_chance_is_no_solution(seed, count):
    """In crowds many stars are near some other by chance: unrelated fields are refused all the same."""
    rng = np.random.default_rng(seed)
    places = strew(PLAIN, count, seed=seed)
    stars = np.column_stack([rng.uniform(0, 1, (count, 2)) * [SHAPE[1], SHAPE[0]], np.ones(count)])
    with pytest.raises(RefusedSolution):
        check_solution(guess(PLAIN), stars, SHAPE, places)


def test_clusters_are_reckoned_with():
    """A dense cluster puts many of both catalogue and stars at one place, with no star of one in the other."""
    rng = np.random.default_rng(1)
    middle = np.array([600.0, 450.0])
    pixels = middle + rng.normal(0, 25, (400, 2))
    wcs = guess(PLAIN)
    places = wcs.all_pix2world(middle + rng.normal(0, 25, (400, 2)), 0)
    with pytest.raises(RefusedSolution):
        check_solution(wcs, np.column_stack([pixels, np.ones(400)]), SHAPE, places)


@pytest.mark.parametrize(("count", "false"), [(5, 0), (0, 50), (40, 0)])
def test_few_stars(count, false):
    places = strew(PLAIN, 40)
    stars = make_stars(PLAIN, places[:count], false=false)
    if count == 40:
        assert check_solution(guess(PLAIN), stars, SHAPE, places).matches >= 38
        return
    with pytest.raises(RefusedSolution, match=r"catalogue stars|no stars"):
        check_solution(guess(PLAIN), stars, SHAPE, places)


def test_no_catalogue_is_no_check():
    with pytest.raises(RefusedSolution, match="no stars"):
        check_solution(guess(PLAIN), make_stars(PLAIN, strew(PLAIN)), SHAPE, np.empty((0, 2)))


def test_scale_that_is_known_is_demanded():
    places = strew(PLAIN)
    stars = make_stars(PLAIN, places)
    assert check_solution(guess(PLAIN), stars, SHAPE, places, scale=(5.9, 6.1)).scale == pytest.approx(6, rel=1e-3)
    with pytest.raises(RefusedSolution, match="not within 2 to 3"):
        check_solution(guess(PLAIN), stars, SHAPE, places, scale=(2, 3))


def test_stars_of_the_whole_sky_may_be_in_the_catalogue():
    """What lies behind the camera, or far outside of a polynomial's frame, is not in the frame."""
    camera = Camera()
    rng = np.random.default_rng(3)
    whole = np.column_stack([rng.uniform(0, 360, 5000), np.degrees(np.arcsin(rng.uniform(-1, 1, 5000)))])
    places = np.concatenate([strew(camera), whole])
    solution = check_solution(guess(camera), make_stars(camera, strew(camera)), SHAPE, places)
    ra, dec = np.radians(places).T
    a, d = np.radians([camera.ra, camera.dec])
    near = np.sin(d) * np.sin(dec) + np.cos(d) * np.cos(dec) * np.cos(ra - a) > np.cos(np.radians(2))
    assert solution.catalogue == np.count_nonzero(near & camera.find_inside(places, -0.5))
