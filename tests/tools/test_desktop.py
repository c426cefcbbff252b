"""Siril and DS9, without a screen."""

import os
import re
import shutil
import subprocess
from contextlib import contextmanager

import numpy as np
import pytest
from astropy.io import fits

from tests.tools.install import need
from tests.tools.measure import list_known, run_tool

pytestmark = pytest.mark.extra
FULL = 65535.0  # what Siril divides floats by that are beyond one
CELLS = 25  # pixels that are cut off a stack all around: more than what no light has


def run_siril(folder, *lines):
    """Run a script of Siril's; return what it said."""
    (folder / "script.ssf").write_text("\n".join(["requires 1.0.0", "setext fits", *lines]) + "\n")
    said = run_tool(["siril-cli", "-d", folder, "-s", "script.ssf"], folder)
    assert "Script execution finished successfully" in said, said
    return said


@need("siril-cli")
@pytest.mark.parametrize("kind", ["light", "light with NaN", "stack"])
def test_siril_takes_a_file_for_one_image(night, kind, tmp_path):
    path = {"light": next(iter(night.lights.values())), "light with NaN": night.holed, "stack": night.stack}[kind]
    shutil.copy(path, tmp_path / "a.fits")
    said = run_siril(tmp_path, "load a", "save out")
    assert "Sequence" not in said  # the error bars are no second frame
    data, header = fits.getdata(path), fits.getheader(path)
    with fits.open(tmp_path / "out.fits") as hdus:
        assert len(hdus) == 1
        np.testing.assert_allclose(hdus[0].data * FULL, data, rtol=1e-6)  # NaN where they were
        for card in ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "EXPTIME", "FILTER", "OBJECT"):
            assert hdus[0].header[card] == header[card]


@need("siril-cli")
def test_siril_measures_a_stack_without_its_empty_edges(night, tmp_path):
    shutil.copy(night.stack, tmp_path / "a.fits")
    rows, columns = fits.getdata(night.stack).shape
    part = f"{CELLS} {CELLS} {columns - 2 * CELLS} {rows - 2 * CELLS}"
    said = run_siril(tmp_path, "load a", f"crop {part}", "stat")
    mean, median = map(float, re.search(r"Mean: ([-\d.]+), Median: ([-\d.]+)", said).groups())
    inner = fits.getdata(night.stack)[CELLS:-CELLS, CELLS:-CELLS].astype(float)
    assert mean == pytest.approx(inner.mean(), abs=0.1)
    assert median == pytest.approx(np.median(inner), abs=0.1)


@need("siril-cli")
def test_siril_registers_and_stacks_lights(night, tmp_path):
    (tmp_path / "lights").mkdir()
    for path in night.lights.values():
        shutil.copy(path, tmp_path / "lights")
    lines = ["cd lights", "convert l -out=..", "cd ..", "register l", "stack r_l mean 9 9 -nonorm -out=out"]
    said = run_siril(tmp_path, *lines)
    number = len(night.lights)
    assert f"{number} image(s) converted, 0 failed" in said
    assert f"Total: 0 failed, {number} registered" in said
    assert f"Integration of {number} images" in said
    moves = sorted(
        zip(*(map(float, re.findall(rf"{axis}:\s+([-+\d.]+) px", said)) for axis in ("dx", "dy")), strict=True)
    )
    first, *others = (np.array(list_places(night, stem)) for stem in night.lights)
    true = sorted(tuple((other - first).mean(axis=0) * [1, -1]) for other in others)  # it counts y from above
    print(f"moves {moves}, true {np.round(true, 2).tolist()}")
    np.testing.assert_allclose(moves, true, atol=0.1)
    inner = slice(20, -20), slice(20, -20)
    levels = [np.median(fits.getdata(path)[inner]) for path in night.lights.values()]
    stacked = fits.getdata(tmp_path / "out.fits")[inner].astype(float) * FULL
    assert np.median(stacked) == pytest.approx(np.mean(levels), rel=0.01)


def list_places(night, stem):
    return [star.places[stem] for star in night.stars]


@contextmanager
def open_screen(folder):
    """A screen that nobody sees: what `ds9` is to use as DISPLAY."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x800x24", "-nolisten", "tcp"]
    with (folder / "xvfb.log").open("w") as log:
        server = subprocess.Popen(command, pass_fds=[write], stdout=log, stderr=log)
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        assert number, (folder / "xvfb.log").read_text()
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(20)


@need("ds9", "Xvfb")
@pytest.mark.parametrize("kind", ["light", "stack"])
def test_ds9_shows_stars_where_they_are(night, kind, tmp_path):
    """Stars by their places on the sky, loaded as regions and saved in pixels."""
    path = night.stack if kind == "stack" else next(iter(night.lights.values()))
    known = list_known(night, path)
    points = [f"point({ra:.8f},{dec:.8f})" for ra, dec in known.places]
    (tmp_path / "sky.reg").write_text("\n".join(["fk5", *points]) + "\n")
    command = ["ds9", path, "-scale", "zscale", "-zoom", "to", "fit", "-regions", "load", "sky.reg"]
    command += ["-regions", "system", "image", "-regions", "save", "pixels.reg", "-exit"]
    with open_screen(tmp_path) as screen:
        run_tool(command, tmp_path, DISPLAY=screen, XPA_METHOD="local", XPA_TMPDIR=str(tmp_path))
    saved = re.findall(r"point\(([-\d.]+),([-\d.]+)\)", (tmp_path / "pixels.reg").read_text())
    off = np.hypot(*(np.array(saved, float) - 1 - known.pixels).T)
    print(f"{kind}: {off.max():.3f} pixels off at most")
    assert len(saved) == len(known.places)
    assert off.max() < 0.05


@need("ds9", "Xvfb")
def test_ds9_opens_all_planes_of_a_stack(night, tmp_path):
    """The frames are counted by saving a region of each."""
    command = ["ds9", "-multiframe", night.stack]
    for number in range(1, 6):
        command += ["-frame", str(number), "-regions", "system", "image", "-regions", "command", "point 9 9"]
        command += ["-regions", "save", f"{number}.reg"]
    with open_screen(tmp_path) as screen:
        run_tool([*command, "-exit"], tmp_path, DISPLAY=screen, XPA_METHOD="local", XPA_TMPDIR=str(tmp_path))
    for number in range(1, 6):
        assert "point(9,9)" in (tmp_path / f"{number}.reg").read_text()
