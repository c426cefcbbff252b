"""Photon transfer against cameras whose gain and read noise are known."""

import json
import runpy
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from darkroom.pairs import Measured, choose_pairs, choose_rows, combine_measured, cut_into_blocks, measure_variance
from darkroom.photon_transfer import measure_gain
from darkroom.read_out import measure_read_out
from darkroom.sources import MemorySource, digest_source
from tests.camera import Camera, expose, write_frame

SCRIPT = Path(__file__).parents[2] / "scripts" / "measure_detector.py"


def take_biases(camera, rng, number, drift=3.0):
    return [expose(camera, rng, bias_offset=rng.normal(0, drift)).astype(np.float32) for _ in range(number)]


def take_flats(camera, rng, number, level=30000.0, light=1.0):
    # the flat is multiplied in here, since the camera would work it out again for each frame
    signal = camera.flat("V") * light
    levels = np.linspace(1.1, 0.9, number) * level
    return [expose(camera, rng, signal=each * signal, exposure=4.0).astype(np.float32) for each in levels]


def vignette(shape, depth=0.4):
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return 1 - depth * (x**2 + y**2) / 2


def hit(frames, rng, number, brightness=5000.0):
    """Cosmic rays: tracks of a few pixels."""
    for frame in frames:
        for y, x in rng.integers(0, np.array(frame.shape) - 8, (number, 2)):
            for step in range(rng.integers(1, 8)):
                frame[y + rng.integers(2) * step, x + step] += rng.exponential(brightness)


def measure_both(camera, rng, biases, flats, **changes):
    noise = measure_read_out(take_biases(camera, rng, biases)).pixel
    flats = take_flats(camera, rng, flats, **changes)
    return noise, measure_gain(flats, noise.value, camera.bias_pattern(), camera.saturation)


def test_sixteen_biases_and_sixteen_flats_give_the_gain_to_a_per_cent_and_the_read_noise_to_two():
    camera, rng = Camera(shape=(1024, 1024)), np.random.default_rng(16)
    biases = take_biases(camera, rng, 16)
    noise = measure_read_out(biases).pixel
    gain = measure_gain(take_flats(camera, rng, 16), noise.value, np.mean(biases[:3], axis=0), camera.saturation)
    print(
        f"gain {gain.value / camera.gain - 1:+.3%}, read noise {noise.value * camera.gain / camera.read_noise - 1:+.3%}"
    )
    assert gain.value == pytest.approx(camera.gain, rel=0.01)
    assert noise.value == pytest.approx(camera.read_noise / camera.gain, rel=0.02)
    assert gain.pairs == noise.pairs == 8
    assert gain.error < 0.002 * gain.value
    assert noise.error < 0.001 * noise.value


@pytest.mark.parametrize("read_noise", [2.0, 8.0, 20.0])
@pytest.mark.parametrize("gain", [0.3, 1.5, 5.0])
def test_any_gain_and_read_noise(gain, read_noise):
    camera = Camera(shape=(256, 256), gain=gain, read_noise=read_noise, seed=2)
    noise, found = measure_both(camera, np.random.default_rng(1), 8, 12)
    assert found.value == pytest.approx(gain, rel=0.01)
    assert noise.value == pytest.approx(read_noise / gain, rel=0.02)


def test_errors_are_what_the_results_scatter_by():
    pulls = []
    for seed in range(60):
        camera, rng = Camera(shape=(96, 96), seed=seed), np.random.default_rng(seed)
        noise, gain = measure_both(camera, rng, 6, 6)
        truth = camera.read_noise / camera.gain
        pulls.append([(noise.value - truth) / noise.error, (gain.value - camera.gain) / gain.error])
    spread, mean = np.std(pulls, axis=0), np.mean(pulls, axis=0)
    print(f"pulls of read noise and gain: sd {spread}, mean {mean}")
    assert ((spread > 0.7) & (spread < 1.4)).all()
    assert (np.abs(mean) < 0.5).all()


