"""The real solvers: on Tycho-2's own stars through a made-up camera, and on real frames."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from darkroom.dialects import list_hint_cards, recognise_dialect
from darkroom.solving.child_programs import run_child
from darkroom.solving.field_stars import find_field_stars
from darkroom.solving.solve_light import UnsolvedLight, solve_light
from darkroom.solving.star_indexes import find_indexes, read_index_stars
from darkroom.solving.wcs_cards import write_sky_cards
from tests.real.test_real_nights import DATA
from tests.solver.astap_database import write_database
from tests.solver.fields import Camera, draw_field, make_heights
from tests.solver.install import find_obstacle, find_obstacle_to_astap

pytestmark = [pytest.mark.extra, pytest.mark.skipif(bool(find_obstacle()), reason=find_obstacle())]
CARDS = list_hint_cards("generic", {"cards": {}})
CAMERAS = {
    "as it is": Camera(),
    "mirrored": Camera(ra=200, dec=-40, angle=250, mirrored=True),
    "at 0 h": Camera(ra=0.2, dec=20, angle=0),
    "at the pole": Camera(ra=40, dec=89.6, scale=10),
    "wide": Camera(ra=270, dec=-20, scale=60, angle=110, barrel=1e-9),
    "just wide enough": Camera(ra=83, dec=22, scale=3, angle=170),
}
CLOSE = {"wide": 0.5}  # pixels by which stars may be off the truth; Tycho-2 is crowded there


def read_tycho(camera, folder):
    """Places and magnitudes of Tycho-2 in the frame: of the brightest alone, where it is wide."""
    index = next(index for index in find_indexes() if index.high > (100 if camera.scale > 20 else 20))
    radius = np.hypot(*camera.shape) / 2 * camera.scale / 3600 * 1.1
    place = ["-r", str(camera.ra), "-d", str(camera.dec), "-R", str(radius)]
    run_child(["query-starkd", "-o", "tycho.fits", *place, "-t", "MAG_VT", index.path], folder, 60)
    table = fits.getdata(folder / "tycho.fits", 1)
    places = np.column_stack([table["RA"], table["DEC"]]).astype(float)
    inside = camera.find_inside(places, -5)
    return places[inside], table["MAG_VT"][inside].astype(float)


def draw(camera, folder):
    """An image of the camera, and the stars of Tycho-2 that are in it."""
    places, magnitudes = read_tycho(camera, folder)
    heights = np.clip(100 * 10 ** (-0.4 * (magnitudes - 12)), 60, 30000)
    return draw_field(camera, places, heights), places


@pytest.mark.parametrize(
    ("name", "known"),
    [(name, known) for name in CAMERAS for known in ("scale and place", "scale")],
)
def test_simulated_field_is_solved(name, known, tmp_path):
    camera = CAMERAS[name]
    image, places = draw(camera, tmp_path)
    header = fits.Header({"XPIXSZ": 4.0, "FOCALLEN": 4.0 / 1000 / camera.scale * 206264.806})
    if known == "scale and place":
        header["RA"], header["DEC"] = camera.ra + 0.3, camera.dec - 0.4
    solution = solve_light(image, header, {"time_limit": 200}, CARDS)
    write_sky_cards(header, solution)
    inside = places[camera.find_inside(places, 2)]
    off = np.hypot(*(WCS(header).all_world2pix(inside, 0) - camera.project(inside)).T)
    print(f"{name}, {known}: {solution.text}; {np.sqrt(np.mean(off**2)):.3f} pixels rms off the truth")
    assert off.max() < CLOSE.get(name, 0.3)
    assert solution.mirrored == camera.mirrored
    assert solution.scale == pytest.approx(camera.scale, rel=2e-3)


def test_field_of_which_nothing_is_known(tmp_path):
    image, _ = draw(CAMERAS["mirrored"], tmp_path)
    solution = solve_light(image, fits.Header(), {"time_limit": 200}, CARDS)
    assert solution.centre == pytest.approx((200, -40), abs=1e-3)


def test_same_light_has_the_same_cards(tmp_path):
    image, _ = draw(CAMERAS["as it is"], tmp_path)
    headers = []
    for _ in range(3):
        headers.append(fits.Header())
        write_sky_cards(headers[-1], solve_light(image, headers[-1], {"scale": [5, 7], "position": [85, 1.5]}, CARDS))
    assert len({header.tostring() for header in headers}) == 1


def test_trimmed_and_binned_frames_have_the_same_places(tmp_path):
    camera = CAMERAS["as it is"]
    image, places = draw(camera, tmp_path)
    settings = {"position": [85, 1.5]}
    trimmed = solve_light(image[40:860, 101:1150], fits.Header(), settings, CARDS)
    binned = image.reshape(450, 2, 600, 2).sum(axis=(1, 3))
    header = fits.Header({"XPIXSZ": 4.0, "FOCALLEN": 4.0 / 1000 / 6.0 * 206264.806, "XBINNING": 2, "YBINNING": 2})
    halved = solve_light(binned, header, settings, CARDS)
    true = camera.project(places)
    inner = camera.find_inside(places, 150)
    x_y = trimmed.fit.make_wcs().all_world2pix(places[inner], 0) + np.array([101, 40])
    assert np.abs(x_y - true[inner]).max() < 0.15
    x_y = halved.fit.make_wcs().all_world2pix(places[inner], 0) * 2 + 0.5
    assert np.abs(x_y - true[inner]).max() < 0.15
    assert halved.scale == pytest.approx(12.0, rel=1e-3)


def test_wrong_hints_cost_time_alone(tmp_path):
    """A header that tells another scale and the other side of the sky."""
    camera = CAMERAS["as it is"]
    image, _ = draw(camera, tmp_path)
    header = fits.Header({"RA": 265.0, "DEC": -1.5, "XPIXSZ": 4.0, "FOCALLEN": 700.0})
    assert solve_light(image, header, {"time_limit": 75}, CARDS).centre == pytest.approx((85, 1.5), abs=1e-3)


def test_stars_of_no_sky_are_not_solved(tmp_path):
    """As many and as bright stars, strewn at random."""
    rng = np.random.default_rng(8)
    camera = CAMERAS["as it is"]
    reach = np.array([1.6, 1.2])
    places = np.array([camera.ra, camera.dec]) + rng.uniform(-0.7, 0.7, (200, 2)) * reach
    image = draw_field(camera, places, make_heights(200, 5))
    settings = {"scale": [5.5, 6.5], "position": [85, 1.5], "time_limit": 20}
    with pytest.raises(UnsolvedLight, match=r"astrometry\.net found nothing"):
        solve_light(image, fits.Header(), settings, CARDS)


with_astap = pytest.mark.skipif(bool(find_obstacle_to_astap()), reason=find_obstacle_to_astap())


@with_astap
@pytest.mark.parametrize("name", ["as it is", "mirrored"])
def test_astap_solves_the_same(name, tmp_path):
    """With a star database that is written of the same stars; the check is by Tycho-2's index."""
    camera = CAMERAS[name]
    image, places = draw(camera, tmp_path)
    write_database(tmp_path, *read_tycho(camera, tmp_path))
    settings = {
        "solver": "ASTAP",
        "catalogue": str(tmp_path),
        "scale": [5, 7],
        "position": [camera.ra, camera.dec - 0.2],
    }
    solution = solve_light(image, fits.Header(), settings, CARDS)
    inside = places[camera.find_inside(places, 2)]
    assert np.abs(solution.fit.make_wcs().all_world2pix(inside, 0) - camera.project(inside)).max() < 0.3
    assert solution.solver.startswith("ASTAP 20")


