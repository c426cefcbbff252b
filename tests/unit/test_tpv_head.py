"""TPV heads: the same places as the SIP that they are made of, by astropy, which knows both."""

import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from darkroom.solving.tpv_head import main, make_tpv_head

GRID = np.array([[x, y] for x in (0.0, 250, 511) for y in (0.0, 200, 479)])


def make_header(order, cd=((-4e-4, 1e-4), (2e-4, 3e-4))):
    """A header with each term that SIP has up to an order, pixels of distortion at the edge."""
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"})
    header.update({"CRPIX1": 250.0, "CRPIX2": 230.5, "CRVAL1": 132.8, "CRVAL2": -61.0, "RADESYS": "ICRS"})
    header.update({f"CD{i + 1}_{j + 1}": cd[i][j] for i in (0, 1) for j in (0, 1)})
    if order:
        rng = np.random.default_rng(order)
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
        for name in "AB":
            header[f"{name}_ORDER"] = order
            for p in range(order + 1):
                for q in range(max(0, 2 - p), order + 1 - p):
                    header[f"{name}_{p}_{q}"] = rng.uniform(-2, 2) / 250.0 ** (p + q)
    return header


@pytest.mark.parametrize("order", [0, 2, 3, 5, 7])
def test_places_are_those_of_sip(order):
    header = make_header(order)
    head = make_tpv_head(header)
    assert not [card for card in head if card.startswith(("A_", "B_"))]
    before, after = WCS(header).all_pix2world(GRID, 0), WCS(head).all_pix2world(GRID, 0)
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-11)  # degrees
    if order:
        straight = make_header(0)
        assert np.abs(WCS(straight).all_pix2world(GRID, 0) - before).max() > 1e-4  # it would have been seen


def test_higher_orders_and_other_coordinates_are_refused():
    with pytest.raises(ValueError, match="order 8"):
        make_tpv_head(make_header(8))
    for header in (fits.Header(), make_header(0)):
        header.remove("CD1_1", ignore_missing=True)
        with pytest.raises(ValueError, match="no coordinates"):
            make_tpv_head(header)


def test_heads_are_written_beside_the_files(tmp_path, capsys):
    for name in ("a.fits", "m67 b.fits"):
        fits.PrimaryHDU(np.zeros((4, 4), np.float32), make_header(3)).writeto(tmp_path / name)
    fits.PrimaryHDU().writeto(tmp_path / "plain.fits")
    assert main([str(tmp_path / name) for name in ("a.fits", "plain.fits", "m67 b.fits", "gone.fits")]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(tmp_path / "a.head"), str(tmp_path / "m67 b.head")]
    assert "plain.fits: it has no coordinates" in said.err
    assert "gone.fits" in said.err
    lines = (tmp_path / "a.head").read_text().splitlines()
    assert lines[-1].strip() == "END"
    read = fits.Header.fromstring("\n".join(lines), sep="\n")
    np.testing.assert_array_equal(
        WCS(read).all_pix2world(GRID, 0), WCS(make_tpv_head(make_header(3))).all_pix2world(GRID, 0)
    )


def test_command(tmp_path):
    fits.PrimaryHDU(np.zeros((4, 4), np.float32), make_header(2)).writeto(tmp_path / "a.fits")
    command = [sys.executable, "-m", "darkroom.solving.tpv_head", "a.fits"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "a.head\n"