def test_errors_hold_with_two_frames_and_with_hits_and_vignetting():
    pulls = []
    for seed in range(60):
        camera, rng = Camera(shape=(96, 96), seed=seed), np.random.default_rng(seed)
        biases, flats = take_biases(camera, rng, 2), take_flats(camera, rng, 2, light=vignette((96, 96)))
        hit(biases, rng, 2)
        hit(flats, rng, 2)
        noise = measure_read_out(biases).pixel
        gain = measure_gain(flats, noise.value, camera.bias_pattern(), camera.saturation)
        truth = camera.read_noise / camera.gain
        pulls.append([(noise.value - truth) / noise.error, (gain.value - camera.gain) / gain.error])
    spread, mean = np.std(pulls, axis=0), np.mean(pulls, axis=0)
    print(f"pulls of read noise and gain: sd {spread}, mean {mean}")
    assert ((spread > 0.7) & (spread < 1.4)).all()
    assert (np.abs(mean) < 0.6).all()


def test_rounding_is_taken_out():
    # frames in double precision and the same ones in whole ADU; without the 1/12 they would be 4 % apart
    rng = np.random.default_rng(3)
    fine = [1000 + np.linspace(0, 30, 256) + rng.normal(0, 1.0, (256, 256)) for _ in range(8)]
    noise = measure_read_out([np.rint(frame) for frame in fine]).pixel
    assert noise.value == pytest.approx(np.std(fine[0] - fine[1]) / 2**0.5, rel=0.01)
    assert noise.value == pytest.approx(1.0, abs=4 * noise.error)


def test_read_noise_below_half_an_adu_has_a_larger_error():
    # all pixels at one level: what the rounding adds depends on its fraction, which nobody can know
    rng = np.random.default_rng(4)
    for level in (1000.0, 1000.25, 1000.5):
        noise = measure_read_out([np.rint(level + rng.normal(0, 0.4, (256, 256))) for _ in range(8)]).pixel
        assert abs(noise.value - 0.4) < 2 * noise.error
        assert noise.error > 0.01


def test_drift_structure_overscan_noise_hits_and_hot_pixels_leave_the_noise_of_pixels_alone():
    camera, rng = Camera(shape=(256, 256)), np.random.default_rng(5)
    frames = take_biases(camera, rng, 12, drift=20.0)
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    hot = rng.choice(256**2, 300)
    for number, frame in enumerate(frames):
        frame += 3 * number * x * y + rng.normal(0, 5, (256, 1)) + rng.normal(0, 2) * np.sin(4 * x)
        frame.flat[hot] += rng.poisson(500, 300)  # as noisy as no clip can tell: four times the rest
    hit(frames, rng, 15)
    found = measure_read_out(frames)
    assert found.pixel.value == pytest.approx(camera.read_noise / camera.gain, rel=0.02)
    assert found.lines.value == pytest.approx(25, rel=0.15)  # 1500 rows: 4 %, and the clip of chi squared


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("jump", [0.0, 1.0, 4.0])
def test_rows_or_columns_that_jump_from_frame_to_frame_are_part_of_the_noise(jump, axis):
    rng, shape, lines = np.random.default_rng(13), (512, 640), [1, 1]
    lines[axis] = shape[axis]
    frames = [np.rint(1000 + rng.normal(0, 5, shape) + rng.normal(0, jump, lines)) for _ in range(8)]
    found = measure_read_out(frames)
    assert found.find_noise().value == pytest.approx(np.hypot(5, jump), rel=0.01)
    assert found.find_noise().value == pytest.approx(np.hypot(5, jump), abs=5 * found.find_noise().error)
    of_overscan = found.find_noise(jump**2)  # all of it
    assert of_overscan.value == pytest.approx(5, rel=0.02)
    assert found.find_noise(1e6).value == found.pixel.value


def test_one_disturbed_pair_is_outvoted():
    camera, rng = Camera(shape=(128, 128)), np.random.default_rng(6)
    frames = take_biases(camera, rng, 10)
    frames[4] = frames[4] + rng.normal(0, 5, frames[4].shape).astype(np.float32)
    noise = measure_read_out(frames).pixel
    assert noise.value == pytest.approx(camera.read_noise / camera.gain, rel=0.01)
    assert noise.pairs == 4


