"""Combining, against plain loops over pixels in double precision."""

import functools
import statistics

import numpy as np
import pytest

from darkroom import combine as combine_module
from darkroom.combine import combine_images
from darkroom.noise import FrameNoise
from darkroom.rejection import find_outliers

SIGMA = {"method": "mean", "reject": "sigma", "sigma": 3.0}
MINMAX = {"method": "mean", "reject": "minmax", "low": 1, "high": 1}
NONE = {"method": "mean", "reject": "none"}
METHODS = [(method, reject | {"method": method}) for method in ("mean", "median") for reject in (SIGMA, MINMAX, NONE)]
IDS = [f"{method}-{settings['reject']}" for method, settings in METHODS]


def combine(images, settings, **known):
    return combine_images(images, settings, **known).data


def combine_pixel(values, settings, quantum=1.0):
    """What the values of one pixel combine to, step by step."""
    values = sorted(float(value) for value in values if np.isfinite(value))
    if not values:
        return float("nan")
    if settings["reject"] == "minmax" and settings["low"] + settings["high"] < len(values):
        values = values[settings["low"] : len(values) - settings["high"]]
    if settings["reject"] == "sigma":
        middle = statistics.median(values)
        deviation = 1.482602218505602 * statistics.median(abs(value - middle) for value in values)
        limit = settings["sigma"] * max(deviation, quantum / 12**0.5)
        values = [value for value in values if abs(value - middle) <= limit]
    return statistics.median(values) if settings["method"] == "median" else statistics.fmean(values)


def combine_loop(images, settings, quantum=1.0):
    rows, columns = images[0].shape
    return np.array(
        [[combine_pixel([im[y, x] for im in images], settings, quantum) for x in range(columns)] for y in range(rows)]
    )


def agree(images, settings, quanta=None, quantum=1.0):
    combined = combine(images, settings, quanta=quanta)
    assert combined.dtype == np.float32
    np.testing.assert_allclose(combined, combine_loop(images, settings, quantum), rtol=1e-6, atol=0)


def simulate(number, seed=1, shape=(7, 5)):
    """Noisy images with a cosmic ray hit and a dead pixel in some."""
    rng = np.random.default_rng([seed, number])
    images = [rng.normal(1000, 10, shape).astype(np.float32) for _ in range(number)]
    for image in images[::2]:
        image[rng.integers(shape[0]), rng.integers(shape[1])] += 5000
    images[-1][3, 3] = 0
    return images


@pytest.mark.parametrize("number", range(1, 10))
@pytest.mark.parametrize(("method", "settings"), METHODS, ids=IDS)
def test_images_combine_as_in_a_plain_loop(method, settings, number):
    agree(simulate(number), settings)


@pytest.mark.parametrize("number", range(1, 10))
@pytest.mark.parametrize(("method", "settings"), METHODS, ids=IDS)
def test_pixels_without_a_value_take_no_part(method, settings, number):
    images = simulate(number)
    rng = np.random.default_rng(number)
    for image in images:
        for value in (np.nan, np.nan, np.inf, -np.inf):
            image[rng.integers(7), rng.integers(5)] = value
        image[0, 0] = np.nan  # in all of them
    assert np.isnan(combine(images, settings)[0, 0])
    agree(images, settings)


@pytest.mark.parametrize("number", range(1, 10))
@pytest.mark.parametrize(("method", "settings"), METHODS, ids=IDS)
def test_whole_counts_of_which_most_agree(method, settings, number):
    # a quiet camera: the MAD is zero in most pixels, yet a count more or less is no outlier
    rng = np.random.default_rng(number)
    images = [rng.choice([999, 1000, 1000, 1000, 1000, 1001], (7, 5)).astype(np.uint16) for _ in range(number)]
    images[0][2, 2] = 1500
    agree([image.astype(np.float32) for image in images], settings)


def test_one_count_is_kept_and_two_are_dropped_where_all_others_agree():
    # the rounding noise is 0.289 ADU; with sigma 5 values within 1.443 ADU stay
    images = [np.full((1, 2), value, np.float32) for value in (1000, 1000, 1000, 1000, 1000)]
    images[0][0] = 1001, 1002
    combined = combine(images, SIGMA | {"sigma": 5.0})
    assert combined.tolist() == [[pytest.approx(1000.2), 1000.0]]


