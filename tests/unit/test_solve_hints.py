"""What headers tell of scale and place, as programs write them."""

import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from darkroom.dialects import list_hint_cards
from darkroom.solving.hints import list_attempts, list_hint_problems, read_hints
from darkroom.solving.places import read_declination, read_right_ascension
from tests.unit.test_wcs_cards import PLAIN, solve, write_sky_cards

CARDS = list_hint_cards("generic", {"cards": {}})
SHAPE = (900, 1200)


def hint(cards, **settings):
    header = fits.Header()
    for name, value in cards.items():
        header[name] = value
    return read_hints(header, SHAPE, settings, CARDS)


@pytest.mark.parametrize(
    ("value", "comment", "degrees"),
    [
        ("16 41 41.00", "", 250.4208333),
        ("16:41:41", "", 250.4208333),
        ("16h41m41s", "[hms J2000]", 250.4208333),
        ("05 30", "", 82.5),
        (250.42, "", 250.42),
        ("250.42", "", 250.42),
        (16.5, "[hours] right ascension", 247.5),
        ("247 30 00", "[deg] right ascension", 247.5),
        (360.0, "", 0.0),
        (-3.0, "", None),
        (400.0, "", None),
        ("25 00 00", "", None),
        ("16 61 00", "", None),
        ("", "", None),
        ("$(reboot)", "", None),
        (True, "", None),
        (float("nan"), "", None),
    ],
)
def test_right_ascension(value, comment, degrees):
    read = read_right_ascension(value, comment)
    assert read is None if degrees is None else read == pytest.approx(degrees, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "degrees"),
    [
        ("+36 27 35.0", 36.4597222),
        ("-00 30 00", -0.5),
        ("-05:15", -5.25),
        (-31.2, -31.2),
        ("91 00 00", None),
        ("x", None),
    ],
)
def test_declination(value, degrees):
    read = read_declination(value)
    assert read is None if degrees is None else read == pytest.approx(degrees, abs=1e-6)


@pytest.mark.parametrize(
    ("cards", "scale"),
    [
        ({"XPIXSZ": 13.0, "FOCALLEN": 4010.7}, 0.66857),
        ({"XPIXSZ": 13.0, "FOCALLEN": (4.0107, "[m] focal length")}, 0.66857),
        ({"PIXSIZE1": 9.0, "FOCALLEN": 1000.0}, 1.85642),
        ({"PIXSIZE1": (0.009, "[mm] pixel"), "FOCALLEN": (100.0, "[cm]")}, 1.85642),
        ({"CCDXPIXE": (9e-6, "[m] Size of pixels in x."), "FOCALLEN": 1000.0}, 1.85642),
        ({"SECPIX": 0.4}, 0.4),
        ({"PIXSCALE": "1.26"}, 1.26),
        ({"SCALE": 2.1, "XPIXSZ": 13.0, "FOCALLEN": 4010.7}, 2.1),
    ],
)
def test_scale(cards, scale):
    low, high = hint(cards).scale
    assert low < scale < high
    assert high < 1.8 * low


@pytest.mark.parametrize("binning", [{"XBINNING": 2}, {"CCDSUM": "2 2"}, {"BINNING": "2x2"}])
def test_size_of_binned_pixels_is_of_the_chip_or_of_the_frame(binning):
    """MaxIm DL writes it after the binning, others before."""
    low, high = hint({"XPIXSZ": 5.0, "FOCALLEN": 1000.0, **binning}).scale
    assert low < 1.03132 < high
    assert low < 2.06265 < high


@pytest.mark.parametrize(
    "cards",
    [
        {"XPIXSZ": 0.0, "FOCALLEN": 1000.0},
        {"XPIXSZ": 9.0},
        {"XPIXSZ": 9.0, "FOCALLEN": 0.0},
        {"SECPIX": -1.0},
        {"SCALE": "wide"},
        {"SECPIX": 1e9},
        {"RA": 0.0, "DEC": 0.0},
        {"RA": "12 00 00"},
        {"OBJCTRA": "--config=/etc/passwd", "OBJCTDEC": "; rm -rf /"},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": "x", "CRVAL2": 3.0},
        {"CTYPE1": "linear", "CTYPE2": "linear", "CRVAL1": 12.0, "CRVAL2": 3.0},
    ],
)
def test_what_cannot_be_is_no_hint(cards):
    hints = hint(cards)
    assert (hints.scale, hints.position) == (None, None)
    assert len(list_attempts(hints)) == 1


