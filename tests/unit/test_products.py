"""Products: written whole or not at all, the same bytes for the same content, with what is known of each pixel."""

import json
import shutil
import subprocess
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from darkroom.problems import JobProblem
from darkroom.products import write_figures, write_product
from darkroom.quality import Bit
from darkroom.stamps import digest_recipe, read_recipe, read_stamp

IMAGE = np.random.default_rng(1).normal(500, 20, (30, 40)).astype(np.float32)
BIAS = {"path": "2024-03-10/ccd/master_bias.fits", "digest": "b" * 32}
DARK = {"path": "2024-03-10/ccd/master_dark_60s.fits", "digest": "d" * 32, "scale": 1.5}
FLAT = {"path": "2024-03-10/ccd/master_flat_V.fits", "digest": "f" * 32}


def make_recipe(**parts):
    frames = [{"name": "m67.fits", "digest": "0" * 32, "start": "2024-03-11T02:00:00.000", "exposure": 60.0}]
    recipe = {"product": "2024-03-10/ccd/lights/m67.fits", "kind": "light", "night": "2024-03-10", "setup": "ccd"}
    return recipe | {"frames": frames, "settings": {"overscan": None}} | parts


def write(path, header=None, image=IMAGE, **parts):
    write_product(str(path), image, fits.Header({"OBJECT": "M67"} if header is None else header), make_recipe(**parts))
    return path


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


def test_product_holds_image_header_and_recipe(tmp_path):
    recipe = make_recipe(bias=BIAS, dark=DARK, flat=FLAT)
    with fits.open(write(tmp_path / "m67.fits", bias=BIAS, dark=DARK, flat=FLAT)) as hdus:
        header = hdus[0].header
        np.testing.assert_array_equal(hdus[0].data, IMAGE)
        assert hdus[0].header["BITPIX"] == -32
        assert json.loads(hdus["RECIPE"].data["json"][0]) == recipe
    assert header["RECIPE"] == digest_recipe(recipe)
    assert (header["OBJECT"], header["NIGHT"], header["SETUP"]) == ("M67", "2024-03-10", "ccd")
    assert (header["BIASFIL"], header["BIASID"]) == (BIAS["path"], BIAS["digest"])
    assert (header["DARKFIL"], header["DARKID"], header["DARKSCAL"]) == (DARK["path"], DARK["digest"], 1.5)
    assert (header["FLATFIL"], header["FLATID"]) == (FLAT["path"], FLAT["digest"])


@pytest.mark.parametrize(
    ("parts", "steps"),
    [
        ({}, ""),
        ({"bias": BIAS}, "B"),
        ({"bias": BIAS, "dark": DARK, "flat": FLAT}, "BDF"),
        ({"settings": {"overscan": {"section": "[1:2,1:9]", "trim": None}}}, "O"),
        ({"settings": {"overscan": {"section": None, "trim": "[1:2,1:9]"}}}, "T"),
        ({"settings": {"overscan": {"section": "[1:2,1:9]", "trim": "[3:9,1:9]"}, "cosmic_rays": {}}}, "OT"),
        ({"flat": FLAT, "settings": {"overscan": None, "cosmic_rays": {"gain": 1.0}}}, "FC"),
    ],
)
def test_header_lists_the_steps_that_were_done(tmp_path, parts, steps):
    assert fits.getheader(write(tmp_path / "x.fits", **parts))["CALSTAT"] == steps


def test_flat_names_every_dark_that_went_into_it_once(tmp_path):
    darks = [{"path": f"n/s/master_dark_{t}s.fits", "digest": str(t) * 32, "scale": 1.0} for t in (1, 2)]
    frames = [{"name": n, "digest": n, "dark": dark} for n, dark in zip("abc", [*darks, darks[0]], strict=True)]
    header = fits.getheader(write(tmp_path / "x.fits", frames=frames))
    assert [header["DARKFIL"], header["DARKFIL2"]] == [dark["path"] for dark in darks]
    assert "DARKFIL3" not in header
    assert header["CALSTAT"] == "D"


def test_same_content_gives_the_same_bytes(tmp_path, monkeypatch):
    first = write(tmp_path / "a.fits", bias=BIAS).read_bytes()
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert write(tmp_path / "b.fits", bias=BIAS).read_bytes() == first
    assert write(tmp_path / "c.fits", bias=DARK).read_bytes() != first