def test_rounding_noise_follows_the_scale_of_the_images():
    # counts divided by 60 s: a count is 1/60 ADU/s, and so is the step that must not be rejected
    images = [np.full((1, 2), 10.0, np.float32) for _ in range(5)]
    images[0][0] = 10 + 1 / 60, 10 + 10 / 60
    agree(images, SIGMA | {"sigma": 5.0}, quanta=[1 / 60] * 5, quantum=1 / 60)
    combined = combine(images, SIGMA | {"sigma": 5.0}, quanta=[1 / 60] * 5)
    assert combined[0, 0] == pytest.approx(10 + 1 / 300, rel=1e-6)
    assert combined[0, 1] == 10.0


def test_an_outlier_does_not_hide_behind_the_spread_it_makes_itself():
    values = [100, 101, 99, 100, 102, 98, 100, 101, 60000]
    images = [np.full((1, 1), value, np.float32) for value in values]
    assert combine(images, SIGMA | {"sigma": 5.0})[0, 0] == pytest.approx(np.mean(values[:-1]))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 0, (1 + 2 + 3 + 4 + 90) / 5), (1, 1, 3.0), (0, 2, 2.0), (2, 0, (3 + 4 + 90) / 3), (2, 2, 3.0), (0, 1, 2.5)],
)
def test_minmax_drops_as_many_as_it_is_told(low, high, expected):
    images = [np.full((1, 1), value, np.float32) for value in (90, 2, 4, 1, 3)]
    assert combine(images, MINMAX | {"low": low, "high": high})[0, 0] == pytest.approx(expected)


def test_minmax_that_would_drop_all_drops_none():
    images = [np.full((1, 1), value, np.float32) for value in (1, 2, 6)]
    assert combine(images, MINMAX | {"low": 2, "high": 1})[0, 0] == 3.0
    images[2][0, 0] = np.nan  # of the two that are left none may go
    assert combine(images, MINMAX)[0, 0] == 1.5


def test_minmax_drops_one_of_equal_values():
    images = [np.full((1, 1), value, np.float32) for value in (5, 5, 5, 8, 8)]
    assert combine(images, MINMAX)[0, 0] == pytest.approx((5 + 5 + 8) / 3)


@pytest.mark.parametrize(("method", "settings"), METHODS, ids=IDS)
def test_bands_of_rows_make_no_difference(method, settings, monkeypatch):
    images = simulate(5, shape=(13, 5))
    whole = combine(images, settings)
    monkeypatch.setattr(combine_module, "BAND_PIXELS", 2 * 5)  # two rows at once, the last alone
    np.testing.assert_array_equal(combine(images, settings), whole)
    monkeypatch.setattr(combine_module, "BAND_PIXELS", 1)  # never less than one
    np.testing.assert_array_equal(combine(images, settings), whole)


def test_images_are_left_as_they_were():
    images = simulate(5)
    before = [image.copy() for image in images]
    for _, settings in METHODS:
        combine(images, settings)
    np.testing.assert_array_equal(images, before)


def test_large_values_keep_their_digits():
    # the sum of a hundred frames near full scale has more digits than a float32
    images = [np.full((1, 1), 60000 + number % 2, np.float32) for number in range(101)]
    assert combine(images, NONE)[0, 0] == np.float32(60000 + 50 / 101)


def test_outliers_are_found_pixel_by_pixel():
    stack = np.array([[10.0, 10, 10, 10, 50], [10, 11, 12, 13, 14]]).T[:, None, :]
    assert find_outliers(stack, 5.0)[:, 0, 0].tolist() == [False, False, False, False, True]
    assert not find_outliers(stack, 5.0)[:, 0, 1].any()
    # the MAD is 1: 1.5 of its deviations are 2.22
    assert find_outliers(stack, 1.5)[:, 0, 1].tolist() == [False] * 5
    assert find_outliers(stack, 1.3)[:, 0, 1].tolist() == [True, False, False, False, True]


