"""The health of simulated frames whose ailments are known: each is found, and sound frames are not named."""

from collections import Counter

import numpy as np
import pytest

from darkroom.health import find_ailments
from darkroom.pixels import measure_pixels
from tests.camera import Camera, expose
from tests.simulator import render_stars
from tests.unit.builders import make_frame, overlay

SETTINGS = overlay()
SHAPE = (256, 256)


def make(kind, name, data, **fields):
    pixels = measure_pixels(np.asarray(data, np.float32))
    rows, columns = np.shape(data)
    return make_frame(kind, name, pixels=pixels, rows=rows, columns=columns, **fields)


def find(frames):
    return {name: [one.name for one in found] for name, found in find_ailments(frames, SETTINGS).items()}


def field(rng, number=40, flux=20000.0):
    return render_stars(
        SHAPE, [{"x": x, "y": y, "fwhm": 3.0, "flux": flux} for x, y in rng.uniform(10, 246, (number, 2))]
    )


def simulate(seed, **kept):
    """A night whose bias level and temperature drift; darks, flats, lights and a few stars in dusk flats."""
    rng = np.random.default_rng(seed)
    camera = Camera(SHAPE, gain=float(rng.choice([0.5, 1.5, 5.0])), seed=seed, hot_fraction=0.005)
    shots = {}

    def shoot(kind, name, signal=0.0, exposure=0.0, warmth=0.0, **fields):
        warm = 2 ** (warmth / 6)  # of the dark current
        data = expose(camera, rng, signal=signal, exposure=exposure * warm, bias_offset=rng.normal(0, 7), **fields)
        shots[name] = make(kind, name, data, exposure=exposure, temperature=-10.0 + warmth, gain=camera.gain)
        return data

    for n in range(4):
        shoot("bias", f"bias{n}")
        shoot("dark", f"dark{n}", exposure=300.0, warmth=rng.normal(0, 3))
        shoot("flat", f"flat{n}", rng.uniform(5000, 40000) + field(rng, 2, 1e5), 4.0, filter="V")
        shoot("light", f"light{n}", rng.uniform(50, 2000) + field(rng), 60.0, filter="V")
    return camera, rng, shots, shoot


def test_sound_frames_are_not_named():
    named = [(seed, find(list(simulate(seed)[2].values()))) for seed in range(15)]  # 240 frames
    assert not [found for found in named if found[1]]


def test_ailments_are_found_and_no_others():
    found, wrong = Counter(), []
    for seed in range(12):
        camera, rng, shots, shoot = simulate(seed)
        shoot("dark", "sky", rng.uniform(200, 3000), 300.0)
        shoot("dark", "trap", 30 + field(rng), 300.0)
        shoot("bias", "leak", rng.uniform(100, 3000))
        shoot("flat", "field", 15000 + field(rng, 40, 1e5), 4.0, filter="V")
        broken = expose(camera, rng, signal=500)
        broken[-20:] = 0
        shots["broken"] = make("light", "broken", broken)
        shots["full"] = make("flat", "full", np.minimum(expose(camera, rng, signal=70000.0, filter="V"), 65535))
        shots["zero"] = make("light", "zero", np.zeros(SHAPE))
        shots["exposed"] = make("bias", "exposed", expose(camera, rng), told_exposure=30.0)
        expected = {
            "sky": "lit",
            "trap": "lit",
            "leak": "lit",
            "field": "stars",
            "broken": "damaged",
            "full": "saturated",
            "zero": "empty",
            "exposed": "exposure",
        }
        named = find(list(shots.values()))
        found.update(name for name in expected if named.pop(name, None) == [expected[name]])
        wrong += [(seed, named)] if named else []
    assert not wrong
    assert found == dict.fromkeys(expected, 12)


def test_a_drift_and_a_warm_sensor_are_no_light():
    camera, rng = Camera(SHAPE, dark_current=5.0), np.random.default_rng(1)
    frames = [make("bias", f"b{n}", expose(camera, rng, bias_offset=120.0 * (n == 3)), gain=1.5) for n in range(4)]
    frames += [
        make("dark", f"d{n}", expose(camera, rng, exposure=60 * 2 ** (warmth / 6)), temperature=-10.0 + warmth)
        for n, warmth in enumerate([0, 0, 0, 12])
    ]
    assert find(frames) == {}
    frames[-1].temperature = -10.0
    assert find(frames) == {"d3": ["lit"]}
    frames[-1].temperature = None
    assert find(frames) == {}