def test_stars_that_moved_hits_and_dead_pixels_leave_the_gain_alone():
    camera, rng = Camera(shape=(256, 256)), np.random.default_rng(7)
    y, x = np.mgrid[:256, :256]
    flats, level = [], 20000.0
    for number in range(8):
        light = vignette((256, 256)) * (1 + 0.01 * number * (x / 128 - 1))  # the sky's gradient changes too
        for row, column, peak in ((60, 50, 2.0), (200, 120, 0.5), (100, 200, 0.1)):
            distance = (y - row - 9 * number) ** 2 + (x - column - 4 * number) ** 2
            light = light + peak * np.exp(-distance / (2 * 1.5**2))
        light[::40, ::40] = 0  # dead pixels
        signal = level * (1.1 - 0.03 * number) * camera.flat("V") * light
        flats.append(expose(camera, rng, signal=signal, exposure=4.0).astype(np.float32))
    hit(flats, rng, 8)
    gain = measure_gain(flats, camera.read_noise / camera.gain, camera.bias_pattern(), camera.saturation)
    assert gain.value == pytest.approx(camera.gain, rel=0.015)
    assert gain.value == pytest.approx(camera.gain, abs=4 * gain.error)


def test_saturated_regions_take_no_part():
    camera, rng = replace(Camera(shape=(128, 128)), saturation=40000), np.random.default_rng(8)
    light = np.linspace(0.5, 1.5, 128)  # the right third is full, where the noise is none
    flats = take_flats(camera, rng, 8, level=33000.0, light=light)
    found = [measure_gain(flats, 8 / 1.5, camera.bias_pattern(), limit) for limit in (40000.0, None)]
    assert found[0].value == pytest.approx(camera.gain, abs=4 * found[0].error)
    assert measure_gain(flats, 8 / 1.5, camera.bias_pattern(), 10000.0) is None


def test_a_wrong_bias_makes_a_wrong_gain():
    camera, rng = Camera(shape=(128, 128)), np.random.default_rng(9)
    flats = take_flats(camera, rng, 8, level=4000.0)
    right, wrong = (measure_gain(flats, 8 / 1.5, bias) for bias in (1000.0, 0.0))
    assert right.value == pytest.approx(camera.gain, rel=0.03)
    assert wrong.value == pytest.approx(camera.gain * 5 / 4, rel=0.03)


def test_only_pairs_that_can_serve_are_used():
    camera, rng = Camera(shape=(64, 64)), np.random.default_rng(10)
    flat = camera.flat("V")
    one, two, faint, other = (expose(camera, rng, signal=level * flat) for level in (9e3, 8e3, 3e3, 7e3))
    assert measure_gain([one, two, faint, other], 5.3, 1000.0).pairs == 1
    assert measure_gain([one, faint], 5.3, 1000.0) is None
    assert measure_gain([one], 5.3, 1000.0) is None
    assert measure_gain([], 5.3, 1000.0) is None
    assert measure_gain([one, two], 5.3, 20000.0) is None  # nothing is left
    assert measure_gain(iter([one, two]), 5.3, 1000.0).pairs == 1
    assert measure_read_out([one]) is None
    assert measure_read_out([]) is None
    assert measure_read_out([one, one]) is None  # no noise at all
    assert measure_read_out([np.full((64, 64), np.nan)] * 2) is None


def test_values_that_are_not_finite_take_no_part():
    camera, rng = Camera(shape=(128, 128)), np.random.default_rng(11)
    biases, flats = take_biases(camera, rng, 4), take_flats(camera, rng, 4)
    for frame in biases + flats:
        for value in (np.nan, np.inf, -np.inf):
            frame[rng.integers(128, size=20), rng.integers(128, size=20)] = value
        frame[:20, :20] = np.nan
    with np.errstate(all="raise", under="ignore"):
        noise = measure_read_out(biases).pixel
        gain = measure_gain(flats, noise.value, camera.bias_pattern(), camera.saturation)
    assert noise.value == pytest.approx(camera.read_noise / camera.gain, rel=0.03)
    assert gain.value == pytest.approx(camera.gain, rel=0.05)