def test_no_clip_is_tighter_than_the_rounding_to_whole_counts():
    # 5 / sqrt(12) = 1.4434 ADU
    images = [np.full((1, 2), 1000.0) for _ in range(5)]
    images[0][0] = 1001.44, 1001.45
    combined = combine(images, SIGMA | {"sigma": 5.0})
    assert combined.tolist() == [[pytest.approx(1000.288, abs=1e-4), 1000.0]]


# With error bars: a camera of known noise.

GAIN, READ_NOISE = 1.5, 8.0  # e-/ADU, e-
READ_VARIANCE = (READ_NOISE / GAIN) ** 2 + 1 / 12  # ADU^2


def expose(electrons, number, *, gain=GAIN, read_noise=READ_NOISE, levels=None, dark=0.0, held=0.0, shape=(120, 200)):
    """Prepared frames of whole ADU, their noises, and the truth in ADU; the bias is a fraction of an ADU all its own.

    `levels` are the frames' relative exposures, which are divided out; `dark` electrons are taken off, `held` ADU not.
    """
    rng = np.random.default_rng([number, int(100 * np.mean(electrons))])
    bias = rng.uniform(1000, 1001, shape)
    images, noises = [], []
    for level in np.ones(number) if levels is None else levels:
        charge = rng.poisson(np.broadcast_to(electrons * level + dark, shape))
        raw = np.rint(bias + (charge + rng.normal(0, read_noise, shape)) / gain)
        images.append(((raw - bias - dark / gain + held) / level).astype(np.float32))
        taken = np.full(shape, dark / gain, np.float32) if dark else None
        noises.append(FrameNoise((read_noise / gain) ** 2 + 1 / 12, gain, 1 / level, held, taken))
    return images, noises, electrons / gain + held


def robust_sd(values):
    return 1.482602218505602 * np.median(abs(values - np.median(values)))


FRAMES = {
    "bias": {"electrons": 0.0, "gain": np.inf},
    "dark of a few electrons": {"electrons": 2.0, "gain": 1.0, "read_noise": 3.0},
    "dark that holds its bias": {"electrons": 40.0, "held": 1000.0},
    "fading flat": {"electrons": 45000.0, "dark": 300.0, "levels": (1.1, 0.9)},
    "twilight": {"electrons": 20000.0, "levels": (1.5, 0.7)},
}


def expose_kind(kind, number, **own):
    frame = FRAMES[kind] | own
    if "levels" in frame:
        frame["levels"] = np.linspace(*frame["levels"], number)
    if kind != "bias":
        return expose(number=number, **frame)
    images, noises, truth = expose(0.0, number, **own)
    return images, [FrameNoise(noise.read_variance, np.inf) for noise in noises], truth


@functools.cache
def expose_kind_once(kind, number):
    return expose_kind(kind, number)


@pytest.mark.parametrize("number", [3, 4, 10, 50])
@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize(("method", "settings"), METHODS, ids=IDS)
def test_error_bars_are_as_long_as_the_errors(method, settings, kind, number):
    images, noises, truth = expose_kind_once(kind, number)
    combined = combine_images(images, settings | {"sigma": 5.0}, noises)
    pulls = (combined.data - truth) / np.sqrt(combined.variance)
    assert robust_sd(pulls) == pytest.approx(1, abs=0.03)
    # the median of a few electrons lies a little below their mean
    assert abs(np.median(pulls)) < (0.04 if method == "mean" else 0.08)


@pytest.mark.parametrize(("method", "settings"), METHODS, ids=IDS)
def test_error_bars_where_frames_lack_values(method, settings):
    images, noises, truth = expose(500.0, 9, shape=(250, 250))
    rng = np.random.default_rng(8)
    for image in images:
        image[rng.random(image.shape) < 0.4] = np.nan
    combined = combine_images(images, settings | {"sigma": 5.0}, noises)
    finite = np.isfinite(images).sum(axis=0)
    for number in (3, 4, 6, 7):
        there = finite == number
        pulls = (combined.data[there] - truth) / np.sqrt(combined.variance[there])
        assert robust_sd(pulls) == pytest.approx(1, abs=0.04)
    np.testing.assert_array_equal(np.isnan(combined.variance), finite == 0)


