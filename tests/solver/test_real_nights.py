"""A night that the real solver solves, from the command line: frames of Tycho-2's stars, lights, their stack."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from tests.running import run_snakemake
from tests.solver.fields import draw_field
from tests.solver.install import find_obstacle
from tests.solver.test_real_solvers import CAMERAS, read_tycho
from tests.unit.builders import write_raw

pytestmark = [pytest.mark.extra, pytest.mark.skipif(bool(find_obstacle()), reason=find_obstacle())]
BIAS = 300
SETTINGS = """
dark: {use: false}
certification: {use: false}
detector: {compare: false, gain: 1.5, read_noise: 5}
solve: {use: true, distortion: 3}
stacks: {use: true}
"""
# Four of one field, dithered, the last two on the other side of the pier.
POINTINGS = {"a": (0.0, 0.0, 0.0), "b": (0.05, 0.03, 2.0), "c": (-0.03, 0.06, 181.0), "d": (0.04, -0.05, 180.0)}


def write_night(raw, folder):
    """Write raw frames of a field with a vignetted flat, and one of a sky without stars; the cameras by light."""
    rng = np.random.default_rng(2)
    first = CAMERAS["as it is"]
    places, magnitudes = read_tycho(replace(first, shape=(1100, 1400)), folder)
    heights = np.clip(100 * 10 ** (-0.4 * (magnitudes - 12)), 60, 30000)
    rows, columns = np.ogrid[: first.shape[0], : first.shape[1]]
    flat = 1.05 - 0.2 * (((rows - 450) / 750) ** 2 + ((columns - 600) / 750) ** 2)
    begin = datetime(2024, 3, 11, 2)

    def write(name, image, kind, minute, exposure=60.0, **cards):
        data = np.clip(np.rint(image + BIAS), 0, 65535).astype(np.uint16)
        when = (begin + timedelta(minutes=minute)).isoformat()
        write_raw(raw / name, kind, exposure, data, when, XPIXSZ=4.0, **cards)

    for n in range(3):
        write(f"bias{n}.fits", rng.normal(0, 4, first.shape), "bias", n - 60, 0.0)
        write(f"flat{n}.fits", 20000 * flat + rng.normal(0, 120, first.shape), "flat", n - 50, 4.0, FILTER="V")
    told = dict.fromkeys(f"{card}{axis}" for card in ("CTYPE", "CRVAL", "CRPIX", "CD1_", "CD2_") for axis in (1, 2))
    told |= {"FOCALLEN": 4.0 / 1000 / first.scale * 206264.806, "OBJCTRA": "05 41", "OBJCTDEC": "+01 20"}
    cameras = {}
    for n, (name, (ra, dec, angle)) in enumerate(POINTINGS.items()):
        cameras[name] = replace(first, ra=first.ra + ra, dec=first.dec + dec, angle=first.angle + angle)
        image = draw_field(cameras[name], places, heights, seed=n)
        write(f"{name}.fits", image * flat, "light", 2 * n, FILTER="V", OBJECT="NGC 2024", **told)
    blank = draw_field(first, places[:0], heights[:0], seed=9)
    write("blank.fits", blank * flat, "light", 20, FILTER="V", OBJECT="clouds", **told)
    return cameras, places


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    cameras, places = write_night(folder / "raw", folder)
    (folder / "settings.yaml").write_text(SETTINGS)
    run_snakemake(folder, configfile="settings.yaml", cores=2, seen=True)
    return folder, cameras, places


def measure_offset(path, camera, places):
    """How far the catalogue's stars are from where the camera has them, by a file's header: pixels, at most."""
    inside = places[camera.find_inside(places, 5)]
    return np.hypot(*(WCS(fits.getheader(path)).celestial.all_world2pix(inside, 0) - camera.project(inside)).T).max()


def test_lights_bear_their_coordinates(night):
    folder, cameras, places = night
    for name, camera in cameras.items():
        (light,) = folder.glob(f"results/2*/*/lights/{name}.fits")
        header = fits.getheader(light)
        away = measure_offset(light, camera, places)
        print(f"{name}: {header['SOLVNUM']} stars, rms {header['SOLVRMS']}, {away:.2f} pixels off at most")
        assert header["SOLVED"] is True
        assert away < 0.3


def test_light_without_stars_is_made_and_says_why(night):
    folder, _, _ = night
    (light,) = folder.glob("results/2*/*/lights/blank.fits")
    header = fits.getheader(light)
    assert header["SOLVED"] is False
    assert "stars stand out" in "".join(map(str, header["HISTORY"]))


def test_stack_has_the_coordinates_of_its_reference(night):
    folder, cameras, places = night
    (stack,) = folder.glob("results/2*/*/stacks/*.fits")
    with fits.open(stack) as hdus:
        reference = hdus[0].header["STACKREF"].removesuffix(".fits")
        assert hdus[0].header["NCOMBINE"] == 4
        assert hdus["LIGHTS"].data["used"].all()
    away = measure_offset(stack, cameras[reference], places)
    print(f"stack on {reference}: {away:.2f} pixels off at most")
    assert away < 0.3


def test_solving_again_gives_the_same_bytes(night):
    folder, _, _ = night
    products = sorted(folder.glob("results/2*/*/solutions/*.wcs")) + sorted(folder.glob("results/2*/*/lights/*.fits"))
    before = {path: path.read_bytes() for path in products}
    assert len(before) == 10
    for path in products:
        path.unlink()
    run_snakemake(folder, configfile="settings.yaml", cores=2, seen=True)
    assert before == {path: path.read_bytes() for path in products}
    assert "nothing to be done" in run_snakemake(folder, configfile="settings.yaml", seen=True).stderr.lower()