@pytest.mark.parametrize("shape", [(8, 8), (5, 300), (300, 5), (100, 37), (65, 129), (1, 64)])
def test_odd_shapes(shape):
    rng = np.random.default_rng(12)
    biases = [np.rint(1000 + rng.normal(0, 6, shape)) for _ in range(40)]
    flats = [np.rint(1000 + rng.poisson(30000, shape) / 1.5 + rng.normal(0, 6, shape)) for _ in range(40)]
    read_out, gain = measure_read_out(biases), measure_gain(flats, 6.0, 1000.0)
    if min(shape) > 1:  # levelled row by row and column by column, a single row holds nothing
        noise = read_out.pixel
        assert noise.value == pytest.approx(6, abs=5 * noise.error)
        assert gain.value == pytest.approx(1.5, abs=5 * gain.error)
    else:
        assert read_out is None
        assert gain is None


def test_measurements_combine_by_their_errors():
    assert combine_measured([]) is None
    assert combine_measured([Measured(2.0, 0.1, 3)]) == Measured(2.0, pytest.approx(0.1), 3)
    # weights 1 and 1/4: (1 + 2/4) / (5/4), error sqrt(4/5)
    assert combine_measured([Measured(1.0, 1.0, 3), Measured(2.0, 2.0, 4)]) == Measured(
        pytest.approx(1.2), pytest.approx(0.8**0.5), 7
    )
    # 1 and 3 with errors of 0.1: the scatter, not the errors, is what the mean is good for
    assert combine_measured([Measured(1.0, 0.1, 1), Measured(3.0, 0.1, 1)]) == Measured(
        pytest.approx(2.0), pytest.approx(1.0), 2
    )


def test_pairs_are_spread_over_the_night():
    assert choose_pairs(1, 4) == []
    assert choose_pairs(5, 4) == [(0, 1), (2, 3)]
    assert choose_pairs(16, 2) == [(4, 5), (12, 13), (0, 1), (2, 3), (6, 7), (8, 9), (10, 11), (14, 15)]
    for count in range(40):
        for wanted in range(12):
            pairs = choose_pairs(count, wanted)
            assert sorted(pairs) == [(first, first + 1) for first in range(0, count - 1, 2)]


@pytest.mark.parametrize("shape", [(4096, 2048), (2048, 4096), (5000, 300), (700, 1111), (300, 5000), (40, 9), (1, 1)])
@pytest.mark.parametrize("pixels", [1, 2**18, 2**20])
def test_rows_of_a_sample_are_spread_over_the_frame_and_cut_into_blocks_where_they_lie(shape, pixels):
    rows = choose_rows(shape, pixels)
    assert rows[0] == 0
    assert rows[-1] == shape[0] - 1
    assert (np.diff(rows) > 0).all()
    assert rows.size * shape[1] >= min(pixels, shape[0] * shape[1])
    numbers = np.broadcast_to(np.arange(shape[0], dtype=np.float32)[:, None], shape)
    for (blocks,) in cut_into_blocks([numbers[rows]]):  # none of them holds rows from far apart
        assert (np.diff(blocks, axis=1) == 1).all()


