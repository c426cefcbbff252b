"""Frames of odd cameras, reduced from the command line with an overlay of at most five lines, against plain NumPy."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from tests.real.test_real_nights import DATA, box_medians
from tests.running import find_lights, run_snakemake

ODD = DATA / "odd"
MOST_LINES = 5

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ODD.is_dir(), reason="the real frames are not on this machine"),
    pytest.mark.filterwarnings("error:(Checksum|Datasum) verification failed"),
]


def reduce_set(folder: Path, name: str, overlay: str, *targets: str) -> Path:
    """Run the workflow on a data set as an observer would, and return its results."""
    assert len(overlay.splitlines()) <= MOST_LINES
    (folder / "overlay.yaml").write_text(overlay)
    settings = {"raw": ODD / name, "results": "out"}
    run_snakemake(folder, *targets, configfile="overlay.yaml", config=settings, cores=2)
    verify_products(folder / "out", ODD / name)
    return folder / "out"


def verify_products(results: Path, raw: Path) -> None:
    """Every product opens as CCDData, has valid checksums, and no fault but those of its raw frame's own header."""
    for product in sorted(results.glob("20*/**/*.fits")):
        if product.name != "bad_pixels.fits":
            assert CCDData.read(product).data.dtype.itemsize == 4
        with fits.open(product, checksum=True) as hdus:
            source = hdus[0].header.get("RAWFILE")
        assert find_faults(product) <= (find_faults(raw / source) if source else set())


def find_faults(path: Path) -> set[str]:
    """What fitsverify says of a file, without the numbers of cards."""
    if not shutil.which("fitsverify"):
        return set()
    answer = subprocess.run(["fitsverify", "-l", path], capture_output=True, text=True, check=False)
    found = re.findall(r"^\*{3} (?:Warning|Error): +(.*)", answer.stdout, re.MULTILINE)
    return {re.sub(r"#\d+", "#", fault) for fault in found}


def read_raw(path: Path) -> np.ndarray:
    """The first image of a raw file, as numbers that do not wrap."""
    with fits.open(path) as hdus:
        return next(hdu.data.astype(float) for hdu in hdus if hdu.data is not None)


def read_one(results: Path, name: str) -> np.ndarray:
    (path,) = results.glob(f"20*/*/{name}")
    return fits.getdata(path).astype(float)


def agree(found: np.ndarray, expected: np.ndarray, within: float) -> float:
    """The part of the pixels at which two images agree; clipping takes single values out of a few."""
    return float((np.abs(found - expected) <= within).mean())


def spread(image: np.ndarray) -> float:
    """How much the illumination varies over the field."""
    boxes = box_medians(image, 32)
    return float(boxes.std() / np.median(boxes))


def test_huntsman_cmos(tmp_path):
    """A bias and a flat that their headers call dark and light; one of each, 6 and 12 nights from the lights."""
    results = reduce_set(
        tmp_path,
        "huntsman-cmos",
        "health: {empty: warn}\n"  # every pixel of the bias is 32 ADU
        "bias: {max_age_days: 12}\n"
        "dark: {max_age_days: 12}\n"
        "flat: {max_age_days: 6}\n",
    )
    lights = find_lights(results)
    assert set(lights) == {"science_0", "sky_offset_0"}
    bias, dark, flat = (read_raw(ODD / "huntsman-cmos" / f"{kind}_0.fits") for kind in ("bias", "dark", "flat"))
    np.testing.assert_array_equal(read_one(results, "master_dark_300s.fits"), dark - bias)
    relative = (flat - dark) / np.median(flat - dark)
    np.testing.assert_allclose(read_one(results, "master_flat_g_band.fits"), relative, rtol=1e-5)
    for stem, path in lights.items():
        raw, header = read_raw(ODD / "huntsman-cmos" / f"{stem}.fits"), fits.getheader(path)
        assert header["CALSTAT"] == "BDF"
        assert header["CALGAIN"] == fits.getheader(ODD / "huntsman-cmos" / f"{stem}.fits")["EGAIN"]
        np.testing.assert_allclose(
            fits.getdata(path), header["CALGAIN"] * (raw - dark) / relative, rtol=1e-5, atol=1e-3
        )


def test_tircam2(tmp_path):
    """An infrared array: no kind in any header, 40,000 ADU of bias below 500 of sky, and a bias that lies low."""
    results = reduce_set(
        tmp_path,
        "tircam2",
        "dark: {use: false}\n"
        "bias: {max_age_days: 1}\n"
        "flat: {max_age_days: 1, min_counts: 50}\n"
        "exclude: [bias_3.fits]\n"
        "certification: {failed: warn}\n",  # columns differ by 100 ADU, and two biases by more than their noise
    )
    raw = ODD / "tircam2"
    bias, flat = read_one(results, "master_bias.fits"), read_one(results, "master_flat_J.fits")
    np.testing.assert_allclose(bias, (read_raw(raw / "bias_1.fits") + read_raw(raw / "bias_2.fits")) / 2, atol=0.01)
    signals = [read_raw(path) - bias for path in sorted(raw.glob("flats*.fits"))]
    mean = np.mean([signal / np.median(signal) for signal in signals], axis=0)
    assert np.median(np.abs(flat - mean / np.median(mean))) < 0.01
    lights = find_lights(results)
    assert set(lights) == {f"IC310_{n}" for n in range(1, 6)}
    for stem, path in lights.items():
        signal, light = read_raw(raw / f"{stem}.fits") - bias, fits.getdata(path).astype(float)
        good = flat > 0.06
        np.testing.assert_allclose(light[good], (signal / flat)[good], rtol=1e-5, atol=1e-2)
        assert np.isnan(light[flat < 0.04]).all()
        assert spread(light[64:]) < 0.5 * spread(signal[64:])  # a third of what it was
        header = fits.getheader(path)
        assert header["CALSTAT"] == "BF"
        assert header["BUNIT"] == "adu"  # nothing tells the gain
        assert header["CALRON"] == pytest.approx(3.3, abs=0.5)  # ADU, of the two biases