@with_astap
def test_astap_without_a_database(tmp_path):
    image, _ = draw(CAMERAS["as it is"], tmp_path)
    settings = {"scale": [5, 7], "solver": "ASTAP", "catalogue": str(tmp_path)}
    with pytest.raises(UnsolvedLight, match=r"ASTAP has no star database in .*hnsky\.org"):
        solve_light(image, fits.Header(), settings, CARDS)


def name_cards(header):
    """What the dialect of a header calls the cards of the sky."""
    return list_hint_cards(recognise_dialect(header, {"cards": {}})[0], {"cards": {}})


def read_real(name, extension):
    with warnings.catch_warnings(), fits.open(DATA / name) as hdus:
        warnings.simplefilter("ignore")
        return hdus[extension].data.astype(np.float32), hdus[extension].header.copy()


real = pytest.mark.skipif(not DATA.is_dir(), reason="the real frames are not on this machine")


@real
def test_real_mosaic_is_solved():
    """PANOPTES: a Canon with a lens, 10 seconds of arc a pixel, by the place that its mount tells, 2 degrees off."""
    data, header = read_real("odd/dslr/unsolved.fits", 0)
    solution = solve_light(data, header, {}, name_cards(header), mosaic=True)
    print(solution.text)
    assert solution.scale == pytest.approx(10.31, abs=0.01)
    assert solution.rms_pixels < 0.3
    assert solution.matches > 240