@pytest.mark.parametrize("method", ["mean", "median"])
@pytest.mark.parametrize("number", [3, 4, 10])
def test_a_tight_clip_has_its_own_error_bars(method, number):
    images, noises, truth = expose(500.0, number)
    combined = combine_images(images, {"method": method, "reject": "sigma", "sigma": 3.0}, noises)
    pulls = (combined.data - truth) / np.sqrt(combined.variance)
    # values are lost that are not so far off: the distribution is no longer normal, but as wide as told
    assert pulls.std() == pytest.approx(1, abs=0.02)
    assert robust_sd(pulls) == pytest.approx(1, abs=0.04)


def expect(noise, value, y, x):
    """The variance of one frame's pixel where this value is expected."""
    electrons = max(value / noise.scale - noise.level + (noise.dark[y, x] if noise.dark is not None else 0), 0)
    return noise.scale**2 * (noise.read_variance + electrons / noise.gain)


def clip_pixel(values, noises, y, x, sigma):
    """Return the values of one pixel that a clip keeps, step by step, with their noise."""
    middle = statistics.median(values)
    mad = statistics.median(abs(value - middle) for value in values)
    kept = []
    for value, noise in zip(values, noises, strict=True):
        deviation = max(1.482602218505602 * mad / (1 + 20 / len(values)), expect(noise, middle, y, x) ** 0.5)
        if abs(value - middle) <= max(sigma * deviation, mad):
            kept.append((value, noise))
    return kept


def expect_of_neighbours(means, noises, y, x):
    """Return the variance of the mean of these frames, of the signal that the 5 x 5 pixels around tell if they can."""
    ny, nx = len(means), len(means[0])
    rows, columns = ([min(max(i + k, 0), n - 1) for k in range(-2, 3)] for i, n in ((y, ny), (x, nx)))
    around = statistics.fmean(means[row][column] for row in rows for column in columns)

    def vary(value):
        return sum(expect(noise, value, y, x) for noise in noises) / len(noises) ** 2

    agrees = (means[y][x] - around) ** 2 <= 16 * vary(around)
    return vary(around if agrees else means[y][x])


@pytest.mark.parametrize("number", range(1, 10))
@pytest.mark.parametrize("kind", FRAMES)
def test_noisy_images_combine_as_in_a_plain_loop(kind, number):
    images, noises, _ = expose_kind(kind, number, shape=(7, 5))
    rng = np.random.default_rng(number)
    for image, noise in zip(images, noises, strict=True):  # values here and there that are on either side of the limit
        image += noise.variance(image) ** 0.5 * rng.choice([0, 0, 0, 4, -7], image.shape)
    combined = combine_images(images, SIGMA | {"sigma": 5.0}, noises)
    kept = [
        [clip_pixel([float(image[y, x]) for image in images], noises, y, x, 5.0) for x in range(5)] for y in range(7)
    ]
    means = [[statistics.fmean(value for value, _ in pixel) for pixel in row] for row in kept]
    for y, x in np.ndindex(7, 5):
        variance = expect_of_neighbours(means, [noise for _, noise in kept[y][x]], y, x)
        assert combined.data[y, x] == pytest.approx(means[y][x], rel=1e-5, abs=1e-4)
        assert combined.variance[y, x] == pytest.approx(variance, rel=1e-5)
        assert combined.count[y, x] == len(kept[y][x])


@pytest.mark.parametrize("number", [3, 4, 5])
def test_of_few_frames_no_good_value_is_lost(number):
    images, noises, _ = expose(500.0, number)
    settings = SIGMA | {"sigma": 5.0}
    assert (combine_images(images, settings).count < number).mean() > 0.03  # as the MAD alone has it
    assert (combine_images(images, settings, noises).count < number).mean() < 1e-4


