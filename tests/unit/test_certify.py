"""Certification, on stacks of a simulated camera: good ones pass, and each fault is told by its own line."""

import json
import math
import runpy
import warnings
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from scipy.ndimage import median_filter

from darkroom.blocks import fit_surface, lay_grid, measure_blocks
from darkroom.certify import _average_lines, _smooth_profile, certify_stack
from darkroom.combine import combine_images
from darkroom.masters import Master
from darkroom.noise import FrameNoise
from darkroom.products import write_product
from darkroom.quality import Bit
from darkroom.sources import MemorySource, digest_source
from darkroom.stacks import Stack
from darkroom.stamps import digest_recipe
from tests.camera import Camera, expose, write_frame
from tests.simulator import render_stars

SMALL, LARGE = (48, 56), (256, 256)
SIGMA = {"method": "mean", "reject": "sigma", "sigma": 5.0}
PLAIN = {"method": "mean", "reject": "none"}
LIMITS = {
    "residual": 1.0,
    "noise_excess": 0.05,
    "bias_structure": 5.0,
    "dark_temperature": 1.0,
    "flat_gradient": 0.5,
    "flat_change": 0.05,
}
LEVEL, EXPOSURE = 30000.0, 60.0


def make_recipe(kind, combine=SIGMA, **changes):
    settings = {"combine": combine, "overscan": None}
    if kind == "flat":
        settings |= {"scale": "median", "normalise": "median", "min_counts": 1000.0, "max_counts": None}
    recipe = {"kind": kind, "per_second": False, "holds_bias": False, "bias": None, "saturation": None}
    return recipe | {"settings": settings} | changes


class Case:
    """A stack of simulated frames and what becomes of it."""

    def __init__(self, kind, camera, number, seed, combine=SIGMA, *, signal=0.0, gain=1.0, read_noise=1.0, **changes):
        """``signal`` of a frame, ADU, as a function of its number; ``gain`` and ``read_noise`` times the true ones."""
        self.recipe = make_recipe(kind, combine, **changes)
        rng = np.random.default_rng([seed, number])
        bias = camera.bias_pattern().astype(np.float32)
        exposure = EXPOSURE if kind == "dark" else 0.0
        self.stack = Stack(noises=[])
        for index in range(number):
            light = signal(index, rng) if callable(signal) else signal
            if kind == "flat":
                light = light if callable(signal) else np.linspace(1.1, 0.9, number)[index] * LEVEL
            filter_name = "V" if kind == "flat" else None
            image = expose(camera, rng, signal=light, exposure=exposure, filter=filter_name).astype(np.float32)
            if kind != "bias":
                image -= bias
            scale = 1 / float(np.median(image)) if kind == "flat" else 1.0
            self.stack.images.append(image * np.float32(scale))
            self.stack.scales.append(scale)
            self.stack.frames.append({"name": f"{kind}_{index + 1}", "exposure": exposure, "temperature": -10.0})
            electrons = np.inf if kind == "bias" else camera.gain * gain
            read_variance = (camera.read_noise / camera.gain * read_noise) ** 2 + 1 / 12
            self.stack.noises.append(FrameNoise(read_variance, electrons, scale))

    def change(self, how):
        """Change each image by a function of its number and itself."""
        self.stack.images = [np.float32(how(number, image)) for number, image in enumerate(self.stack.images)]
        return self

    def make(self):
        combined = combine_images(
            self.stack.images, self.recipe["settings"]["combine"], self.stack.noises, self.stack.scales
        )
        level = np.median(combined.data) if self.recipe["kind"] == "flat" else 1.0
        image = combined.data / np.float32(level)
        variance = None if combined.variance is None else combined.variance / np.float32(level) ** 2
        mask = np.zeros(image.shape, np.uint8)
        return Master(image, variance, mask, "", None, 0.0, False, None)

    def certify(self, previous=None, **limits):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figures, failures = certify_stack(self.stack, self.recipe, self.make(), previous, LIMITS | limits)
        json.dumps(figures, allow_nan=False)
        return figures, failures


def small(seed):
    return Camera(shape=SMALL, seed=seed)


def large(seed):
    return Camera(shape=LARGE, seed=seed)


def make_axes(shape):
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    return x, y


X, Y = make_axes(LARGE)
NUMBERS = (2, 7)


