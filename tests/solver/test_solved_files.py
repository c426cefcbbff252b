"""What is written of a solution, as other programs read it: the catalogue's stars fall on those of the image."""

import shutil

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import maximum_filter, uniform_filter

from darkroom.solving.child_programs import run_child
from darkroom.solving.solutions import read_solution_cards, write_solution
from darkroom.solving.solve_light import solve_light
from darkroom.solving.wcs_cards import copy_sky_cards
from tests.solver.install import find_obstacle
from tests.solver.test_real_solvers import CAMERAS, CARDS, draw, name_cards, read_real, read_tycho, real

pytestmark = [pytest.mark.extra, pytest.mark.skipif(bool(find_obstacle()), reason=find_obstacle())]


def find_peaks(image, shift=0.0):
    """Where the image is brightest around, weighed by what stands out of 5 x 5 pixels: x and y."""
    sky = np.median(image)
    smooth = uniform_filter(image - sky, 3)
    rms = 1.4826 * np.median(np.abs(smooth - np.median(smooth)))
    peaks = np.argwhere((smooth == maximum_filter(smooth, 7)) & (smooth > 5 * rms))
    rows, columns = np.mgrid[-2:3, -2:3]
    places = []
    for row, column in peaks:
        if 2 < row < image.shape[0] - 3 and 2 < column < image.shape[1] - 3:
            weights = np.clip(image[row - 2 : row + 3, column - 2 : column + 3] - sky, 0, None)
            x, y = (float((weights * each).sum() / weights.sum()) for each in (columns, rows))
            places.append((column + x + shift, row + y + shift))
    return np.array(places)


def measure_distances(wcs, places, peaks, shape):
    """How far the nearest peak is from where each star of a catalogue falls, in pixels, if it stands alone."""
    pixels = wcs.all_world2pix(places, 0, quiet=True)
    among = np.hypot(*(pixels[:, None] - pixels[None]).T)
    np.fill_diagonal(among, np.inf)
    x, y = pixels.T
    alone = (among.min(axis=0) > 12) & (x > 5) & (x < shape[1] - 6) & (y > 5) & (y < shape[0] - 6)
    return np.hypot(*(pixels[alone][:, None] - peaks[None]).T).min(axis=0)


def write_light(data, header, cards, folder, mosaic=False):
    """Solve a light, write the solution and the light with it; the light's header as astropy reads it."""
    write_solution(str(folder / "light.wcs"), {"frame": "light"}, solve_light(data, header, {}, cards, mosaic=mosaic))
    solved, reason = read_solution_cards(str(folder / "light.wcs"))
    assert not reason
    copy_sky_cards(solved, header)
    fits.writeto(folder / "light.fits", data, header, output_verify="silentfix")
    return fits.getheader(folder / "light.fits")


@pytest.mark.parametrize("name", ["as it is", "mirrored", "at the pole"])
def test_stars_of_the_catalogue_are_those_of_the_image(name, tmp_path):
    camera = CAMERAS[name]
    image, places = draw(camera, tmp_path)
    header = fits.Header({"RA": camera.ra, "DEC": camera.dec, "SECPIX": camera.scale})
    wcs = WCS(write_light(image, header, CARDS, tmp_path))
    away = measure_distances(wcs, places, find_peaks(image), camera.shape)
    print(f"{name}: {len(away)} stars, median {np.median(away):.2f}, farthest {away.max():.2f} pixels")
    assert len(away) > 50
    assert away.max() < 1


def test_astrometry_net_reads_it_alike(tmp_path):
    """Its own wcs-xy2rd, of the .wcs file, corner by corner; both of them count SIP."""
    if shutil.which("wcs-xy2rd") is None:
        pytest.skip("wcs-xy2rd: not installed")
    camera = CAMERAS["as it is"]
    image, _ = draw(camera, tmp_path)
    header = fits.Header({"RA": camera.ra, "DEC": camera.dec, "SECPIX": camera.scale})
    wcs = WCS(write_light(image, header, CARDS, tmp_path))
    assert wcs.sip is not None
    for x, y in ((1, 1), (1200, 1), (1200, 900), (300.5, 700.25)):
        said = run_child(
            ["wcs-xy2rd", "-w", str(tmp_path / "light.wcs"), "-x", str(x), "-y", str(y)], tmp_path, 30
        ).said
        ra, dec = map(float, said.split("RA,Dec (")[1].split(")")[0].split(","))
        assert wcs.all_pix2world(x, y, 1) == pytest.approx([ra, dec], abs=1e-8)


@real
def test_stars_of_the_catalogue_are_those_of_a_real_frame(tmp_path):
    """The brightest of Tycho-2 on a frame of PANOPTES; five pixels aside nearly none is met."""
    data, header = read_real("odd/dslr/unsolved.fits", 0)
    wcs = WCS(write_light(data, header, name_cards(header), tmp_path, mosaic=True))
    middle = wcs.all_pix2world(349.5, 349.5, 0)
    camera = CAMERAS["as it is"].__class__(ra=float(middle[0]), dec=float(middle[1]), scale=10.31, shape=data.shape)
    places, magnitudes = read_tycho(camera, tmp_path)
    places = places[np.argsort(magnitudes, kind="stable")[:150]]
    peaks = find_peaks(uniform_filter(data, 2, origin=-1)[:-1, :-1], 0.5)
    away = measure_distances(wcs, places, peaks, data.shape)
    wrong = measure_distances(wcs, places, peaks + 5, data.shape)
    met, by_chance = ((each < 1).mean() for each in (away, wrong))
    print(f"{len(away)} stars, median {np.median(away):.2f} pixels; {met:.1%} within 1, aside {by_chance:.1%}")
    assert len(away) > 60
    assert met > 0.97
    assert by_chance < 0.1