@pytest.mark.parametrize("electrons", [0.0, 1000.0, 45000.0], ids=["bias", "sky", "flat"])
@pytest.mark.parametrize(
    ("number", "hits"), [(3, 1), (4, 1), (5, 1), (5, 2), (6, 2), (7, 2), (8, 1), (12, 2), (20, 1), (20, 2)]
)
def test_a_hit_leaves_no_trace_in_the_mean(number, hits, electrons):
    images, noises, truth = expose(electrons, number, shape=(100, 120))
    settings = SIGMA | {"sigma": 5.0}
    before = combine_images(images, settings, noises)
    for image in images[:hits]:
        image += np.float32(5000 / GAIN)
    after = combine_images(images, settings, noises)
    pulls = (after.data - truth) / np.sqrt(after.variance)
    assert abs(pulls.mean()) < 0.1
    assert abs((after.data - before.data).mean()) < 0.1 * np.sqrt(after.variance.mean())
    # and the error bar is that of the frames which are left
    assert robust_sd(pulls) == pytest.approx(1, abs=0.04)
    assert np.median(after.count) == number - hits


def test_of_two_frames_nobody_can_say_which_is_hit():
    images, noises, _ = expose(0.0, 2, shape=(3, 3))
    images[0] += 3000
    combined = combine_images(images, SIGMA | {"sigma": 5.0}, noises)
    assert (combined.count == 2).all()
    np.testing.assert_allclose(combined.data, (images[0] + images[1]) / 2)


@pytest.mark.parametrize("number", [3, 5, 20])
def test_a_hot_pixel_is_no_hit(number):
    charge = np.full((60, 60), 20.0)
    charge[::3, ::3] = 60_000.0
    images, noises, truth = expose(charge, number, shape=charge.shape)
    combined = combine_images(images, SIGMA | {"sigma": 5.0}, noises)
    assert (combined.count == number).mean() > 0.9995
    np.testing.assert_allclose(combined.data[::3, ::3], truth[::3, ::3], rtol=0.02)


def test_a_star_that_dithers_does_not_stay_in_a_twilight_flat():
    images, noises, truth = expose_kind("twilight", 5, shape=(80, 80))
    for number, image in enumerate(images):  # 3 % of the sky, one pixel further in each frame
        image[10 * number : 10 * number + 10] += np.float32(0.15 * truth)
    combined = combine_images(images, SIGMA | {"sigma": 5.0}, noises)
    assert abs(combined.data[:50].mean() / combined.data[50:].mean() - 1) < 5e-4


@pytest.mark.parametrize("number", [3, 4, 9, 30])
def test_frames_noisier_than_expected_keep_at_least_half_of_their_values(number):
    images, _, _ = expose(500.0, number)
    quiet = [FrameNoise(READ_VARIANCE / 1e4, 1e6)] * number
    combined = combine_images(images, SIGMA | {"sigma": 5.0}, quiet)
    assert (2 * combined.count >= number).all()
    assert np.isfinite(combined.data).all()


def test_each_frame_is_clipped_by_its_own_noise():
    # 200 ADU off: much in a bright frame, but not in one that was scaled up twentyfold
    images = [np.full((1, 2), 10_000, np.float32) for _ in range(6)]
    images[0][0, 0] += 200
    images[5][0, 1] += 200
    noises = [FrameNoise(25.0, 100.0)] * 5 + [FrameNoise(25.0, 100.0, scale=20.0)]
    combined = combine_images(images, SIGMA | {"sigma": 5.0}, noises)
    assert combined.count.tolist() == [[5, 6]]


def test_what_is_kept_is_counted():
    images = [np.full((1, 3), value, np.float32) for value in (9, 10, 10, 11, 9000)]
    images[0][0, 1], images[4][0, 1] = np.nan, np.nan
    for image in images:
        image[0, 2] = np.nan
    assert combine_images(images, NONE).count.tolist() == [[5, 3, 0]]
    assert combine_images(images, MINMAX).count.tolist() == [[3, 1, 0]]
    combined = combine_images(images, SIGMA, [FrameNoise(1.0, 1.5)] * 5)
    assert combined.count.tolist() == [[4, 3, 0]]
    assert combined.variance.dtype == combined.data.dtype == np.float32
    assert np.isnan(combined.data[0, 2])
    assert np.isnan(combined.variance[0, 2])


def test_without_noise_there_is_no_variance():
    assert combine_images(simulate(3), NONE).variance is None