def draw_sky(shape, number):
    """Twilight flats: fading, their gradient turning, with other stars in each, of up to 10 000 ADU at their peak."""
    x, y = make_axes(shape)
    count = max(2, shape[0] * shape[1] // 6500)

    def draw(index, rng):
        later = index / number
        places = rng.uniform(0, shape[::-1], (count, 2)).tolist()
        stars = [{"x": at[0], "y": at[1], "fwhm": 3.5, "flux": 10 ** rng.uniform(3.5, 5.3)} for at in places]
        return LEVEL * (1.2 - 0.5 * later) * (1 + 0.02 * later * x + 0.02 * (1 - later) * y) + render_stars(
            shape, stars
        )

    return draw


@pytest.mark.parametrize("kind", ["bias", "dark", "flat"])
@pytest.mark.parametrize("number", [2, 3, 5, 20])
def test_good_stacks_pass(kind, number):
    cases = [(small(seed), seed, SIGMA | {"method": "median" if seed % 2 else "mean"}) for seed in range(3)]
    for camera, seed, combine in [*cases, *[(large(1), 1, SIGMA)] * (number < 9)]:
        figures, failures = Case(kind, camera, number, seed, combine).certify()
        assert failures == []
        assert figures["proven"] is True
        assert figures["frames"] == number
        assert abs(figures["noise_excess"]) < 5 * figures["noise_excess_error"]
        assert figures["residual"] < 0.25


def test_the_error_of_the_noise_excess_is_what_it_scatters_by():
    found = [Case("bias", small(1), 2, seed, PLAIN).certify()[0] for seed in range(100)]  # both frames give the same
    excess = np.array([figures["noise_excess"] for figures in found])
    error = np.mean([figures["noise_excess_error"] for figures in found])
    assert np.std(excess) == pytest.approx(error, rel=0.25)
    assert abs(excess.mean()) < 4 * error / np.sqrt(len(excess)) + 0.002


@pytest.mark.parametrize("number", [3, 5, 8])
@pytest.mark.parametrize("shape", [(96, 112), LARGE])
def test_twilight_flats_pass_whose_gradient_turns_and_whose_stars_move(number, shape):
    for seed in range(2):
        camera = Camera(shape=shape, seed=seed)
        assert Case("flat", camera, number, seed, signal=draw_sky(shape, number)).certify()[1] == []


def test_a_bright_star_that_survives_into_a_flat():
    # two frames cannot tell a star, and without rejection no number can
    star = render_stars(LARGE, [{"x": 112, "y": 80, "fwhm": 12, "flux": 3e6}])
    for number, combine, passes in ((2, SIGMA, False), (4, PLAIN, False), (4, SIGMA, True)):
        case = Case("flat", large(1), number, 3, combine, signal=lambda index, _: LEVEL + star * (index == 1))
        _, failures = case.certify()
        assert passes == (failures == [])
        assert all("times its noise around x = 113, y = 81" in line for line in failures)


def test_flats_that_are_not_scaled_pass():
    case = Case("flat", large(1), 6, 1, PLAIN)
    case.recipe["settings"]["scale"] = "none"
    case.stack.images = [image / np.float32(s) for image, s in zip(case.stack.images, case.stack.scales, strict=True)]
    case.stack.noises = [FrameNoise(noise.read_variance, noise.gain) for noise in case.stack.noises]
    case.stack.scales = [1.0] * 6
    figures, failures = case.certify()
    assert failures == []
    assert figures["level"] == pytest.approx(LEVEL, rel=0.01)


@pytest.mark.parametrize("number", NUMBERS)
def test_light_in_a_bias(number):
    for leak in (8.0, 20 + 10 * X):  # ADU; its photons are noise that a bias has not
        _, failures = Case("bias", large(number), number, 1, signal=leak).certify()
        assert len(failures) == 1
        assert ": noise " in failures[0]
        assert failures[0].endswith(" % above what read-out and photons explain (certification.noise_excess: 0.05)")


def test_the_open_shutter_shows_in_a_bias():
    stars = [{"x": x, "y": y, "fwhm": 4, "flux": 60000} for x, y in np.random.default_rng(1).uniform(0, 256, (30, 2))]
    _, failures = Case("bias", large(1), 5, 1, signal=render_stars(LARGE, stars)).certify()
    assert [line[:24] for line in failures] == ["columns and rows vary by"]


@pytest.mark.parametrize("number", NUMBERS)
def test_banding_in_half_of_the_biases(number):
    bands = 8 * np.sin(np.arange(256) / 3)[:, None]
    case = Case("bias", large(number), number, 1).change(lambda index, image: image + bands * (index % 2))
    _, failures = case.certify()
    assert [line.split()[1] for line in failures] == ["noise"]


@pytest.mark.parametrize("along", [0, 1])
def test_banding_of_the_whole_bias(along):
    lines = np.random.default_rng(1).normal(0, 40, 256)
    case = Case("bias", large(1), 5, 1).change(lambda _, image: image + np.expand_dims(lines, along))
    figures, failures = case.certify()
    assert figures["structure"] == pytest.approx(40, rel=0.1)
    assert figures["structure_read_noises"] == pytest.approx(40 / (8 / 1.5), rel=0.1)
    assert [line.split()[0] for line in failures] == ["columns"]
    assert case.certify(bias_structure=None)[1] == []


def test_amplifiers_slopes_and_glow_are_no_structure():
    """They come off with the bias as any level does."""
    step, glow = 100.0 * (X > 0), 80 * np.exp(-((X - 1) ** 2 + (X.T - 1) ** 2) / 0.1)
    for pattern in (step, 60 * X, glow):
        case = Case("bias", large(1), 5, 1).change(lambda _, image, pattern=pattern: image + pattern)
        figures, failures = case.certify()
        assert failures == []
        assert figures["structure"] < 4  # the camera's own columns vary by 2


def test_noise_and_single_bad_columns_are_no_structure():
    plain = Camera(shape=LARGE, bias_structure=0.0)
    case = Case("bias", plain, 3, 1).change(lambda _, image: image + 5000 * (np.arange(256) == 77))
    assert case.certify()[0]["structure"] < 0.15


@pytest.mark.parametrize("number", NUMBERS)
def test_a_level_that_drifts_by_more_than_the_noise(number):
    case = Case("bias", large(number), number, 1).change(lambda index, image: image + 16 * index / (number - 1))
    _, failures = case.certify()
    assert len(failures) == 1
    assert "times its noise from the master of the others (certification.residual: 1)" in failures[0]


def test_one_frame_off_that_was_not_left_out():
    for off, expected in ((12, ["bias_4 lies 2."]), (3, [])):
        case = Case("bias", large(1), 12, 1).change(lambda index, image, off=off: image + off * (index == 3))
        assert [line[:14] for line in case.certify()[1]] == expected


@pytest.mark.parametrize("number", NUMBERS)
def test_a_dark_with_a_frame_at_another_temperature(number):
    warm = Camera(shape=LARGE, dark_current=0.4, seed=1)  # 16 ADU in 60 s
    case = Case("dark", warm, number, 1, signal=lambda index, _: EXPOSURE * warm.dark_rate() * (index == 1))
    assert any("times its noise from the master" in line for line in case.certify()[1])
    case.stack.frames[1]["temperature"] = -4.0
    figures, failures = case.certify()
    mean = -10 + 6 / number
    assert figures["temperature"] == pytest.approx(mean, abs=1e-3)
    assert figures["temperature_departure"] == pytest.approx(-4 - mean, abs=1e-3)
    assert any(
        line.startswith("dark_") and line.endswith(" deg C (dark.temperature_tolerance: 1.0)") for line in failures
    )
    assert not any("deg C" in line for line in case.certify(dark_temperature=None)[1])


@pytest.mark.parametrize("number", NUMBERS)
def test_a_dark_with_light_that_fades(number):
    leak = 60 * np.exp(-((X - 0.5) ** 2 + (Y - 0.5) ** 2) / 0.05)
    case = Case("dark", large(number), number, 1, signal=lambda index, _: leak * (index == 0))
    _, failures = case.certify()
    assert any(line.startswith("dark_") and "around x = " in line for line in failures)
    x, y = (int(word.strip(",")) for word in failures[0].replace("=", " ").split() if word.strip(",").isdigit())
    assert abs(x - 192) <= 32
    assert abs(y - 192) <= 32


def test_figures_of_a_dark():
    case = Case("dark", large(1), 5, 1, SIGMA)
    assert case.certify()[0]["rate"] == pytest.approx(0.1 / 1.5, rel=0.05)
    del case.stack.frames[0]["temperature"]
    master = case.make()
    master.mask[:16] = Bit.HOT
    figures, _ = certify_stack(case.stack, case.recipe, master, None, LIMITS)
    assert figures["hot_fraction"] == pytest.approx(16 / 256)
    assert figures["temperature"] == -10
    case.recipe["holds_bias"] = True
    assert case.certify()[0]["rate"] is None
    for frame in case.stack.frames:
        frame["temperature"] = None
    figures, failures = case.certify()
    assert failures == []
    assert figures["temperature"] is figures["temperature_departure"] is None


@pytest.mark.parametrize("number", NUMBERS)
def test_a_dust_ring_that_moved_in_half_of_the_flats(number):
    def shade(index, image):
        at = -0.3 if index < number / 2 else 0.2
        ring = (np.hypot(Y - 0.3, X - at) - 0.1) / 0.03
        return image * (1 - 0.06 * np.exp(-(ring**2)))

    _, failures = Case("flat", large(number), number, 1).change(shade).certify()
    assert len(failures) == 1
    assert "differs from the others by" in failures[0]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_gradient_that_changed_in_half_of_the_flats(number):
    case = Case("flat", large(number), number, 1)
    case.change(lambda index, image: image * (1 + (0.15 if index < number / 2 else -0.15) * X))
    _, failures = case.certify()
    assert any(
        line.startswith("the illumination of flat_") and line.endswith(" rms (certification.flat_change: 0.05)")
        for line in failures
    )


@pytest.mark.parametrize("number", NUMBERS)
def test_a_gain_that_is_wrong_by_30_per_cent(number):
    figures, failures = Case("flat", large(number), number, 1, gain=1.3).certify()
    assert [line.split()[1] for line in failures] == ["noise"]
    assert figures["noise_excess"] == pytest.approx(1.3**0.5 - 1, abs=0.02)
    figures, failures = Case("flat", large(number), number, 1, gain=1 / 1.3).certify()  # more noise expected: no harm
    assert failures == []
    assert figures["noise_excess"] == pytest.approx(1.3**-0.5 - 1, abs=0.02)


@pytest.mark.parametrize("number", [2, 5])
def test_a_true_excess_of_15_per_cent_never_passes(number):
    camera = Camera(shape=(512, 512), bias_structure=0.0)
    for seed in range(1):
        figures, failures = Case("bias", camera, number, seed, read_noise=1 / 1.15).certify()
        assert figures["noise_excess"] == pytest.approx(0.15, abs=0.01)
        assert [line.split()[1] for line in failures] == ["noise"]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_quiet_camera_whose_frames_agree_to_the_digit(number):
    for read_noise in (0.3, 0.9):  # e-: 0.2 and 0.6 ADU
        camera = Camera(shape=LARGE, read_noise=read_noise, seed=2)
        assert Case("bias", camera, number, 1).certify()[1] == []


def test_a_gradient_of_a_flat():
    even = large(1).flat("V")
    case = Case("flat", large(1), 5, 1).change(lambda _, image: image / even * (1 + 0.3 * X - 0.1 * Y))
    figures, failures = case.certify()
    assert figures["gradient"] == pytest.approx(0.8, rel=0.03)
    assert failures == ["a gradient of 80 % from end to end of the field (certification.flat_gradient: 0.5)"]
    assert case.certify(flat_gradient=None)[1] == []


def test_the_level_of_a_flat_is_that_of_the_whole_frame_though_the_sample_is_darker():
    camera = Camera(shape=(2048, 300), seed=1)
    y = np.linspace(-1, 1, 2048)[:, None]
    case = Case("flat", camera, 3, 1).change(lambda _, image: image * np.float32(1.5 - y**2))
    levels = [np.median(image) / scale for image, scale in zip(case.stack.images, case.stack.scales, strict=True)]
    here = np.median(case.stack.images[0][lay_grid(camera.shape).rows]) / np.median(case.stack.images[0])
    assert abs(here - 1) > 0.01
    assert case.certify(flat_gradient=None)[0]["level"] == pytest.approx(np.median(levels), rel=1e-3)


def test_a_flat_that_changed_since_the_night_before():
    new, rng = Case("flat", large(1), 9, 1), np.random.default_rng(3)
    old = Case("flat", large(1), 9, 2).make()
    figures, failures = new.certify(old)
    assert failures == []
    assert figures["change"] < 1e-3
    assert figures["pixel_change"] < 5e-4
    old.image[:] *= np.float32(rng.normal(1, 0.01, LARGE))
    assert new.certify(old)[0]["pixel_change"] == pytest.approx(0.01, rel=0.05)
    old.image[:] *= np.float32(1 + 0.15 * X)
    figures, failures = new.certify(old)
    assert figures["change"] == pytest.approx((1 / (1 - 0.15 * 7 / 8) - 1) / 1.645, rel=0.02)  # of eight blocks across
    assert [line.split()[0] for line in failures] == ["changed"]
    assert new.certify(None)[0]["change"] is None


def test_one_frame_proves_nothing():
    for kind in ("bias", "dark", "flat"):
        figures, failures = Case(kind, small(1), 1, 1).certify()
        assert failures == []
        assert figures["proven"] is False
        assert figures["residual"] is figures["noise_excess"] is None


@pytest.mark.parametrize("kind", ["bias", "dark", "flat"])
def test_noise_that_is_not_known_is_not_judged(kind):
    case = Case(kind, large(1), 5, 1)
    case.stack.noises = None
    figures, failures = case.certify()
    assert failures == []
    assert figures["noise_excess"] is None
    assert figures["residual"] < 0.25
    if kind == "bias":
        assert figures["structure_read_noises"] == pytest.approx(figures["structure"] / (8 / 1.5), rel=0.05)
        case.change(lambda index, image: image + 10 * (index == 4))
        assert [line.split()[0] for line in case.certify()[1]] == ["bias_5"]


@pytest.mark.parametrize("kind", ["bias", "dark", "flat"])
def test_masked_and_missing_pixels_take_no_part(kind):
    case = Case(kind, small(1), 5, 1)
    for image in case.stack.images:
        image[:, 3] = np.nan
        image[20:40, 20:50] *= np.random.default_rng(1).uniform(0, 9)
    master = case.make()
    master.mask[:, 3] = Bit.NO_DATA
    master.mask[20:40, 20:50] = Bit.BAD
    figures, failures = certify_stack(case.stack, case.recipe, master, None, LIMITS)
    assert failures == []
    master.mask[:] = Bit.BAD
    figures, failures = certify_stack(case.stack, case.recipe, master, master, LIMITS)
    assert failures == []
    assert figures["proven"] is False
    json.dumps(figures, allow_nan=False)


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (7, 9), (13, 500), (700, 11)])
def test_frames_of_odd_shapes(shape):
    for kind in ("bias", "flat"):
        camera = Camera(shape=shape, hot_fraction=0.0)
        figures, failures = Case(kind, camera, 4, 1, PLAIN).certify(flat_gradient=None)
        assert failures == []
        assert all(value is None or math.isfinite(value) for value in figures.values())