def test_a_line_says_what_and_what_to_do():
    camera, rng = Camera(SHAPE), np.random.default_rng(1)
    frames = [make("dark", f"d{n}", expose(camera, rng, exposure=60, signal=300.0 * (n == 2))) for n in range(4)]
    for frame in frames:
        frame.temperature = -10.0
    (found,) = find_ailments(frames, SETTINGS)["d2"]
    level, usual = frames[2].pixels["level"], np.median([frames[n].pixels["level"] for n in (0, 1, 3)])
    assert found.text == (
        f"saw light: a median of {level:g} ADU where the other darks of 60 s have {usual:g}; health.lit: warn uses it"
    )


@pytest.mark.parametrize("told", [0.0, 0.001, 0.06, 0.12, 0.5])
def test_the_shortest_exposure_of_a_shutter_is_none(told):
    frames = [make_frame("bias", f"b{n}", told_exposure=told) for n in range(3)]
    assert find(frames) == {}


def test_a_bias_exposed_for_longer_than_others():
    frames = [make_frame("bias", f"b{n}", told_exposure=0.5 * (n == 1)) for n in range(4)]
    for frame in frames:
        frame.pixels = measure_pixels(np.random.default_rng(1).normal(1000, 5, (64, 64)).astype(np.float32))
    assert find(frames) == {"b1": ["exposure"]}


def test_rows_that_the_camera_leaves_unwritten():
    camera, rng, frames = Camera(SHAPE), np.random.default_rng(1), []
    for n in range(4):
        data = expose(camera, rng)
        data[-8 - 40 * (n == 3) :] = 0
        frames.append(make("bias", f"b{n}", data))
    assert find(frames) == {"b3": ["damaged"]}


def test_a_pattern_of_the_camera_is_no_stars():
    rng = np.random.default_rng(1)
    pattern = field(rng, 12, 3e5)  # such as the ends of fibres
    flats = [make("flat", f"f{n}", rng.poisson(20000 + pattern)) for n in range(5)]
    assert find(flats) == {}
    flats.append(make("flat", "g", rng.poisson(20000 + pattern + field(rng, 40, 1e6))))
    assert find(flats) == {"g": ["stars"]}


@pytest.mark.parametrize(
    ("start", "more"),
    [
        ("1970-01-01T00:00:12.000", {}),
        ("1980-01-06T01:00:00.000", {}),
        ("2000-01-01T00:10:00.000", {}),
        ("2030-01-01T00:00:00.000", {"mtime_ns": 1_710_000_000 * 10**9}),
    ],
)
def test_clocks_that_are_wrong(start, more):
    assert find([make_frame("light", "a", start=start, **more)]) == {"a": ["clock"]}


@pytest.mark.parametrize(("mjd", "wrong"), [(60380.0833, False), (60380.0840, False), (60380.33, True), (60380, False)])
def test_cards_that_contradict_each_other(mjd, wrong):
    frame = make_frame("light", "a", start="2024-03-11T02:00:00.000")  # MJD 60380.08333
    frame.mjd = mjd
    assert find([frame]) == ({"a": ["clock"]} if wrong else {})


def test_frames_that_overlap():
    times = [f"2024-03-11T02:{minute:02d}:00.000" for minute in range(0, 60, 6)]
    frames = [make_frame("light", f"l{n}", start=time, exposure=300.0) for n, time in enumerate(times)]
    assert find(frames) == {}
    frames[4].exposure = 3000.0
    assert find(frames) == {"l4": ["clock"]}
    for frame in frames:  # two cameras of one name
        frame.exposure = 3000.0
    assert find(frames) == {}


def test_a_checksum_that_is_wrong():
    frame = make_frame("light", "a")
    frame.checksum = "DATASUM"
    assert find([frame]) == {"a": ["checksum"]}
    frame.checksum = "CHECKSUM"  # of a header that was changed
    assert find([frame]) == {}
    frame.checksum, frame.problem = "DATASUM", "excluded"
    assert find([frame]) == {}
