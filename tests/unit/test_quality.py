"""The quality plane's bits, and full pixels."""

import numpy as np
import pytest
from astropy.io import fits
from scipy.ndimage import maximum_filter

from darkroom.quality import MEANINGS, Bit, describe_bits, find_saturated, flag, flag_no_data, grow_mask, has_any

BITS = {"BAD": 1, "HOT": 2, "SATURATED": 4, "COSMIC_RAY": 8, "LOW_FLAT": 16, "NO_DATA": 32, "INTERPOLATED": 64}


def spread_loop(full, grow, bleed):
    """What counts as full, full pixel by full pixel."""
    result = full.copy()
    for y, x in zip(*np.nonzero(full), strict=True):
        result[max(y - grow, 0) : y + grow + 1, max(x - grow, 0) : x + grow + 1] = True
        result[max(y - bleed, 0) : y + bleed + 1, x] = True
    return result


def test_each_bit_has_its_value_and_its_meaning():
    assert {bit.name: bit.value for bit in Bit} == BITS
    assert set(MEANINGS) == set(Bit)
    plane = np.zeros((2, 2), np.uint8)
    plane[0, 0] |= Bit.HOT | Bit.INTERPOLATED
    assert plane.dtype == np.uint8
    assert plane.tolist() == [[66, 0], [0, 0]]


def test_the_header_of_a_mask_tells_its_bits(tmp_path):
    mask = fits.ImageHDU(np.zeros((4, 4), np.uint8), name="MASK")
    describe_bits(mask.header)
    path = tmp_path / "mask.fits"
    fits.HDUList([fits.PrimaryHDU(), mask]).writeto(path, output_verify="exception")
    with fits.open(path) as hdus:
        header = hdus["MASK"].header
        assert {header[f"BIT{number}"]: 1 << number for number in range(7)} == BITS
        assert header["BIT2"] == "SATURATED"
        assert header.comments["BIT0"] == "value 1: dead, cold or non-linear"
        # nothing was cut off
        assert {header.comments[f"BIT{n}"] for n in range(7)} == {f"value {b.value}: {MEANINGS[b]}" for b in Bit}
        assert all(len(card.image) == 80 for card in header.cards)


@pytest.mark.parametrize(("grow", "bleed"), [(0, 0), (1, 0), (2, 0), (0, 3), (1, 3), (3, 1), (0, 100)])
def test_full_pixels_grow_and_bleed_as_in_a_plain_loop(grow, bleed):
    rng = np.random.default_rng(5)
    raw = rng.integers(0, 60000, (23, 17)).astype(np.float32)
    for y, x in [(0, 0), (22, 16), (10, 0), (11, 8)]:
        raw[y, x] = 65535
    found = find_saturated(raw, 65535, grow, bleed)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, spread_loop(raw >= 65535, grow, bleed))
    assert found.sum() >= 4


def test_the_level_itself_is_full_and_nan_is_not():
    raw = np.array([[59999.0, 60000.0, 60001.0, np.nan, np.inf]])
    assert find_saturated(raw, 60000, 0, 0).tolist() == [[False, True, True, False, True]]
    assert not find_saturated(np.full((6, 8), np.nan), 60000, 2, 2).any()


def test_whole_counts_are_taken_as_they_are():
    raw = np.full((3, 3), 65534, np.uint16)
    raw[1, 1] = 65535
    assert find_saturated(raw, 65535, 0, 0).sum() == 1
    assert find_saturated(raw, 65535, 1, 0).all()


def test_bits_are_set_where_they_are_told_and_stay_otherwise():
    image = np.array([[1, np.nan, 3], [np.inf, 5, -np.inf]], np.float32)
    mask = flag_no_data(image)
    assert mask.dtype == np.uint8
    assert mask.tolist() == [[0, 32, 0], [32, 0, 32]]
    flag(mask[:, 1:], image[:, 1:] > 2, Bit.HOT | Bit.BAD)  # a view is written to
    assert mask.tolist() == [[0, 32, 3], [32, 3, 32]]
    assert has_any(mask, Bit.HOT | Bit.SATURATED).tolist() == [[False, False, True], [False, True, False]]


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (40, 41)])
@pytest.mark.parametrize(("up", "across"), [(0, 0), (1, 0), (0, 5), (3, 2), (60, 60)])
def test_a_mask_grows_as_by_a_filter_over_rectangles(shape, up, across):
    mask = np.random.default_rng(1).random(shape) < 0.02
    mask[0, 0] = True
    expected = maximum_filter(mask, size=(2 * up + 1, 2 * across + 1), mode="constant", cval=0)
    np.testing.assert_array_equal(grow_mask(mask, up, across), expected)