def test_blocks_measure_noise_about_gradients_and_among_outliers():
    rng = np.random.default_rng(1)
    grid = lay_grid((256, 256))
    image = rng.normal(7, 2, (256, 256)) + 30 * X - 20 * Y
    image[rng.uniform(size=image.shape) < 0.02] += 5000
    image[rng.uniform(size=image.shape) < 0.02] = np.nan
    noise, error = measure_blocks(grid, image[grid.rows], np.ones((256, 256), bool), 1.0).find_noise()
    assert noise == pytest.approx(2, abs=4 * error)
    assert error < 0.01


def test_the_sample_of_a_large_frame_is_whole_bands_spread_over_it():
    grid = lay_grid((4096, 2048))
    assert 2**17 <= grid.rows.size * 2048 <= 2**20
    assert grid.rows.min() == 0
    assert grid.rows.max() == 4095
    values = np.arange(grid.rows.size * 2048).reshape(-1, 2048)
    assert sorted(grid.cut(values).ravel().tolist()) == values.ravel().tolist()


class RowsAlone:
    """An image of which whole rows of a sample can be read, and nothing else."""

    def __init__(self, image, times):
        self.image, self.shape, self.times = image, image.shape, times

    def __getitem__(self, rows):
        assert isinstance(rows, np.ndarray)
        assert rows.ndim == 1
        assert rows.size <= self.shape[0] / 2
        self.times.append(rows.size)
        return self.image[rows]


