"""Real nights, end to end, where the frames are there; they are not part of the project."""

import csv
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from tests.running import REPOSITORY, find_lights, run_snakemake

DATA = REPOSITORY.parent / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real frames are not on this machine"),
]


def reduce_night(folder: Path, night: str, overlay: str = "") -> Path:
    """Run the workflow on a real night with an overlay of a few lines; return its results."""
    (folder / "overlay.yaml").write_text(overlay or "{}\n")
    run_snakemake(folder, configfile="overlay.yaml", config={"raw": DATA / night, "results": "out"}, cores=2)
    return folder / "out"


def read_table(results: Path, name: str) -> list[dict[str, str]]:
    with (results / name).open() as file:
        return list(csv.DictReader(file))


def verify_all(results: Path) -> None:
    """Every product opens as CCDData, has valid checksums, and fitsverify has nothing to say."""
    products = sorted(results.glob("20*/**/*.fits"))
    assert products
    for product in [product for product in products if product.name != "bad_pixels.fits"]:
        CCDData.read(product)
        with fits.open(product, checksum=True) as hdus:
            assert hdus[0].header["BITPIX"] == -32
            assert not {"BZERO", "BSCALE"} & set(hdus[0].header)
    if shutil.which("fitsverify"):
        answer = subprocess.run(["fitsverify", "-q", *products], capture_output=True, text=True, check=False)
        assert answer.stdout.count("verification OK") == len(products), answer.stdout


def verify_certificates(results: Path) -> None:
    """No master of a good night fails; what certification measured is in one table."""
    rows = read_table(results, "certification.csv")
    assert len(rows) == len(list(results.glob("20*/*/master_*.fits")))
    assert {row["verdict"] for row in rows} <= {"passed", "unproven"}
    for row in rows:
        assert row["verdict"] == "unproven" or abs(float(row["noise_excess"])) < 0.05


def box_medians(image: np.ndarray, size: int = 64) -> np.ndarray:
    rows, columns = (length // size for length in image.shape)
    boxes = image[: rows * size, : columns * size].reshape(rows, size, columns, size)
    return np.nanmedian(boxes, axis=(1, 3))


def test_arcsat_m13(tmp_path):
    results = reduce_night(tmp_path, "arcsat-m13")
    lights = list(find_lights(results).values())
    assert len(lights) == 12
    assert {path.parts[-4] for path in lights} == {"2019-05-02"}
    assert len({path.parts[-3] for path in lights}) == 1
    assert len(list(results.glob("*/*/master_flat_*.fits"))) == 4
    problems = [row["name"] for row in read_table(results, "frames.csv") if "no FITS file" in row["problem"]]
    assert len(problems) == 3
    assert all(name.startswith("Wolf1346/._") for name in problems)
    verify_all(results)
    verify_certificates(results)

    # the flat takes most of the scatter of the background away, outside the cluster in the middle of the field
    bias = np.median(fits.getdata(next(results.glob("*/*/master_bias.fits"))))
    y, x = np.mgrid[:16, :16] - 7.5
    outside = np.hypot(x, y) > 5
    for path in [path for path in lights if "_z_" in path.name]:
        raw = fits.getdata(DATA / "arcsat-m13" / path.name).astype(float) - bias
        before, after = (box_medians(image)[outside] for image in (raw, fits.getdata(path).astype(float)))
        assert after.std() / np.median(after) < 0.55 * before.std() / np.median(before)


def test_arcsat_one_of_each(tmp_path):
    results = reduce_night(tmp_path, "arcsat-one-of-each")
    assert len(find_lights(results)) == 1
    assert (results / "plan.txt").read_text().count("a master of one") == 3
    verify_all(results)
    verify_certificates(results)


def test_nickel(tmp_path):
    results = reduce_night(tmp_path, "nickel", "dark: {use: false}\n")
    lights = list(find_lights(results).values())
    assert len(lights) == 6
    verify_all(results)
    verify_certificates(results)
    kinds = [row["kind"] for row in read_table(results, "frames.csv")]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"bias": 10, "flat": 3, "light": 6}
    bias = fits.getdata(next(results.glob("*/*/master_bias.fits")))
    flat = fits.getdata(next(results.glob("*/*/master_flat_V.fits"))).astype(float)
    for path in lights:
        raw = fits.getdata(DATA / "nickel" / path.name).astype(float)
        expected = raw[:, :1024] - np.median(raw[:, 1024:], axis=1)[:, None] - bias
        light = fits.getdata(path)
        assert light.shape == (1024, 1024)
        good = flat > 0.1
        header, old = fits.getheader(path), fits.getheader(DATA / "nickel" / path.name)
        gain = header["CALGAIN"]
        assert gain == pytest.approx(1.79, abs=0.02)  # e-/ADU, measured; the headers do not tell
        np.testing.assert_allclose(light[good], (gain * expected / flat)[good], rtol=1e-5, atol=1e-2)
        assert header["CALSTAT"] == "OTBF"
        assert header["OBJECT"] == old["OBJECT"].strip()
        assert header["CRPIX1"] == old["CRPIX1"]


def test_efosc(tmp_path):
    results = reduce_night(tmp_path, "efosc", "dark: {use: false}\nbias: {max_age_days: 2}\n")
    lights = list(find_lights(results).values())
    assert len(lights) == 6
    verify_all(results)
    verify_certificates(results)
    for path in lights:
        header = fits.getheader(path)
        assert header["BIASFIL"].startswith("2022-01-26/")
        assert header["ESO INS FILT1 NAME"] == "g#782"
        assert header["CALSTAT"] == "BF"
    rows = read_table(results, "frames.csv")
    spectra = [row for row in rows if row["technique"] == "SPECTRUM"]
    assert len(spectra) == 10
    assert all(row["problem"] for row in spectra)
    assert not {row["setup"] for row in spectra} & {row["setup"] for row in rows if row["technique"] == "IMAGE"}