@pytest.mark.parametrize(("unit", "expected"), [("adu", "adu"), ("adu/s", "adu / s"), ("", "")])
def test_product_opens_as_ccddata_with_its_unit(tmp_path, unit, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = CCDData.read(write(tmp_path / "x.fits", header={"BUNIT": unit}))
    assert str(image.unit) == expected
    np.testing.assert_array_equal(image.data, IMAGE)
    assert image.mask is None


def test_checksums_are_true(tmp_path):
    path = write(tmp_path / "x.fits", bias=BIAS, header={"CHECKSUM": "raw", "DATASUM": "1", "LONG": "x" * 100})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(path, checksum=True) as hdus:
            assert all("CHECKSUM" in hdu.header and "DATASUM" in hdu.header for hdu in hdus)
    content = bytearray(path.read_bytes())
    content[content.index(IMAGE.astype(">f4").tobytes()) + 7] ^= 1  # one bit of one pixel
    path.write_bytes(content)
    with pytest.warns(fits.verify.AstropyUserWarning, match="verification failed"), fits.open(path, checksum=True):
        pass


ODD = [
    "lower   =                    5",
    "GARBLED = (1.0, 2",
    "TABBED  = 'a\tb'",
    "RADECSYS= 'FK5     '",
    "EPOCH   =  2000.0",
]
ODD += ["FILTER  = 'V       '", "FILTER  = 'B       '", "KEY WORD= 5", "1.2.3   = 5", "COMMENT  as it was"]
ODD += ["NUMBER  = 1.2.3", "NO VALUE", "FIXED   =5", "DOUBLE  = 1.5D5", "OPEN    = 'no end", "COMMENT \x01"]


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
@pytest.mark.parametrize("header", [None, ODD], ids=["plain", "odd"])
def test_fitsverify_finds_no_fault(tmp_path, header):
    if not shutil.which("fitsverify"):
        pytest.skip("fitsverify is not installed")
    if header:
        header = fits.Header.fromstring("".join(line.ljust(80) for line in [*header, "END"]))
    path = write(tmp_path / "x.fits", header=header, bias=BIAS, setup="a long camera name " * 5)
    result = subprocess.run(["fitsverify", path], capture_output=True, text=True, check=False)
    assert "found 0 warning(s) and 0 error(s)" in result.stdout, result.stdout


@pytest.mark.parametrize("where", ["write", "rename"])
def test_failed_write_leaves_the_old_product_and_nothing_else(tmp_path, monkeypatch, where):
    path = write(tmp_path / "x.fits")
    old = path.read_bytes()

    def fill_the_disk(self, target, **kwargs):
        target.write_bytes(b"SIMPLE  =")
        raise OSError(28, "No space left on device")

    def refuse(self, target):
        raise OSError(13, "Permission denied")

    if where == "write":
        monkeypatch.setattr(fits.HDUList, "writeto", fill_the_disk)
    else:
        monkeypatch.setattr(type(path), "replace", refuse)
    with pytest.raises(JobProblem, match=r"x\.fits: cannot be written \((No space left on device|Permission denied)\)"):
        write(path, image=IMAGE + 1)
    assert path.read_bytes() == old
    assert leftovers(tmp_path) == ["x.fits"]


def test_interrupted_write_leaves_the_old_product_and_nothing_else(tmp_path, monkeypatch):
    path = write(tmp_path / "x.fits")
    old = path.read_bytes()

    def interrupt(self, target, **kwargs):
        target.write_bytes(b"SIMPLE  =")
        raise KeyboardInterrupt

    monkeypatch.setattr(fits.HDUList, "writeto", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(path, image=IMAGE + 1)
    assert path.read_bytes() == old
    assert leftovers(tmp_path) == ["x.fits"]


def test_product_is_written_into_a_new_folder_and_over_an_old_one(tmp_path):
    path = write(tmp_path / "new" / "lights" / "x.fits")
    write(path, image=IMAGE + 1)
    np.testing.assert_array_equal(fits.getdata(path), IMAGE + 1)
    assert leftovers(path.parent) == ["x.fits"]


def test_figures_are_stamped_with_their_recipe_and_hold_no_nan(tmp_path):
    path, recipe = tmp_path / "n" / "gain.json", make_recipe(kind="gain")
    write_figures(str(path), {"gain": {"value": 1.5}}, recipe)
    first = path.read_bytes()
    assert json.loads(first) == {"RECIPE": digest_recipe(recipe), "gain": {"value": 1.5}, "recipe": recipe}
    assert read_stamp(path) == digest_recipe(recipe)
    assert read_recipe(path) == recipe
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_figures(str(path), {"gain": float("nan")}, recipe)
    assert path.read_bytes() == first
    assert leftovers(path.parent) == ["gain.json"]


def test_error_bars_and_quality_plane_are_written_beside_the_image(tmp_path):
    variance = np.full(IMAGE.shape, 9.0, np.float32)
    mask = np.zeros(IMAGE.shape, np.uint8)
    variance[0, 0], mask[0, 1] = np.nan, Bit.HOT | Bit.SATURATED
    path = tmp_path / "x.fits"
    write_product(str(path), IMAGE, fits.Header({"BUNIT": "electron"}), make_recipe(), variance, mask)
    with fits.open(path, checksum=True) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "MASK", "UNCERT", "RECIPE"]
        assert (hdus["UNCERT"].header["UTYPE"], hdus["UNCERT"].header["BUNIT"]) == ("StdDevUncertainty", "electron")
        assert (hdus["MASK"].header["BITPIX"], hdus["MASK"].header["BIT1"]) == (8, "HOT")
        assert hdus["MASK"].data[0, :3].tolist() == [0, 6, 0]
    image = CCDData.read(path)
    assert image.unit == "electron"
    assert np.isnan(image.uncertainty.array[0, 0])
    assert image.uncertainty.array[1, 1] == 3.0
    assert np.argwhere(image.mask).tolist() == [[0, 1]]