@pytest.mark.parametrize("kind", ["bias", "dark", "flat"])
def test_only_a_sample_of_rows_is_read_of_each_frame_and_once(kind):
    case = Case(kind, Camera(shape=(1024, 512), seed=1), 5, 1)
    master, times = case.make(), []
    expected = certify_stack(case.stack, case.recipe, master, master, LIMITS)
    case.stack.images = [RowsAlone(image, times) for image in case.stack.images]
    assert certify_stack(case.stack, case.recipe, master, master, LIMITS) == expected
    assert len(times) == 5


@pytest.mark.parametrize("shape", [(130, 70), (64, 200), (200, 1), (7, 9)])
def test_the_structure_of_lines_is_that_of_a_whole_image_at_once(shape):
    image = np.random.default_rng(1).normal(1000, 3, shape)
    image[np.random.default_rng(2).random(shape) < 0.1] = np.nan
    image[:, 0] = image[3] = np.nan
    level = float(np.nanmedian(image)) if np.isfinite(image).any() else 0.0
    columns, rows = _average_lines(image.astype(np.float32), np.float32(level))
    for axis, found in ((0, columns), (1, rows)):
        kept = np.isfinite(image)
        total = np.where(kept, image - level, 0).sum(axis=axis)
        np.testing.assert_allclose(found, total / np.maximum(kept.sum(axis=axis), 1), atol=1e-4)
        smooth = median_filter(found, min(33, found.size), mode="nearest")
        np.testing.assert_array_equal(_smooth_profile(found), smooth)


