"""A solution as cards: fitted to stars whose places are known by plain trigonometry, written, read back by astropy."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import fit_wcs_from_points

from darkroom.cards import shift_coordinates
from darkroom.sky_cards import remove_sky_cards
from darkroom.solving.solution_check import check_solution
from darkroom.solving.wcs_cards import write_sky_cards
from darkroom.solving.wcs_fit import fit_sky
from tests.solver.fields import Camera

PLAIN = Camera(barrel=0)
EVERYWHERE = {
    "as it is": PLAIN,
    "mirrored": replace(PLAIN, mirrored=True, angle=211),
    "at 0 h": replace(PLAIN, ra=0.1, angle=90),
    "near the pole": replace(PLAIN, ra=300, dec=89.3),
    "at the south pole": replace(PLAIN, ra=10, dec=-89.9, angle=5),
    "narrow": replace(PLAIN, scale=0.3),
}


def strew(camera, count=300, seed=3):
    """Places on the sky in the frame, evenly strewn around its middle."""
    rng = np.random.default_rng(seed)
    reach = np.radians(np.hypot(*camera.shape) * camera.scale / 3600 / 2)
    distance, direction = reach * np.sqrt(rng.uniform(0, 1, 4 * count)), rng.uniform(0, 2 * np.pi, 4 * count)
    a, d = np.radians([camera.ra, camera.dec])
    dec = np.arcsin(np.sin(d) * np.cos(distance) + np.cos(d) * np.sin(distance) * np.cos(direction))
    ra = a + np.arctan2(np.sin(direction) * np.sin(distance) * np.cos(d), np.cos(distance) - np.sin(d) * np.sin(dec))
    places = np.degrees(np.column_stack([ra % (2 * np.pi), dec]))
    return places[camera.find_inside(places)][:count]


def solve(camera, noise=0.1, order=3, seed=4):
    """What the check makes of a field with such errors of its stars, given a rough WCS."""
    places = strew(camera)
    pixels = camera.project(places) + np.random.default_rng(seed).normal(0, noise, (len(places), 2))
    rough = fit_sky(pixels[:20], places[:20], camera.shape).make_wcs()
    stars = np.column_stack([pixels, np.linspace(1000, 10, len(pixels))])
    return replace(check_solution(rough, stars, camera.shape, places, highest_order=order), solver="a", reference="b")


def read_back(header):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return WCS(header)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_fit_is_exact_everywhere(name):
    camera = EVERYWHERE[name]
    places = strew(camera)
    wcs = fit_sky(camera.project(places), places, camera.shape).make_wcs()
    new = strew(camera, seed=9)
    assert np.abs(wcs.all_world2pix(new, 0) - camera.project(new)).max() < 1e-5
    assert tuple(wcs.wcs.crpix) == (600.5, 450.5)  # the middle of 1200 x 900


def test_fit_is_that_of_astropy():
    """Least squares of the same stars, by the optimiser of astropy."""
    places = strew(PLAIN)
    pixels = PLAIN.project(places) + np.random.default_rng(1).normal(0, 0.3, (len(places), 2))
    ours = fit_sky(pixels, places, PLAIN.shape).make_wcs()
    theirs = fit_wcs_from_points(pixels.T, SkyCoord(*places.T, unit="deg"), projection="TAN")
    grid = np.array([[x, y] for x in (0, 600, 1199) for y in (0, 450, 899)])
    assert np.abs(theirs.all_world2pix(ours.all_pix2world(grid, 0), 0) - grid).max() < 0.01


def test_distortion_is_fitted_and_inverted():
    camera = Camera()  # a barrel of 2 pixels
    places = strew(camera)
    fit = fit_sky(camera.project(places), places, camera.shape, 3)
    wcs = fit.make_wcs()
    new = strew(camera, seed=9)
    assert np.abs(wcs.all_world2pix(new, 0) - camera.project(new)).max() < 0.005
    # without iterating, as programs that use the inverse polynomials do
    flat = wcs.wcs_world2pix(new, 0) + 1 - np.array(fit.crpix)
    back = flat + np.column_stack(
        [sum(value * flat[:, 0] ** p * flat[:, 1] ** q for (p, q), value in each.items()) for each in (fit.ap, fit.bp)]
    )
    assert np.abs(back + np.array(fit.crpix) - 1 - camera.project(new)).max() < 0.01
    straight = fit_sky(camera.project(places), places, camera.shape).make_wcs()
    assert np.abs(straight.all_world2pix(new, 0) - camera.project(new)).max() > 0.3  # so it was needed


@pytest.mark.parametrize("stars", [2, 40])
def test_stars_that_tell_no_field_are_refused(stars):
    line = np.column_stack([np.arange(stars) * 10.0, np.arange(stars) * 20.0])
    with pytest.raises(ValueError, match="too few" if stars == 2 else "line"):
        fit_sky(line, line / 1000 + 10, (900, 1200))


@pytest.mark.parametrize("camera", [PLAIN, Camera()], ids=["TAN", "TAN-SIP"])
def test_cards_are_read_back(camera, tmp_path):
    solution = solve(camera)
    header = fits.Header()
    write_sky_cards(header, solution)
    path = tmp_path / "light.fits"
    fits.writeto(path, np.zeros(camera.shape, np.uint8), header)
    stored = fits.getheader(path)
    assert stored["CTYPE1"] == ("RA---TAN" if camera.barrel == 0 else "RA---TAN-SIP")
    wcs, ours = read_back(stored), solution.fit.make_wcs()
    grid = np.array([[x, y] for x in np.linspace(-0.5, 1199.5, 9) for y in np.linspace(-0.5, 899.5, 9)])
    assert np.abs(wcs.all_world2pix(ours.all_pix2world(grid, 0), 0, tolerance=1e-8) - grid).max() < 1e-6
    assert np.abs(wcs.all_world2pix(strew(camera, seed=8), 0) - camera.project(strew(camera, seed=8))).max() < 0.1
    assert wcs.wcs.radesys == "ICRS"
    assert all(card.comment for card in header.cards)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_field_is_told(name):
    camera = EVERYWHERE[name]
    solution = solve(camera)
    assert solution.scale == pytest.approx(camera.scale, rel=1e-3)
    assert solution.mirrored == camera.mirrored
    pole = abs(camera.dec) > 89
    away = (solution.rotation - camera.angle + 180) % 360 - 180
    assert abs(away) < (2 if pole else 0.1)  # of the middle, whose meridian it is
    apart = SkyCoord(*solution.centre, unit="deg").separation(SkyCoord(camera.ra, camera.dec, unit="deg"))
    assert apart.arcsec < 0.2 * camera.scale
    assert solution.size == pytest.approx((camera.scale / 3, camera.scale / 4), rel=1e-3)
    header = fits.Header()
    write_sky_cards(header, solution)
    assert (header["SOLVFLIP"], header["SOLVNUM"]) == (camera.mirrored, solution.matches)
    assert header["SOLVRMS"] == pytest.approx(solution.rms, rel=0.01, abs=1e-4)


def test_full_turn_is_none():
    header = fits.Header()
    solution = replace(solve(PLAIN), rotation=359.99999)
    write_sky_cards(header, solution)
    assert header["SOLVROT"] == 0
    assert "up is 0.00 deg" in solution.text


def make_old_header():
    header = fits.Header({"OBJECT": "M 13", "FILTER": "V", "LTV1": -3.0, "CCDSEC": "[1:9,1:9]", "PVALUE": 3, "CD1": 4})
    header["HISTORY"] = "CTYPE1 was guessed"
    header.update({"WCSAXES": 2, "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "CRVAL1": 1.0, "CRVAL2": 2.0})
    header.update({"CRPIX1": 3.0, "CRPIX2": 4.0, "CDELT1": 2.0, "CDELT2": 2.0, "CROTA1": 9.0, "CROTA2": 9.0})
    header.update({"CD1_1": 1.0, "CD2_2": 1.0, "PC1_2": 0.1, "CD001001": 1.0, "PV1_1": 1.0, "PV2_10": 2.0})
    header.update({"A_ORDER": 2, "A_2_0": 1e-3, "BP_ORDER": 2, "BP_0_1": 1e-3, "A_DMAX": 1.0, "RADECSYS": "FK4"})
    header.update({"RADESYS": "FK4", "EPOCH": 1950.0, "EQUINOX": 1950.0, "LATPOLE": 3.0, "LONPOLE": 4.0})
    header.update({"WCSDIM": 2, "WAT0_001": "system=image", "WAT1_001": "wtype=tnx", "AMDX1": 1.0, "PPO3": 1.0})
    header.update({"PLTRAH": 1, "PLTDECSN": "+", "CRDER1": 0.1, "CUNIT1": "rad", "CNAME1": "x", "WCSNAME": "old"})
    header.update({"CTYPE1A": "GLON-TAN", "CTYPE2A": "GLAT-TAN", "CRVAL1A": 5.0, "CD1_1A": 1.0, "RADESYSA": "FK4"})
    header.update({"CTYPE1C": "linear", "CTYPE2C": "linear", "CRVAL1C": 7.0, "CD1_1C": -2.0, "CRPIX1C": 0.5})
    return header


def test_what_was_said_before_is_removed():
    header = make_old_header()
    remove_sky_cards(header)
    kept = {"OBJECT", "FILTER", "LTV1", "CCDSEC", "PVALUE", "CD1", "HISTORY"}
    assert set(header) == kept | {"CTYPE1C", "CTYPE2C", "CRVAL1C", "CD1_1C", "CRPIX1C"}


@pytest.mark.parametrize("camera", [PLAIN, Camera()], ids=["TAN", "TAN-SIP"])
def test_old_cards_have_no_effect(camera):
    solution = solve(camera)
    alone, after = fits.Header(), make_old_header()
    write_sky_cards(alone, solution)
    write_sky_cards(after, solution)
    grid = np.array([[0.0, 0.0], [1199.0, 0.0], [17.0, 899.0]])
    assert np.abs(read_back(after).all_pix2world(grid, 0) - read_back(alone).all_pix2world(grid, 0)).max() < 1e-12
    before = after.tostring()
    write_sky_cards(after, solution)
    assert after.tostring() == before


def test_trimmed_frame_keeps_its_places():
    """A trim moves the cards as it moves the pixels."""
    camera = Camera()
    header = fits.Header()
    write_sky_cards(header, solve(camera))
    shift_coordinates(header, "[101:1150,31:880]")
    places = strew(camera, seed=8)
    moved = camera.project(places) - np.array([100, 30])
    assert np.abs(read_back(header).all_world2pix(places, 0) - moved).max() < 0.1


def test_same_stars_make_the_same_cards():
    headers = [fits.Header(), fits.Header()]
    for header in headers:
        write_sky_cards(header, solve(Camera()))
    assert headers[0].tostring() == headers[1].tostring()
