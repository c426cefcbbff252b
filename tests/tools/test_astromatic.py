"""SExtractor, SCAMP and SWarp."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from darkroom.quality import Bit
from darkroom.solving.tpv_head import write_head
from tests.fields import find_middle, sum_aperture
from tests.tools.install import need
from tests.tools.measure import average, find_offsets, list_known, look_at_sky, run_tool
from tests.tools.night import BARREL, EDGE, SKY

pytestmark = pytest.mark.extra
SHARE = Path("/usr/share/source-extractor")
COLUMNS = (
    "NUMBER", "X_IMAGE", "Y_IMAGE", "XWIN_IMAGE", "YWIN_IMAGE", "ERRAWIN_IMAGE", "ERRBWIN_IMAGE", "ERRTHETAWIN_IMAGE",
    "ALPHAWIN_J2000", "DELTAWIN_J2000", "FLUX_APER(1)", "FLUXERR_APER(1)", "FLUX_AUTO", "FLUXERR_AUTO", "FLUX_RADIUS",
    "FLAGS", "IMAFLAGS_ISO(1)",
)  # fmt: skip
SCALE = SKY.scale  # seconds of arc a pixel


def extract(path, folder, name="stars.cat"):
    """The catalogue that SExtractor makes of a file as it is."""
    (folder / "columns").write_text("\n".join(COLUMNS) + "\n")
    command = ["source-extractor", f"{path}[0]", "-c", SHARE / "default.sex", "-PARAMETERS_NAME", "columns"]
    command += ["-FILTER_NAME", SHARE / "default.conv", "-STARNNW_NAME", SHARE / "default.nnw"]
    command += ["-WEIGHT_TYPE", "MAP_RMS", "-WEIGHT_IMAGE", f"{path}[2]", "-FLAG_IMAGE", f"{path}[1]"]
    command += ["-GAIN_KEY", "NONE", "-GAIN", "0", "-SATUR_KEY", "NONE", "-SATUR_LEVEL", "1e9"]
    said = run_tool([*command, "-PHOT_APERTURES", "14", "-CATALOG_TYPE", "FITS_LDAC", "-CATALOG_NAME", name], folder)
    assert "WARNING" not in said, said
    return fits.getdata(folder / name, "LDAC_OBJECTS")


def match(table, known):
    """Rows of a catalogue that are the known stars, all of which it must have."""
    found = np.column_stack([table["XWIN_IMAGE"], table["YWIN_IMAGE"]]) - 1
    distance = np.hypot(*(found[None] - known.pixels[:, None]).transpose(2, 0, 1))
    rows = distance.argmin(axis=1)
    assert distance.min(axis=1).max() < 0.5
    return table[rows]


def list_places(rows):
    return np.column_stack([rows["ALPHAWIN_J2000"], rows["DELTAWIN_J2000"]])


def copy_with_head(path, folder):
    copy = Path(shutil.copy(path, folder))
    write_head(copy)
    return copy


@need("source-extractor")
@pytest.mark.parametrize("kind", ["light", "light with NaN", "stack"])
def test_sextractor_finds_the_stars_and_their_fluxes(night, kind, tmp_path):
    path = {"light": next(iter(night.lights.values())), "light with NaN": night.holed, "stack": night.stack}[kind]
    known = list_known(night, path)
    table = extract(path, tmp_path)
    rows = match(table, known)
    errors, bars = rows["FLUX_APER"] - known.fluxes, rows["FLUXERR_APER"]
    mean, expected = average(errors / known.fluxes, bars / known.fluxes)
    pulls = errors / bars
    print(f"{kind}: {len(rows)} stars, fluxes {100 * mean:+.3f} % ({100 * expected:.3f} %), pulls {pulls.std():.2f}")
    assert abs(mean) < 0.005
    # The sky is taken for known, and in a stack neighbours share noise.
    assert 0.7 < pulls.std() < (1.7 if kind == "stack" else 1.4)
    if kind == "stack":  # at its edge a star may reach to where nothing is
        reach, data = 20, np.pad(fits.getdata(path), 20, constant_values=np.nan)
        places = np.rint(np.column_stack([rows["YWIN_IMAGE"], rows["XWIN_IMAGE"]])).astype(int) - 1
        inner = [np.isfinite(data[y : y + 2 * reach + 1, x : x + 2 * reach + 1]).all() for y, x in places]
        assert sum(inner) > 50
        rows = rows[np.array(inner)]
    assert not rows["IMAFLAGS_ISO"].any()
    for name in ("FLUX_APER", "FLUX_AUTO", "FLUXERR_AUTO", "ALPHAWIN_J2000"):
        assert np.isfinite(table[name]).all()
    if kind == "stack":  # what lies where nothing is, is flagged
        outside = (table["X_IMAGE"] < EDGE) | (table["Y_IMAGE"] < EDGE)
        assert (table["IMAFLAGS_ISO"][outside] & Bit.NO_DATA).all()


@need("source-extractor")
def test_sextractor_takes_the_distortion_from_a_head(night, tmp_path):
    plain = match(extract(night.stack, tmp_path), known := list_known(night, night.stack))
    off = find_offsets(list_places(plain), known.places, SCALE)
    rows = match(extract(copy_with_head(night.stack, tmp_path), tmp_path), known)
    left = find_offsets(list_places(rows), known.places, SCALE)
    print(f"SIP: {np.median(off):.3f}, at most {off.max():.2f} pixels off; with a head {np.median(left):.3f}")
    assert 0.5 * BARREL < off.max() < 1.1 * BARREL  # SIP is passed over
    assert np.median(left) < 0.03
    assert left.max() < 0.3  # faint ones


@need("source-extractor", "scamp")
def test_scamp_fits_the_sky(night, tmp_path):
    """To a catalogue of the truth, from lights as they are: the first guess is the TAN part of their SIP."""
    write_reference(night, tmp_path / "reference.cat")
    for stem, path in night.lights.items():
        extract(path, tmp_path, f"{stem}.cat")
    command = ["scamp", *(f"{stem}.cat" for stem in night.lights), "-c", "none.conf"]
    command += ["-ASTREF_CATALOG", "FILE", "-ASTREFCAT_NAME", "reference.cat", "-DISTORT_DEGREES", "3"]
    command += ["-ASTREFCENT_KEYS", "X_WORLD,Y_WORLD", "-ASTREFERR_KEYS", "ERRA_WORLD,ERRB_WORLD,ERRTHETA_WORLD"]
    command += ["-ASTREFMAG_KEY", "MAG", "-MATCH", "N", "-CROSSID_RADIUS", "5"]
    command += ["-PHOTFLUX_KEY", "FLUX_APER(1)", "-PHOTFLUXERR_KEY", "FLUXERR_APER(1)"]
    command += ["-CENTROID_KEYS", "XWIN_IMAGE,YWIN_IMAGE"]
    command += ["-CENTROIDERR_KEYS", "ERRAWIN_IMAGE,ERRBWIN_IMAGE,ERRTHETAWIN_IMAGE"]
    run_tool([*command, "-CHECKPLOT_TYPE", "NONE", "-WRITE_XML", "N"], tmp_path)
    for stem, path in night.lights.items():
        known = list_known(night, path)
        text = (tmp_path / f"{stem}.head").read_text(encoding="latin-1")
        lines = [line for line in text.splitlines() if not line.startswith(("HISTORY", "COMMENT"))]
        header = fits.Header.fromstring("\n".join(lines), sep="\n")
        header["CTYPE1"], header["CTYPE2"] = "RA---TPV", "DEC--TPV"  # as it means, and astropy needs it
        off = find_offsets(look_at_sky(header, known.pixels), known.places, SCALE)
        print(f"{stem}: {np.median(off):.3f}, at most {off.max():.3f} pixels off")
        assert off.max() < 0.15


def write_reference(night, path):
    """A catalogue of the truth as SCAMP reads it (FITS_LDAC)."""
    number = len(night.stars)
    columns = {"X_WORLD": [s.ra for s in night.stars], "Y_WORLD": [s.dec for s in night.stars]}
    columns |= {name: np.full(number, 1e-6) for name in ("ERRA_WORLD", "ERRB_WORLD")} | {
        "MAGERR": np.full(number, 0.01)
    }
    columns |= {"MAG": [25 - 2.5 * np.log10(s.flux) for s in night.stars], "OBSDATE": np.full(number, 2000.0)}
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, "D", array=values) for name, values in columns.items()], name="LDAC_OBJECTS"
    )
    text = fits.Header().tostring(padding=False)
    card = fits.Column("Field Header Card", f"{len(text)}A", array=[text])
    head = fits.BinTableHDU.from_columns([card], name="LDAC_IMHEAD")
    fits.HDUList([fits.PrimaryHDU(), head, table]).writeto(path)


def warp(paths, folder, *options):
    """SWarp's image and weights of files as they are, with heads beside them."""
    command = ["SWarp", *(f"{path}[0]" for path in paths), "-c", "none.conf"]
    command += ["-WEIGHT_TYPE", "MAP_RMS", "-WEIGHT_IMAGE", ",".join(f"{path}[2]" for path in paths)]
    command += ["-WEIGHT_THRESH", "1e30", "-FSCALASTRO_TYPE", "VARIABLE", "-WRITE_XML", "N", *options]
    run_tool(command, folder)
    with fits.open(folder / "coadd.fits") as hdus, fits.open(folder / "coadd.weight.fits") as weights:
        return hdus[0].header.copy(), hdus[0].data.astype(float), weights[0].data.copy()


