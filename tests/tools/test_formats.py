"""fitsverify, photutils, and what AstroImageJ asks of a file."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from tests.running import find_lights, find_masters
from tests.tools.install import need
from tests.tools.measure import average, list_known, run_tool

pytestmark = pytest.mark.extra


@need("fitsverify")
def test_fitsverify_has_no_word_to_say(night, tmp_path):
    results = night.stack.parent / "results"
    paths = [*night.lights.values(), night.holed, night.stack, *find_masters(results).values()]
    paths += [*find_lights(results).values(), *results.glob("*/*/bad_pixels.fits")]
    said = run_tool(["fitsverify", *paths], tmp_path)
    assert said.count("0 warning(s) and 0 error(s)") == len(paths), said
    assert len(paths) > 14


@pytest.mark.parametrize("kind", ["light", "light with NaN", "stack"])
def test_photutils_takes_data_error_bars_mask_and_places(night, kind):
    """As they are read: no name of an extension, no unit has to be told."""
    aperture = pytest.importorskip("photutils.aperture", reason="not installed: pip install photutils")
    background = pytest.importorskip("photutils.background")
    path = {"light": next(iter(night.lights.values())), "light with NaN": night.holed, "stack": night.stack}[kind]
    known = list_known(night, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dates, by WCSLIB
        image = CCDData.read(path)
    assert image.unit == "electron"
    off = np.hypot(*(image.wcs.all_world2pix(known.places, 0) - known.pixels).T)
    assert off.max() < 0.01
    sky = background.Background2D(image.data, 64, mask=image.mask)
    image.data = image.data - sky.background
    table = aperture.aperture_photometry(image, aperture.CircularAperture(known.pixels, 7))
    errors, bars = table["aperture_sum"].value - known.fluxes, table["aperture_sum_err"].value
    mean, expected = average(errors / known.fluxes, bars / known.fluxes)
    pulls = errors / bars
    print(f"{kind}: {len(bars)} stars, fluxes {100 * mean:+.3f} % ({100 * expected:.3f} %), pulls {pulls.std():.2f}")
    assert abs(mean) < 0.005
    assert 0.7 < pulls.std() < (1.7 if kind == "stack" else 1.4)  # in a stack neighbours share noise


@pytest.mark.parametrize("kind", ["light", "stack"])
def test_files_are_what_astroimagej_reads(night, kind):
    """By its source (6.0, August 2026): it is written in Java and comes in no package.

    The first HDU with two axes is shown, a stack of all if there are images alone; dates are read before JD; SIP counts
    where CTYPE1 ends with it and has orders from 2 to 9.
    """
    path = night.stack if kind == "stack" else next(iter(night.lights.values()))
    with fits.open(path) as hdus:
        header = hdus[0].header
        assert (header["NAXIS"], header["BITPIX"]) == (2, -32)
        assert any(isinstance(hdu, fits.BinTableHDU) for hdu in hdus)
        assert header["CTYPE1"][5:12] == "TAN-SIP"
        assert all(2 <= header[f"{name}_ORDER"] <= 9 for name in ("A", "B", "AP", "BP"))
        assert {"DATE-OBS", "EXPTIME"} <= set(header)