SCRIPT = Path(__file__).parents[2] / "scripts" / "certify_master.py"


@pytest.mark.parametrize(
    ("offset", "warn_only", "verdict", "written"),
    [
        (0, False, "passed", "master_bias.certificate.json"),
        (30, False, "failed", "master_bias.certificate.failed.json"),
        (30, True, "failed", "master_bias.certificate.json"),
    ],
)
def test_the_script_gives_a_certificate_to_good_masters_alone_unless_told_to_warn(
    tmp_path, offset, warn_only, verdict, written
):
    camera, rng = small(1), np.random.default_rng(1)
    raw, results = tmp_path / "raw", tmp_path / "results"
    raw.mkdir()
    results.mkdir()
    images, frames, paths = [], [], []
    for number in range(4):
        path = raw / f"bias_{number}.fits"
        images.append(expose(camera, rng, bias_offset=offset * (number == 3)))
        write_frame(path, images[-1], kind="bias", exposure=0, time=datetime(2024, 3, 10), camera=camera)
        digest = digest_source(MemorySource(path.read_bytes()))
        frames.append({"name": path.name, "digest": digest, "start": None, "exposure": 0.0})
        paths.append(str(path))
    values = {"gain": 1.5, "read_noise": 8.0}
    detector = {name: {"value": value, "from": "header", "measured": None} for name, value in values.items()}
    made_by = make_recipe("bias", PLAIN, product="n/s/master_bias.fits", night="n", setup="s", frames=frames)
    made_by["detector"] = detector
    noises = [FrameNoise((8 / 1.5) ** 2 + 1 / 12, np.inf)] * 4
    combined = combine_images([image.astype(np.float32) for image in images], PLAIN, noises)
    mask = np.zeros(camera.shape, np.uint8)
    write_product(str(results / made_by["product"]), combined.data, fits.Header(), made_by, combined.variance, mask)
    recipe = {
        "product": "n/s/master_bias.certificate.json",
        "kind": "certificate",
        "night": "n",
        "setup": "s",
        "master": {"path": made_by["product"], "digest": digest_recipe(made_by)},
        "made_by": made_by,
        "detector": made_by["detector"],
        "previous": None,
        "frames": frames,
        "settings": LIMITS,
    }
    (tmp_path / "recipe.json").write_text(json.dumps({"recipe": recipe}))
    product = results / recipe["product"]
    job = SimpleNamespace(recipe=str(tmp_path / "recipe.json"), frames=paths, masters=[])
    params, log = SimpleNamespace(warn_only=warn_only), tmp_path / "log.txt"
    snakemake = SimpleNamespace(input=job, output=[str(product)], params=params, threads=1, log=[str(log)])
    if product.name == written:
        runpy.run_path(str(SCRIPT), init_globals={"snakemake": snakemake})
    else:
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(SCRIPT), init_globals={"snakemake": snakemake})
        assert end.value.code == 1
        assert "master_bias.fits failed its certification: " in log.read_text()
    assert sorted(path.name for path in product.parent.iterdir()) == sorted(["master_bias.fits", written])
    certificate = json.loads(product.with_name(written).read_text())
    assert certificate["master"] == "n/s/master_bias.fits"
    assert certificate["verdict"] == verdict
    assert bool(certificate["failures"]) == (verdict == "failed")
    assert certificate["figures"]["frames"] == 4
    assert certificate["recipe"] == recipe
    assert f"master_bias.fits: {verdict}" in log.read_text()


def test_an_even_frame_of_few_rows_has_no_gradient():
    grid = lay_grid((12, 300))
    (middle, along, up), _ = fit_surface(grid, np.ones(grid.x.size), 1)
    assert (middle, along, up) == pytest.approx((1, 0, 0))