@real
def test_real_solution_is_that_which_others_found(tmp_path):
    """The next frame, with a WCS from elsewhere in its header: both are held to the stars of Tycho-2."""
    data, header = read_real("odd/dslr/solved.fits.fz", 1)
    theirs = WCS(header)
    for card in [name for name in header if name.startswith(("CTYPE", "CRVAL"))]:
        del header[card]  # no hint of it
    solution = solve_light(data, header, {}, name_cards(header), mosaic=True)
    middle = SkyCoord(*theirs.all_pix2world(349.5, 349.5, 0), unit="deg")
    apart = middle.separation(SkyCoord(*solution.centre, unit="deg")).arcsec
    corners = np.array([[0, 0], [699, 0], [0, 699], [699, 699.0]])
    ours = solution.fit.make_wcs()
    away = np.hypot(*(theirs.all_world2pix(ours.all_pix2world(corners, 0), 0, quiet=True) - corners).T)
    print(f"{solution.text}; {apart:.1f} arcsec in the middle, {away.max():.1f} pixels in the corners from theirs")
    assert apart < 60
    assert away.max() < 8
    # whose stars are nearer to the catalogue's
    stars = find_field_stars(data, mosaic=True)[:300, :2]
    index = find_indexes()[0]
    places = read_index_stars(index, *solution.centre, 1.6, tmp_path)
    nearest = []
    for wcs in (ours, theirs):
        pixels = wcs.all_world2pix(places, 0, quiet=True)
        pixels = pixels[(pixels > 0).all(axis=1) & (pixels < 699).all(axis=1)]
        nearest.append(np.median(np.sqrt(((pixels[:, None] - stars[None]) ** 2).sum(axis=2)).min(axis=1)))
    print(f"median distance of a catalogue star to the nearest star: {nearest[0]:.2f} pixels, theirs {nearest[1]:.2f}")
    assert nearest[0] < 0.5
    assert nearest[0] <= nearest[1]


@real
def test_real_trimmed_frame_has_the_same_places():
    data, header = read_real("odd/dslr/unsolved.fits", 0)
    whole = solve_light(data, header, {}, name_cards(header), mosaic=True).fit.make_wcs()
    part = solve_light(data[60:680, 40:690], header, {}, name_cards(header), mosaic=True).fit.make_wcs()
    grid = np.array([[x, y] for x in (50, 350, 680) for y in (70, 350, 670)], float)
    moved = part.all_world2pix(whole.all_pix2world(grid, 0), 0) + np.array([40, 60])
    assert np.abs(moved - grid).max() < 0.25


@real
@pytest.mark.parametrize(
    ("name", "scales"),
    [("arcsat-m13/M13_sdss_r_20190503_084324.fits", "00 to 05"), ("nickel/d1059.fits", "00 to 04")],
)
def test_narrow_fields_say_which_indexes_they_need(name, scales):
    """Fields of 11' and 6' are too small for Tycho-2."""
    data, header = read_real(name, 0)
    words = f"no star index for patterns .* install indexes of scale {scales}"
    with pytest.raises(UnsolvedLight, match=words) as problem:
        solve_light(data, header, {"indexes": ["/usr/share/astrometry"]}, name_cards(header))
    print(problem.value)


def test_cameras_differ():
    """The simulated fields are of the kinds that they are named for."""
    assert len({replace(camera, barrel=0) for camera in CAMERAS.values()}) == len(CAMERAS)