def test_place_of_the_mount_serves_where_no_other_is_told():
    hints = hint({"OBJCTRA": "", "RA-MNT": 301.56439, "DEC-MNT": 44.456875})
    assert hints.position == (301.56439, 44.456875)
    assert "RA-MNT" in hints.text


def test_rough_wcs_tells_both_of_the_middle():
    header = fits.Header()
    write_sky_cards(header, solve(PLAIN))
    header["OBJCTRA"], header["OBJCTDEC"], header["SECPIX"] = "1 0 0", "1 0 0", 3.0
    hints = read_hints(header, SHAPE, {}, CARDS)
    assert hints.position == pytest.approx((85.0, 1.5), abs=0.01)
    assert hints.scale[0] < 6.0 < hints.scale[1]


def test_pointing_of_an_observatory_with_the_binning_in_cdelt():
    """ESO's EFOSC2: CDELT is the binning, CD the scale."""
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 99.01, "CRVAL2": -31.2, "CRPIX1": 517.0}
    cards |= {"CRPIX2": 488.0, "CDELT1": 2.0, "CDELT2": 2.0, "CD1_1": -6.7e-5, "CD1_2": 0.0, "CD2_1": 0.0}
    hints = hint(cards | {"CD2_2": -6.7e-5})
    assert hints.scale[0] < 0.2412 < hints.scale[1]
    assert hints.position == pytest.approx((99.01, -31.2), abs=0.05)


def test_settings_are_believed_and_never_given_up():
    hints = hint({"SECPIX": 9.0, "RA": 1.0, "DEC": 1.0}, scale=[0.9, 1.1], position=["16 41 41", "+36 27 35"], radius=2)
    assert hints.scale == (0.9, 1.1)
    assert hints.radius == 2
    assert hints.position == pytest.approx((250.42083, 36.45972), abs=1e-4)
    assert list_attempts(hints) == [hints]


@pytest.mark.parametrize(
    "settings",
    [{"scale": [2, 1]}, {"scale": ["a", "b"]}, {"scale": [1, 700]}, {"position": ["x", "y"]}, {"position": [85, 91]}],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match="is no"):
        hint({}, **settings)
    [problem] = list_hint_problems(settings)
    assert problem.startswith(f"{next(iter(settings))}: [")


def test_settings_that_make_sense_are_no_problem():
    assert not [*list_hint_problems({"scale": [1, 2], "position": ["16 41 41", -36.5]})]
    assert not [*list_hint_problems({"scale": None, "position": None})]


def test_settings_are_checked_without_what_takes_long_to_import():
    code = "import darkroom.solving.hints, sys; print(*(name for name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "darkroom.solving.hints" in loaded
    assert {"numpy", "astropy"}.isdisjoint(loaded)


def test_what_headers_tell_is_given_up_one_by_one():
    attempts = list_attempts(hint({"SECPIX": 9.0, "RA": 1.0, "DEC": 1.0}))
    known = [(each.scale is not None, each.position is not None) for each in attempts]
    assert known == [(True, True), (True, False), (False, False)]


def test_cards_of_the_settings_come_first():
    header = fits.Header({"MYSCALE": 3.0, "SECPIX": 9.0})
    cards = list_hint_cards("generic", {"cards": {"pixel_scale": ["MYSCALE"]}})
    low, high = read_hints(header, SHAPE, {}, cards).scale
    assert low < 3 < high < 9
    assert np.isfinite([low, high]).all()


def test_one_card_of_a_place_may_be_named():
    cards = list_hint_cards("generic", {"cards": {"right_ascension": ["MYRA"]}})
    header = fits.Header({"MYRA": 85.0, "DEC": 1.5, "OBJCTRA": "01 00 00"})
    assert read_hints(header, SHAPE, {}, cards).position == (85.0, 1.5)


def test_focal_length_of_the_telescope_alone_tells_no_scale():
    """ESO's EFOSC2 has 0.12" pixels of 15 um, where the telescope alone would have 0.08"."""
    header = fits.Header()
    header["HIERARCH ESO DET CHIP1 PSZX"] = (15.0, "Size of pixel in X")
    header["HIERARCH ESO TEL FOCU LEN"] = (38.501, "Focal length (m)")
    assert read_hints(header, SHAPE, {}, list_hint_cards("eso", {"cards": {}})).scale is None