def test_int_ids(tmp_path):
    """Images in an extension, overscan in rows, two read-out speeds; the slow one has calibrations."""
    results = reduce_set(tmp_path, "int-ids", "dark: {use: false}\ncertification: {flat_gradient: null}\n")
    lights = find_lights(results)
    assert set(lights) == {"r1633255", "r1633269", "r1633271"}

    def trim(number: int) -> np.ndarray:  # the level of each column, above the image
        image = read_raw(ODD / "int-ids" / f"r{number}.fit")
        return image[:4099] - np.median(image[4104:4190], axis=0)

    bias, flat = read_one(results, "master_bias.fits"), read_one(results, "master_flat_none.fits")
    biases = [trim(number) for number in (1633186, 1633188, 1633189, 1633190)]
    assert agree(bias, np.mean(biases, axis=0), 1e-3) > 0.999
    lit = [trim(number) - bias for number in (1633209, 1633210, 1633211)]
    mean = np.mean([image / np.median(image) for image in lit], axis=0)
    assert agree(flat, mean / np.median(mean), 0.01 * np.abs(flat) + 1e-3) > 0.995
    for stem, path in lights.items():
        light, header = fits.getdata(path), fits.getheader(path)
        assert light.shape == (4099, 366)
        assert header["CALGAIN"] == 1.2  # of the slow speed; the fast one has 2.43
        assert header["CALRON"] * header["CALGAIN"] == pytest.approx(4.2)
        assert header["CALSTAT"] == "OTBF"
        good = flat > 0.06
        expected = 1.2 * (trim(int(stem[1:])) - bias) / flat
        np.testing.assert_allclose(light[good], expected[good], rtol=1e-5, atol=1e-2)


def test_names_only(tmp_path):
    """A camera that says neither kind nor filter in words; there is no light, so masters are all that is made."""
    overlay = "dark: {use: false}\nexclude: ['Pencil*']\ncertification: {flat_gradient: null}\n"
    results = reduce_set(tmp_path, "names-only", overlay, "masters")
    assert {path.parts[-3] for path in results.glob("20*/*/master_*.fits")} == {"2019-04-29", "2019-05-01"}
    raw, (folder,) = ODD / "names-only", results.glob("2019-05-01/*")
    bias = fits.getdata(folder / "master_bias.fits").astype(float)
    expected = np.mean([read_raw(raw / f"bias{n}.FIT") for n in (1, 2, 3)], axis=0)
    assert agree(bias, expected, 1e-3) > 0.995
    signals = [read_raw(raw / f"flat{name}.FIT") - bias for name in ("9", "27", "29.5(2)")]
    weights = np.array([np.median(signal) for signal in signals])
    flat = fits.getdata(folder / "master_flat_none.fits").astype(float)
    mean = np.average([signal / weight for signal, weight in zip(signals, weights, strict=True)], axis=0)
    assert np.median(np.abs(flat / mean - 1)) < 0.02
    # it takes the vignetting off the flat of two nights before, which looks through the same optics
    other = read_raw(raw / "slitview.00000357.FLAT.FIT") - bias
    inside = np.s_[150:450, 100:600]
    assert spread((other / flat)[inside]) < 0.5 * spread(other[inside])
    header = fits.getheader(folder / "master_flat_none.fits")
    assert header["CALGAIN"] == 0.46
    assert header["CALRON"] * header["CALGAIN"] == pytest.approx(16, abs=2)  # an ST-7 reads with 15 e-


def test_maxim_headers(tmp_path):
    """Biases and darks in floats, made of one another's pixels; none of the lights is of their setup."""
    overlay = "exclude: [flattest.fit]\n"  # a ramp that its header calls a bias; certification names it
    results = reduce_set(tmp_path, "maxim-headers", overlay, "masters")
    bias, dark = read_one(results, "master_bias.fits"), read_one(results, "master_dark_30s.fits")
    raw = [read_raw(ODD / "maxim-headers" / f"biastest{n}.fit") for n in range(1, 6)]
    assert agree(bias, np.mean(raw, axis=0), 0.01) > 0.999
    assert np.median(dark) == pytest.approx(0, abs=0.01)
    assert np.mean(dark) == pytest.approx(0, abs=0.3)  # 20 ADU of noise, in 10,000 pixels


def test_saao(tmp_path):
    """A frame with a BIASSEC and a TRIMSEC of its own, and no calibration but these."""
    results = reduce_set(tmp_path, "saao-mef", "bias: {use: false}\ndark: {use: false}\nflat: {use: false}\n")
    lights = find_lights(results)
    assert set(lights) == {"a8280271"}  # what has neither bias nor overscan stays away
    raw, header = read_raw(ODD / "saao-mef" / "a8280271.fits"), fits.getheader(lights["a8280271"])
    expected = 1.9 * (raw[:, 16:528] - np.median(raw[:, 3:13], axis=1)[:, None])
    np.testing.assert_allclose(fits.getdata(lights["a8280271"]), expected, rtol=1e-5, atol=1e-3)
    assert header["CALSTAT"] == "OT"
    assert header["CALRON"] * header["CALGAIN"] == pytest.approx(5.0)
