"""Solutions as files: a WCS or the reason why there is none, written and read back, and copied into a light."""

import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

from darkroom.fingerprints import fingerprint_module
from darkroom.problems import JobProblem
from darkroom.solving.solutions import read_solution_cards, write_solution
from darkroom.solving.wcs_cards import copy_sky_cards, write_sky_cards
from darkroom.stamps import digest_recipe, read_recipe, read_stamp
from tests.solver.fields import Camera
from tests.unit.test_wcs_cards import PLAIN, make_old_header, solve, strew

RECIPE = {"product": "night/M67.wcs", "tools": {"indexes": [["index-4107.fits", 165]]}}


def write(path, outcome, recipe=RECIPE):
    write_solution(str(path), recipe, outcome)
    return path


@pytest.fixture(scope="module", params=[PLAIN, Camera()], ids=["TAN", "TAN-SIP"])
def camera(request):
    return request.param


def test_solution_is_read_back(camera, tmp_path):
    solution = solve(camera)
    path = write(tmp_path / "light.wcs", solution)
    header, reason = read_solution_cards(str(path))
    assert reason == ""
    assert (header["SOLVED"], header["NAXIS"], header["IMAGEW"], header["IMAGEH"]) == (True, 0, 1200, 900)
    with pytest.warns(FITSFixedWarning, match="more axes .2. than the image it is associated with .0."):
        wcs = WCS(header)  # nothing else is amiss
    new = strew(camera, seed=8)
    assert np.abs(wcs.all_world2pix(new, 0) - camera.project(new)).max() < 0.1
    assert np.array_equal(wcs.wcs.crval, solution.fit.crval)
    assert header["SOLVNUM"] == solution.matches


@pytest.mark.parametrize("outcome", ["solved", "unsolved"])
def test_solution_is_a_product(outcome, tmp_path):
    """Whole, stamped, with its recipe and checksums, as the FITS Standard wants it."""
    path = write(tmp_path / "light.wcs", solve(PLAIN) if outcome == "solved" else "no pattern matches; " * 40)
    assert read_stamp(path) == digest_recipe(RECIPE)
    assert read_recipe(path) == RECIPE
    with warnings.catch_warnings(), fits.open(path, checksum=True) as hdus:
        warnings.simplefilter("error")
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "RECIPE"]
        assert all("CHECKSUM" in hdu.header for hdu in hdus)
    assert path.stat().st_size < 20_000


def test_same_solution_makes_the_same_bytes(tmp_path):
    outcomes = {"a": solve(Camera()), "b": solve(Camera()), "c": "why", "d": "why", "e": "why not"}
    contents = {name: write(tmp_path / f"{name}.wcs", outcome).read_bytes() for name, outcome in outcomes.items()}
    assert contents["a"] == contents["b"]
    assert contents["c"] == contents["d"] != contents["e"]
    assert write(tmp_path / "f.wcs", "why", RECIPE | {"other": 1}).read_bytes() != contents["c"]


def make_reasons():
    signs = random.Random(5)
    for length in (1, 71, 72, 73, 143, 144, 145, 700, 2000):
        yield "".join(signs.choice("abc \"'&/;,(") for _ in range(length))
        yield "x" * length
        yield " ".join(["y" * 71] * 3)[:length]


@pytest.mark.parametrize("reason", [*make_reasons(), "2.0' to 3.0'; \"no\" & '' &", "Größe\nEND\x00 = 'x' / 3"])
def test_reasons_are_read_back(reason, tmp_path):
    header, told = read_solution_cards(str(write(tmp_path / "light.wcs", reason)))
    assert header is None
    expected = reason.replace("ö", "\\xf6").replace("ß", "\\xdf").replace("\n", "\\n").replace("\x00", "\\x00")
    assert told == " ".join(expected.split())


@pytest.mark.parametrize("old", [fits.Header({"OBJECT": "M 67"}), make_old_header()], ids=["no", "old"])
def test_copied_cards_are_those_that_were_written(camera, old, tmp_path):
    solution = solve(camera)
    solved, _ = read_solution_cards(str(write(tmp_path / "light.wcs", solution)))
    written, copied = old.copy(), old.copy()
    write_sky_cards(written, solution)
    copy_sky_cards(solved, copied)
    assert copied.tostring() == written.tostring()
    copy_sky_cards(solved, copied)
    assert copied.tostring() == written.tostring()


def test_cards_are_not_copied_to_an_image_of_another_size(tmp_path):
    solved, _ = read_solution_cards(str(write(tmp_path / "light.wcs", solve(PLAIN))))
    light = fits.PrimaryHDU(np.zeros((900, 1200), np.uint8)).header
    copy_sky_cards(solved, light)
    assert WCS(light).pixel_shape == (1200, 900)
    with pytest.raises(ValueError, match="an image of 1200 x 900 pixels"):
        copy_sky_cards(solved, fits.PrimaryHDU(np.zeros((1200, 900), np.uint8)).header)


def spoil(name, path):
    content = path.read_bytes()
    match name:
        case "cut off":
            path.write_bytes(content[:-2880])
        case "cut in the header":
            path.write_bytes(content[:1000])
        case "empty":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
        case "another product":
            fits.PrimaryHDU(header=fits.Header({"RECIPE": "x"})).writeto(path, overwrite=True)
        case "no cards":
            path.write_bytes(content.replace(b"IMAGEW  =", b"IMAGEX  ="))


@pytest.mark.parametrize("name", ["cut off", "cut in the header", "empty", "gone", "another product", "no cards"])
def test_what_is_no_whole_solution_is_refused(name, tmp_path):
    path = write(tmp_path / "light.wcs", solve(PLAIN))
    spoil(name, path)
    with pytest.raises(JobProblem, match=r"light\.wcs: (cannot be read \(No such file|is no whole solution)"):
        read_solution_cards(str(path))


def test_lights_depend_on_solutions_but_not_on_how_they_are_found():
    """Else each change of the check would make all lights anew, and each of their jobs import SciPy."""
    reached = {name.rpartition(".")[2] for name in fingerprint_module("solving/solutions")}
    assert {"solutions", "solution", "wcs_cards"} <= reached
    assert reached.isdisjoint({"wcs_fit", "solution_check", "solution_measures", "star_matching", "solve_light"})
    code = "import darkroom.solving.solutions, sys; print(*(name for name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "darkroom.solving.solutions" in loaded
    assert {"scipy", "sep", "astropy.wcs"}.isdisjoint(loaded)


def test_solution_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(JobProblem, match="cannot be written"):
        write(Path(tmp_path / "file" / "light.wcs"), "why")
