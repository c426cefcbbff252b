"""Measurements: which frames tell of a detector, and where a product takes its gain and read noise from."""

import pytest

from darkroom.measurements import MOST_FRAMES, Measurements
from darkroom.plan import make_plan
from tests.unit.builders import make_frame, make_night, overlay

NIGHT = "2024-03-10"


def make(kind, number, first=0, **fields):
    """Frames of a kind, a minute apart."""
    night = fields.get("night", NIGHT)
    return [
        make_frame(kind, f"{night}/{kind}_{n:03d}.fits", start=f"2024-03-11T02:{n:02d}:00.000", **fields)
        for n in range(first, first + number)
    ]


def list_frames(measurement):
    return [(role, frame.name.rpartition("/")[2].removesuffix(".fits")) for role, frame in measurement.frames]


def measure(frames):
    return {(one.night, one.setup, one.quantity): list_frames(one) for one in Measurements(frames).all}


def test_biases_and_flats_of_a_night_and_setup_are_measured():
    found = measure([*make("flat", 3), *make("bias", 2), *make("dark", 2), *make("light", 2)])
    biases = [("bias", "bias_000"), ("bias", "bias_001")]
    flats = [("flat", f"flat_00{n}") for n in range(3)]
    assert found == {(NIGHT, "ccd", "read_noise"): biases, (NIGHT, "ccd", "gain"): biases + flats}
    assert [one.path for one in Measurements([*make("bias", 2)]).all] == [f"{NIGHT}/ccd/read_noise.json"]


def test_order_of_arrival_plays_no_part():
    frames = [*make("flat", 5), *make("bias", 20)]
    assert measure(frames[::-1]) == measure(frames)


def test_nights_and_setups_are_measured_apart():
    frames = [frame for night in (NIGHT, "2024-03-11") for setup in "ab" for frame in make_night(night, setup)]
    assert set(measure(frames)) == {
        (night, setup, quantity)
        for night in (NIGHT, "2024-03-11")
        for setup in "ab"
        for quantity in ("gain", "read_noise")
    }


@pytest.mark.parametrize(("biases", "flats", "expected"), [(1, 9, []), (2, 1, ["read_noise"]), (0, 0, [])])
def test_nothing_is_measured_without_a_pair(biases, flats, expected):
    assert [quantity for *_, quantity in measure([*make("bias", biases), *make("flat", flats)])] == expected


def test_without_a_pair_of_biases_the_shortest_darks_that_are_a_pair_tell_the_read_noise_and_not_the_gain():
    darks = [*make("dark", 1, 0, exposure=1.0), *make("dark", 3, 1, exposure=300.0), *make("dark", 2, 4, exposure=60.0)]
    found = measure([*make("bias", 1), *darks, *make("flat", 4)])
    assert found == {(NIGHT, "ccd", "read_noise"): [("dark", "dark_004"), ("dark", "dark_005")]}


def test_no_more_than_sixteen_of_a_kind_or_filter_the_first_in_time():
    frames = [*make("flat", 20, filter="V"), *make("bias", 30)]
    found = measure(frames)
    assert MOST_FRAMES == 16
    first = [("bias", f"bias_{n:03d}") for n in range(16)]
    assert found[NIGHT, "ccd", "read_noise"] == first
    assert found[NIGHT, "ccd", "gain"] == first + [("flat", f"flat_{n:03d}") for n in range(16)]
    darks = make("dark", 25, exposure=5.0)
    assert len(measure(darks)[NIGHT, "ccd", "read_noise"]) == 16


def test_flats_are_of_the_two_filters_that_have_most_and_of_pairs():
    flats = [
        *make("flat", 3, 0, filter="B"),
        *make("flat", 5, 3, filter="V"),
        *make("flat", 3, 8, filter="R"),
        *make("flat", 1, 11, filter=None),
    ]
    found = measure([*make("bias", 2), *flats])[NIGHT, "ccd", "gain"][2:]
    assert found == [("flat", f"flat_{n:03d}") for n in [3, 4, 5, 6, 7, 0, 1, 2]]
    lone = measure([*make("bias", 2), *make("flat", 2, 0, filter="B"), *make("flat", 1, 2, filter="V")])
    assert lone[NIGHT, "ccd", "gain"][2:] == [("flat", "flat_000"), ("flat", "flat_001")]


def test_the_own_night_comes_first_then_the_nearest_then_the_earlier():
    frames = [frame for night in ("2024-03-01", "2024-03-08", "2024-03-12") for frame in make_night(night)]
    measurements = Measurements(frames)

    def find(night, setup="ccd"):
        found = measurements.find("gain", night, setup)
        return found and found.night

    assert [find(night) for night in ("2024-03-08", "2024-03-02", "2024-03-10", "2024-03-11", "2025-01-01")] == [
        "2024-03-08",
        "2024-03-01",
        "2024-03-08",  # two nights from either
        "2024-03-12",
        "2024-03-12",
    ]
    assert find("2024-03-08", "other") is None


@pytest.mark.parametrize(
    ("config", "header", "measured", "prefer", "expected"),
    [
        (2.0, 1.5, True, "header", "2 (config.yaml)"),
        (2.0, 1.5, True, "measured", "2 (config.yaml)"),
        (None, 1.5, True, "header", "1.5 (header)"),
        (None, 1.5, True, "measured", f"measured on {NIGHT}"),
        (None, 1.5, False, "measured", "1.5 (header)"),
        (None, None, True, "header", f"measured on {NIGHT}"),
        (None, None, False, "header", "unknown"),
    ],
)
def test_settings_come_before_header_and_header_before_measurement_unless_that_is_preferred(
    config, header, measured, prefer, expected
):
    measurements = Measurements([*make("bias", 2), *make("flat", 2)] if measured else [])
    for quantity in ("gain", "read_noise"):
        light = make_frame("light", "m67.fits", **{quantity: header})
        detector = {"gain": None, "read_noise": None, "prefer": prefer} | {quantity: config}
        source = measurements.choose(quantity, light, detector)
        assert str(source) == expected
        assert source.is_known is (expected != "unknown")
        if expected.startswith("measured"):
            assert source.value == header  # to be taken should the frames not tell


def test_plan_says_of_every_product_where_gain_and_read_noise_come_from():
    plan = make_plan(make_night(), overlay(detector__read_noise=8.0))
    for item in [*plan.masters, *plan.made]:
        assert str(item.sources["gain"]) == f"measured on {NIGHT}"
        assert str(item.sources["read_noise"]) == "8 (config.yaml)"


def test_frames_with_a_problem_measure_nothing():
    frames = make_night()
    for frame in frames:
        if frame.kind == "flat":
            frame.problem = "truncated"
    assert [one.quantity for one in make_plan(frames, overlay()).measurements.all] == ["read_noise"]


def test_biases_of_another_night_tell_the_read_noise_before_darks_of_the_own():
    """Darks that are warm have their electrons' noise as well."""
    frames = [*make("bias", 2, night="2024-03-01"), *make("bias", 1), *make("dark", 4)]
    measurements = Measurements(frames)
    assert measurements.find("read_noise", NIGHT, "ccd").night == "2024-03-01"
    assert Measurements(frames[2:]).find("read_noise", NIGHT, "ccd").night == NIGHT
