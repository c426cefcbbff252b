"""Stretching: images made small against plain means of blocks, grey levels of images whatever they hold."""

import warnings

import numpy as np
import pytest
from astropy.visualization import ZScaleInterval

from darkroom.stretch import (
    ROWS_OF_BLOCK,
    SAMPLE,
    Stretch,
    find_stretch,
    sample_finite,
    shrink,
    shrink_mosaic,
    stretch_image,
)

rng = np.random.default_rng(5)
SKY = rng.normal(1000, 20, (300, 400)).astype(np.float32)


def average_blocks(image, factor):
    """The mean of all finite pixels of each block, one block after the other."""
    rows, columns = (length // factor for length in image.shape)
    means = np.full((rows, columns), np.nan)
    for row in range(rows):
        for column in range(columns):
            block = image[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
            if np.isfinite(block).any():
                means[row, column] = block[np.isfinite(block)].mean(dtype=np.float64)
    return means


@pytest.mark.parametrize("dtype", [">f4", "<f4", "f8"])
@pytest.mark.parametrize(("size", "factor"), [(200, 2), (150, 2), (400, 1), (401, 1), (10_000, 1)])
def test_blocks_are_averaged(dtype, size, factor):
    image = SKY.astype(dtype)
    image[7, 9], image[8:10, 20:22], image[100, 100], image[5, 5] = np.nan, np.nan, np.inf, -np.inf
    small, found = shrink(image, size)
    assert (found, small.dtype) == (factor, np.float32)
    expected = average_blocks(image, factor) if factor > 1 else image
    np.testing.assert_allclose(small, np.where(np.isfinite(expected), expected, np.nan), rtol=1e-6)


def test_two_rows_of_a_block_tell_its_mean():
    """Of what changes slowly it is the mean, of noise that of fewer pixels."""
    gradient = np.add.outer(np.arange(2000.0), 3 * np.arange(1500.0)).astype(">f4")
    small, factor = shrink(gradient, 250)
    assert (factor, small.shape) == (8, (250, 187))
    np.testing.assert_allclose(small, average_blocks(gradient, 8), atol=1)  # of 1/4 row of a block
    noise, _ = shrink(rng.normal(0, 1, (1600, 1600)).astype(np.float32), 200)
    assert noise.std() == pytest.approx((8 * ROWS_OF_BLOCK) ** -0.5, rel=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1000), (1000, 1), (3, 50), (49, 51), (2, 2)])
def test_any_shape_is_made_small(shape):
    small, factor = shrink(np.ones(shape, np.float32), 10)
    assert (small == 1).all()
    assert max(small.shape) >= min(10, max(shape))
    assert [made * min(factor, before) <= before for made, before in zip(small.shape, shape, strict=True)] == [True] * 2


def test_original_is_left_alone():
    image = SKY.copy()
    for size in (100, 500):
        shrink(image, size)[0][:] = 0
        np.testing.assert_array_equal(image, SKY)


@pytest.mark.parametrize("shape", [(240, 320), (241, 323), (2, 2), (3, 100)])
def test_planes_of_a_mosaic_are_those_of_each_colour(shape):
    """Each made small as by itself."""
    image = rng.normal(100, 5, shape).astype(">f4")
    image[0, 0] = np.nan
    planes, factor = shrink_mosaic(image, 40)
    rows, columns = (length // 2 * 2 for length in shape)
    for plane, (y, x) in zip(planes, [(0, 0), (0, 1), (1, 0), (1, 1)], strict=True):
        expected, of_plane = shrink(image[y:rows:2, x:columns:2], 40)
        assert factor == of_plane
        np.testing.assert_allclose(plane, expected, rtol=1e-6)


def test_zscale_is_that_of_iraf():
    """As astropy has it, of the same numbers."""
    stretch = find_stretch(SKY[:200, :300], "zscale")
    assert (stretch.low, stretch.high) == pytest.approx(ZScaleInterval().get_limits(SKY[:200, :300].astype(float)))
    assert stretch.softness is None


def test_asinh_shows_faint_and_bright():
    """Sky at its grey level, a star a hundred times as bright as another still the brighter one."""
    image = SKY.copy()
    image[100:110, 100:110], image[200:210, 200:210] = 1200, 21000
    levels = stretch_image(image, find_stretch(image, "asinh"))
    sky = np.median(levels)
    assert 20 < sky < 90
    assert sky + 50 < levels[105, 105] < levels[205, 205] - 30
    straight = stretch_image(image, find_stretch(image, "zscale"))
    assert straight[105, 105] == straight[205, 205] == 255


def test_asinh_is_the_function():
    stretch = Stretch(100.0, 1100.0, 0.05)
    values = np.array([100, 150, 600, 1100], np.float32)
    expected = np.arcsinh((values - 100) / 1000 / 0.05) / np.arcsinh(1 / 0.05) * 255
    np.testing.assert_array_equal(stretch_image(values, stretch), expected.round())


def test_line_goes_from_black_to_white():
    values = np.array([-np.inf, 0, 100, 150, 200, 300, np.inf, np.nan], np.float32)
    assert stretch_image(values, Stretch(100, 200)).tolist() == [0, 0, 0, 128, 255, 255, 255, 0]


HOSTILE = {
    "nan": np.full((50, 50), np.nan),
    "infinite": np.full((50, 50), np.inf),
    "flat": np.full((50, 50), 7.0),
    "flat and large": np.full((50, 50), 1e30),
    "zero": np.zeros((50, 50)),
    "one value": np.where(np.arange(2500).reshape(50, 50) == 77, 5.0, np.nan),
    "all there is": np.where(np.arange(2500).reshape(50, 50) % 2, 3.4e38, -3.4e38),
    "mostly nan": np.where(np.arange(2500).reshape(50, 50) % 50, np.nan, 3.0),
    "two values": np.where(np.arange(2500).reshape(50, 50) % 2, 1.0, 2.0),
    "mixed": np.array([[np.nan, np.inf, -np.inf, 1, 2, -3.4e38, 3.4e38, 1e-40]] * 8),
    "empty of columns": np.zeros((5, 1)),
}


@pytest.mark.parametrize("how", ["zscale", "asinh"])
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_fails(name, how):
    image = HOSTILE[name].astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small, _ = shrink(image, 20)
        stretch = find_stretch(small, how)
        levels = stretch_image(small, stretch)
    assert levels.dtype == np.uint8
    assert levels.shape == small.shape
    assert stretch.high > stretch.low
    assert np.isfinite([stretch.low, stretch.high]).all()
    assert (levels[~np.isfinite(small)] == 0).all()


def test_two_values_differ_in_the_picture():
    image = np.where(np.arange(2500).reshape(50, 50) % 2, 1.0, 2.0).astype(np.float32)
    for how in ("zscale", "asinh"):
        levels = stretch_image(image, find_stretch(image, how))
        assert levels[0, 0] > levels[0, 1] + 20


def test_sample_meets_each_colour():
    colours = np.broadcast_to(np.array([1, 2, 3], np.float32), (900, 900, 3))
    values, counts = np.unique(sample_finite(colours), return_counts=True)
    assert values.tolist() == [1, 2, 3]
    assert counts.min() > 0.9 * counts.max()
    assert sample_finite(np.zeros((2048, 2048))).size <= 2 * SAMPLE
