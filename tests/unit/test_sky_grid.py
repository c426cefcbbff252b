"""The grid over a picture: its lines against WCSLIB's own places of them, and headers that are not to be believed."""

import time
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from darkroom import sky_grid
from darkroom.sky_cards import read_sky_cards
from darkroom.sky_grid import MARGIN, draw_grid

SHAPE = (800, 1000)  # of the image
DARK = np.zeros((205, 256), np.uint8)  # the picture
SCALE = 2e-4  # degrees a pixel


def make_header(**cards):
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 83.6, "CRVAL2": 22.0})
    header.update({"CRPIX1": 500.0, "CRPIX2": 400.0, "CD1_1": -SCALE, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": SCALE})
    for name, value in cards.items():
        if value is None:
            header.remove(name, ignore_missing=True)
        else:
            header[name] = value
    return header


def turn(angle, scale=SCALE):
    sine, cosine = scale * np.sin(np.radians(angle)), scale * np.cos(np.radians(angle))
    return make_header(CD1_1=-cosine, CD1_2=sine, CD2_1=sine, CD2_2=cosine)


def trace(header, shape, right_ascension=None, declination=None):
    """Where a line lies in the picture: rows and columns inside of its margin."""
    along = np.linspace(-0.2, 0.2, 4001)
    fixed = np.zeros_like(along)
    ra = fixed + right_ascension if right_ascension is not None else header["CRVAL1"] + along / 0.9
    dec = fixed + declination if declination is not None else header["CRVAL2"] + along
    x, y = WCS(header).all_world2pix(ra, dec, 0)
    column, row = (x + 0.5) * shape[1] / SHAPE[1] - 0.5, (y + 0.5) * shape[0] / SHAPE[0] - 0.5
    inside = (
        (column > MARGIN + 2) & (column < shape[1] - MARGIN - 3) & (row > MARGIN + 2) & (row < shape[0] - MARGIN - 3)
    )
    return row[inside], column[inside]


def follow(levels, rows, columns):
    """The brightest level within a pixel of each place."""
    rows, columns = rows.round().astype(int), columns.round().astype(int)
    return np.max([levels[rows + y, columns + x] for y in (-1, 0, 1) for x in (-1, 0, 1)], axis=0)


@pytest.mark.parametrize(
    ("header", "minutes", "seconds"),
    [(make_header(), 2, 10), (turn(180), 2, 10), (turn(30), 3, 12), (turn(-63), 3, 12)],
    ids=["0", "180", "30", "-63"],
)
def test_lines_lie_where_the_sky_is(header, minutes, seconds):
    """Lines of declination are so many minutes of arc apart, of right ascension so many seconds of time; no others."""
    levels = draw_grid(DARK, header, SHAPE)
    assert levels.shape == DARK.shape
    for step, lines in (
        (minutes, {each: trace(header, DARK.shape, declination=22 + each / 60) for each in range(-5, 6)}),
        (
            seconds,
            {
                each: trace(header, DARK.shape, right_ascension=(5 * 3600 + 2064 + each) / 240)
                for each in range(-36, 37)
            },
        ),
    ):
        offset = 0 if step == minutes else 24  # from 22:00, and from 5:34:00
        bright = {each: np.mean(follow(levels, *line) > 35) for each, line in lines.items() if len(line[0]) > 300}
        assert {each for each, share in bright.items() if share > 0.98} == {
            each for each in bright if (each + offset) % step == 0
        }
        assert len([share for share in bright.values() if share < 0.4]) >= len(bright) / 2


def test_labels_lie_below_and_at_the_left_in_the_margin():
    levels = draw_grid(DARK, make_header(), SHAPE)
    assert (levels[: MARGIN - 2] > 150).sum() > 50  # row 0 is the lowest
    assert (levels[:, : MARGIN - 2] > 150).sum() > 50
    assert not levels[-MARGIN + 2 :].any()
    assert not levels[:, -MARGIN + 2 :].any()


def test_lines_are_seen_on_black_and_on_white():
    on_white = draw_grid(np.full_like(DARK, 255), make_header(), SHAPE)
    assert on_white.min() < 160
    on_black = draw_grid(DARK, make_header(), SHAPE)
    assert on_black.max() > 100


def test_colours_stay_what_they_are():
    """Away from lines, and all three alike on them."""
    red = np.zeros((*DARK.shape, 3), np.uint8)
    red[..., 0] = 90
    levels = draw_grid(red, make_header(), SHAPE)
    assert levels.shape == red.shape
    unchanged = (levels == red).all(axis=-1)
    assert unchanged.mean() > 0.7
    np.testing.assert_array_equal(levels[..., 1], draw_grid(DARK, make_header(), SHAPE))


def test_picture_does_not_depend_on_those_before_it():
    """Axes are used again: another field, or another size, in between makes no difference."""
    header = turn(12)
    first = draw_grid(DARK, header, SHAPE)
    for other in (make_header(CRVAL2=89.9), turn(77, 5e-3), make_header(CRVAL1=0.0)):
        draw_grid(DARK, other, SHAPE)
        draw_grid(np.zeros((150, 300), np.uint8), other, SHAPE)
    sky_grid._draw_lines.cache_clear()
    np.testing.assert_array_equal(draw_grid(DARK, header, SHAPE), first)


@pytest.mark.parametrize(
    "header",
    [
        make_header(CRVAL2=90.0),
        make_header(CRVAL1=0.0),
        make_header(CRVAL1=-10.0),
        make_header(CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=22.0, CRVAL2=83.0),
        make_header(CTYPE1="ra---tan", CTYPE2="dec--tan"),
        make_header(RADESYS="FK5", EQUINOX=2000.0),
        make_header(RADESYS="nonsense"),
        make_header(CUNIT1="deg", CUNIT2="deg"),
        make_header(CD1_1=None, CD1_2=None, CD2_1=None, CD2_2=None, CDELT1=-SCALE, CDELT2=SCALE, CROTA2=20.0),
        make_header(CD1_1=None, CD1_2=None, CD2_1=None, CD2_2=None, CDELT1=-SCALE, CDELT2=SCALE, PC1_1=1.0, PC2_2=1.0),
        make_header(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=2, B_ORDER=2, A_2_0=1e-6, B_0_2=1e-6),
        make_header(CTYPE1="RA---SIN", CTYPE2="DEC--SIN"),
        make_header(CRPIX1=-3000.0),
        make_header(WCSAXES=3, CTYPE3="FREQ"),
        make_header(CPDIS1="LOOKUP", DP1="EXTVER: 1"),
    ],
)
def test_place_on_the_sky_gives_a_grid(header):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw_grid(DARK, header, SHAPE).max() > 60


def break_card(text):
    """A header with a card that cannot be parsed."""
    header = make_header()
    header.remove(text[:8].strip(), ignore_missing=True)
    header.append(fits.Card.fromstring(text))
    return header


BROKEN = {
    "nothing": fits.Header(),
    "no celestial axes": make_header(CTYPE1="WAVE", CTYPE2="LINEAR"),
    "types alone": fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}),
    "one axis": make_header(CTYPE2=None),
    "numbers for types": make_header(CTYPE1=1, CTYPE2=True),
    "long types": make_header(CTYPE1="RA---" + "T" * 60, CTYPE2="DEC--" + "T" * 60),
    "galactic": make_header(CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN"),
    "two of one": make_header(CTYPE1="RA---TAN", CTYPE2="RA---TAN"),
    "two projections": make_header(CTYPE2="DEC--SIN"),
    "unknown projection": make_header(CTYPE1="RA---XYZ", CTYPE2="DEC--XYZ"),
    "matrix of zeros": make_header(CD1_1=0.0, CD2_2=0.0),
    "singular matrix": make_header(CD1_2=SCALE, CD2_1=-SCALE),
    "matrix of nothing much": make_header(CD1_1=-1e-300, CD2_2=1e-300),
    "immense pixels": make_header(CD1_1=-1e300, CD2_2=1e300),
    "pixels of a degree": make_header(CD1_1=-1.0, CD2_2=1.0),
    "no pixels at all": make_header(CD1_1=-1e-12, CD2_2=1e-12),
    "text for a number": make_header(CRVAL1="08 34 11"),
    "logical for a number": make_header(CRVAL2=True),
    "beyond the pole": make_header(CRVAL2=1e6),
    "far away": make_header(CRPIX1=1e30),
    "card that cannot be parsed": break_card("CRVAL1  = 12.3.4.5"),
    "units": make_header(CUNIT1="m", CUNIT2="m"),
    "order of a bomb": make_header(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=99999, B_ORDER=99999),
    "order that is none": make_header(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER="x", B_ORDER=2),
    "wild distortion": make_header(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=2, B_ORDER=2, A_2_0=1e30),
    "wild parameters": make_header(CTYPE1="RA---ZPN", CTYPE2="DEC--ZPN", PV2_1=1e300, PV2_2=-1e300),
    "wild tables": make_header(CTYPE1="RA---TAB", CTYPE2="DEC--TAB", PS1_0="x"),
    "rotation": make_header(LONPOLE=1e308, LATPOLE=-1e308),
}


@pytest.mark.parametrize("name", BROKEN)
def test_place_that_makes_no_sense_gives_none(name):
    """Without an error, a warning, or a long wait."""
    begun = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        levels = draw_grid(DARK, BROKEN[name], SHAPE)
    if name != "rotation":  # which some projections do not need
        assert levels is DARK
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("seed", range(4))
def test_any_numbers_do_no_harm(seed):
    """Of each kind of card one, of any size."""
    rng = np.random.default_rng(seed)
    names = ["CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2", "PV2_1", "LONPOLE", "EQUINOX"]
    for _ in range(10):
        chosen = rng.choice(names, 4, replace=False)
        values = rng.normal(size=4) * 10 ** rng.uniform(-8, 8, 4)
        projection = rng.choice(["TAN", "ZEA", "AIT", "ZPN", "TPV", "CAR", "STG", "HPX", "COD"])
        header = make_header(CTYPE1=f"RA---{projection}", CTYPE2=f"DEC--{projection}")
        header.update(dict(zip(chosen, map(float, values), strict=True)))
        levels = draw_grid(DARK, header, SHAPE)
        assert (levels.shape, levels.dtype) == (DARK.shape, np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (95, 400), (20, 3000)])
def test_small_picture_has_no_grid(shape):
    small = np.zeros(shape, np.uint8)
    assert draw_grid(small, make_header(), SHAPE) is small


def test_cards_are_copied_by_kind_alone():
    header = make_header(OBJECT="<b>", CRVAL3=5.0, CTYPE1A="RA---TAN", PV1_40=1.0, HISTORY="x" * 60)
    assert dict(read_sky_cards(header)) == {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CRVAL1": 83.6,
        "CRVAL2": 22.0,
        "CRPIX1": 500.0,
        "CRPIX2": 400.0,
        "CD1_1": -SCALE,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": SCALE,
    }