def test_a_sample_of_rows_tells_as_much_as_fewer_whole_frames():
    camera, rng = Camera(shape=(1536, 600)), np.random.default_rng(17)
    rows = choose_rows(camera.shape, camera.shape[0] * camera.shape[1] // 3)
    assert rows.size == 512
    biases, flats = take_biases(camera, rng, 6), take_flats(camera, rng, 6)
    noise = measure_read_out([image[rows] for image in biases]).pixel
    gain = measure_gain([image[rows] for image in flats], noise.value, camera.bias_pattern()[rows], camera.saturation)
    assert noise.value == pytest.approx(camera.read_noise / camera.gain, abs=4 * noise.error)
    assert gain.value == pytest.approx(camera.gain, abs=4 * gain.error)
    fewer = measure_read_out(biases[:2]).pixel, measure_gain(flats[:2], 8 / 1.5, camera.bias_pattern())
    assert noise.error < 1.5 * fewer[0].error
    assert gain.error < 1.5 * fewer[1].error


def test_what_is_around_an_outlier_goes_with_it():
    blocks = np.random.default_rng(18).normal(0, 1, (3, 20, 30))
    outliers = np.zeros(blocks.shape, bool)
    outliers[0, 5, 7] = outliers[0, 0, 29] = outliers[2, 19, 12] = True
    blocks[outliers] = 100
    kept = measure_variance(blocks)[2]
    np.testing.assert_array_equal(~kept, maximum_filter(outliers, size=(1, 5, 5), mode="constant"))


def run_script(folder, frames, camera):
    """Write frames of (role, data, filter) and run the script over them; return its figures."""
    listed, paths, start = [], [], datetime(2024, 3, 10, 20)
    for number, (role, data, name) in enumerate(frames):
        path, time = folder / f"{role}_{number:02d}.fits", start + timedelta(minutes=number)
        write_frame(path, data, kind=role, exposure=4.0, time=time, filter=name, camera=camera)
        digest = digest_source(MemorySource(path.read_bytes()))
        frame = {"name": path.name, "digest": digest, "start": time.isoformat(), "exposure": 4.0, "role": role}
        listed.append(frame | {"filter": name})
        paths.append(str(path))
    overscan = {"section": "[129:144,1:128]", "trim": "[1:128,1:128]", "method": "median", "order": 1, "sigma": 3.0}
    recipe = {"product": "detector.json", "kind": "detector", "night": "2024-03-10", "setup": "s", "frames": listed}
    recipe |= {
        "settings": {"overscan": overscan, "min_counts": 1000.0, "max_counts": None}
        | {"linearity": None, "saturation": 65535.0},
    }
    (folder / "recipe.json").write_text(json.dumps({"recipe": recipe}))
    job = SimpleNamespace(
        input=SimpleNamespace(recipe=str(folder / "recipe.json"), frames=paths),
        output=[str(folder / "detector.json")],
        log=[str(folder / "log")],
    )
    runpy.run_path(str(SCRIPT), {"snakemake": job})
    return json.loads((folder / "detector.json").read_text())


def test_the_script_measures_a_night_with_overscan_and_two_filters(tmp_path):
    camera, rng = Camera(shape=(128, 128), overscan=16), np.random.default_rng(13)
    frames = [("bias", expose(camera, rng, bias_offset=rng.normal(0, 3)), None) for _ in range(10)]
    for name in "BV":
        frames += [("flat", expose(camera, rng, signal=2e4 * camera.flat(name)), name) for _ in range(8)]
    frames.insert(14, ("flat", expose(camera, rng, signal=100.0), "B"))
    frames.insert(15, ("flat", expose(camera, rng, signal=64000.0), "B"))
    figures = run_script(tmp_path, frames, camera)
    assert figures["gain"]["value"] == pytest.approx(1.5, abs=4 * figures["gain"]["error"])
    assert figures["gain"]["error"] < 0.01
    assert figures["gain"]["pairs"] == 8
    assert figures["read_noise"]["value"] == pytest.approx(8 / 1.5, rel=0.02)
    assert figures["read_noise_electrons"]["value"] == pytest.approx(8, rel=0.03)
    assert [text.split(" median")[0] for text in figures["flats_left_out"]] == [
        "flat_14.fits: too faint: a",
        "flat_15.fits: saturated: a raw",
    ]


def test_the_script_says_what_it_cannot_measure(tmp_path):
    camera, rng = Camera(shape=(128, 128), overscan=16), np.random.default_rng(14)
    flats = [("flat", expose(camera, rng, signal=2e4), "V") for _ in range(4)]
    figures = run_script(tmp_path, flats, camera)  # without a bias
    assert [figures[name] for name in ("gain", "read_noise", "read_noise_electrons")] == [None] * 3
    darks = [("dark", expose(camera, rng), None) for _ in range(4)]
    figures = run_script(tmp_path, darks, camera)  # without a flat, and darks for biases
    assert figures["read_noise"]["value"] == pytest.approx(8 / 1.5, rel=0.02)
    assert figures["gain"] is None