@need("SWarp")
@pytest.mark.parametrize("kind", ["lights", "stack"])
def test_swarp_resamples(night, kind, tmp_path):
    chosen = list(night.lights.values()) if kind == "lights" else [night.stack]
    options = ["-SUBTRACT_BACK", "N"] if kind == "stack" else ["-COMBINE_TYPE", "WEIGHTED"]
    header, image, weights = warp([copy_with_head(path, tmp_path) for path in chosen], tmp_path, *options)
    assert np.isfinite(image).all()
    known = list_known(night, chosen[0])
    pixels = WCS(header).all_world2pix(known.places, 0)
    off, errors = [], []
    for (x, y), flux in zip(pixels, known.fluxes, strict=True):
        i, j = round(y), round(x)
        around = image[i - 14 : i + 15, j - 14 : j + 15]
        rows, columns = np.mgrid[-14:15, -14:15]
        sky = np.median(around[np.hypot(rows, columns) > 10])
        if flux > 3e4 and weights[i - 9 : i + 10, j - 9 : j + 10].all():
            middle = find_middle(image - sky, x, y, 1.3)
            off.append(np.hypot(middle[0] - x, middle[1] - y))
            errors.append(sum_aperture(image - sky, *middle, 7) / flux - 1)
    print(
        f"{kind}: {len(off)} stars, {np.median(off):.3f}, at most {max(off):.3f} pixels off; "
        f"fluxes {100 * np.median(errors):+.2f} %"
    )
    assert len(off) > 5
    assert max(off) < 0.05
    assert abs(np.median(errors)) < 0.005
    if kind == "lights":  # all have their weights
        with fits.open(chosen[0]) as hdus:
            one = float(np.median(1 / hdus["UNCERT"].data ** 2))
        assert 2 * one < np.median(weights[weights > 0]) < 5 * one
